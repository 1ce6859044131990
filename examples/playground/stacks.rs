//! The same service under three stacks of the same layers.

use std::{error::Error, time::Duration};

use axum::{Router, http::Method};
use tower_contract::{
    CatchErrorLayer, ContractLayer, CorsContractLayer, CorsPolicy, CorsPolicyError, ErrorBodyLayer,
    MethodGuardLayer, PanicToErrorLayer, PublicUrl, TimeoutLayer,
};

/// Puts the layers around a service at `url`, for a page of the origin `page`.
type Build = fn(service: Router, page: &str, url: &str) -> Result<Router, Box<dyn Error>>;

pub struct Stack {
    pub name: &'static str,
    pub about: &'static str,
    pub build: Build,
}

pub const ALL: [Stack; 3] = [
    Stack {
        name: "The contract",
        about: "ContractLayer: CORS outermost, so every answer can be read.",
        build: contract,
    },
    Stack {
        name: "CORS inside",
        about: "The same layers, CORS next to the service: what the layers outside it answer is lost.",
        build: cors_inside,
    },
    Stack {
        name: "No CORS",
        about: "The same layers without CORS: curl sees every error, a web page none.",
        build: no_cors,
    },
];

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
    TimeoutLayer::new(Duration::from_millis(500)).retry_after(Duration::from_secs(2))
}

fn contract(service: Router, page: &str, url: &str) -> Result<Router, Box<dyn Error>> {
    let contract = ContractLayer::new(policy(page)?)
        .public_url(url.parse()?)
        .methods(methods())
        .timeout(timeout());
    Ok(service.layer(contract))
}

fn cors_inside(service: Router, page: &str, url: &str) -> Result<Router, Box<dyn Error>> {
    let service = service.layer(CorsContractLayer::new(policy(page)?));
    no_cors(service, page, url)
}

fn no_cors(service: Router, _: &str, url: &str) -> Result<Router, Box<dyn Error>> {
    let url: PublicUrl = url.parse()?;
    Ok(service
        .layer(timeout())
        .layer(CatchErrorLayer::new())
        .layer(PanicToErrorLayer::new())
        .layer(methods())
        .layer(ErrorBodyLayer::new().public_url(url)))
}
