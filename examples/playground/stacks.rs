//! The same service under four stacks: two as people write them, the contract's layers in a wrong
//! order, and the contract.

use std::{error::Error, time::Duration};

use axum::{
    Router,
    http::{Method, StatusCode, header},
};
use tower::ServiceBuilder;
use tower_contract::{
    CatchErrorLayer, ContractLayer, CorsContractLayer, CorsPolicy, CorsPolicyError, ErrorBodyLayer,
    MethodGuardLayer, PanicToErrorLayer, PublicUrl, TimeoutLayer,
};
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer, timeout as limit};

use crate::service::{self, Words};

/// How long a response may take to begin.
const LIMIT: Duration = Duration::from_millis(500);

/// Puts the layers around the service at `url`, for a page of the origin `page`.
type Build = fn(page: &str, url: &str) -> Result<Router, Box<dyn Error>>;

pub struct Stack {
    pub name: &'static str,
    pub about: &'static str,
    pub build: Build,
}

pub const ALL: [Stack; 4] = [
    Stack {
        name: "axum",
        about: "Plain axum, without a layer. curl sees most errors, a page on another origin none.",
        build: plain,
    },
    Stack {
        name: "tower-http",
        about: "CorsLayer, CatchPanicLayer and TimeoutLayer, as people write them. A page can read \
                the status, and finds another body each time.",
        build: tower_http,
    },
    Stack {
        name: "wrong order",
        about: "The contract's layers, with CORS next to the service: what the layers outside it \
                answer is lost to a page.",
        build: wrong_order,
    },
    Stack {
        name: "contract",
        about: "ContractLayer: every answer can be read, and every error has one shape.",
        build: contract,
    },
];

#[expect(clippy::unnecessary_wraps, reason = "built as its siblings are, of which some can fail")]
fn plain(_: &str, _: &str) -> Result<Router, Box<dyn Error>> {
    Ok(service::routes(Words::Own))
}

fn tower_http(page: &str, _: &str) -> Result<Router, Box<dyn Error>> {
    let cors = CorsLayer::new()
        .allow_origin([page.parse()?])
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .allow_credentials(true);
    let limit = limit::TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, LIMIT);
    let layers = ServiceBuilder::new().layer(cors).layer(CatchPanicLayer::new()).layer(limit);
    Ok(service::routes(Words::Own).layer(layers))
}

fn policy(page: &str) -> Result<CorsPolicy, CorsPolicyError> {
    CorsPolicy::builder([page])
        .allow_methods(["GET", "POST", "DELETE", "OPTIONS"])
        .allow_headers(["Authorization", "Origin", "Content-Type"])
        .expose_headers(["Allow", "Retry-After", "WWW-Authenticate"])
        .build()
}

fn methods() -> MethodGuardLayer {
    MethodGuardLayer::new([Method::GET, Method::POST, Method::OPTIONS])
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::new(LIMIT).retry_after(Duration::from_secs(2))
}

fn contract(page: &str, url: &str) -> Result<Router, Box<dyn Error>> {
    let contract = ContractLayer::new(policy(page)?)
        .public_url(url.parse()?)
        .methods(methods())
        .timeout(timeout());
    Ok(service::routes(Words::Contract).layer(contract))
}

fn wrong_order(page: &str, url: &str) -> Result<Router, Box<dyn Error>> {
    let url: PublicUrl = url.parse()?;
    Ok(service::routes(Words::Contract)
        .layer(CorsContractLayer::new(policy(page)?))
        .layer(timeout())
        .layer(CatchErrorLayer::new())
        .layer(PanicToErrorLayer::new())
        .layer(methods())
        .layer(ErrorBodyLayer::new().public_url(url)))
}
