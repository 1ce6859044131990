//! Several policies in one application: one layer decides by path, outermost.

use axum::{Router, routing::get};
use tower::{Layer, ServiceExt};
use tower_contract::{
    ContractLayer, CorsContractLayer, CorsPolicy, CorsPolicyHandle, CorsPolicySource,
};

use crate::support::{answering, block_on, now, request};

const APP: &str = "https://app.example.com";
const PARTNER: &str = "https://partner.example";

fn policy(origin: &str) -> CorsPolicy {
    CorsPolicy::builder([origin]).build().unwrap()
}

/// For the app everywhere, for a partner below `/partners/`, for everyone below `/public/`.
fn by_path() -> CorsPolicySource {
    CorsPolicySource::by_path(policy(APP))
        .path("/partners/{*rest}", CorsPolicyHandle::new(policy(PARTNER)))
        .path("/public/{*rest}", CorsPolicy::public().json_pages().build().unwrap())
        .build()
        .unwrap()
}

/// A router whose paths answer, fail, or are not there.
fn app() -> Router {
    let panic = || get(async || -> &'static str { panic!("a bug") });
    Router::new()
        .route("/ok", get("ok"))
        .route("/panic", panic())
        .route("/public/ok", get("ok"))
        .route("/public/panic", panic())
        .route("/partners/ok", get("ok"))
}

/// The status of `asked`, and for whom the response is readable.
fn answer(asked: &str) -> (u16, String) {
    let app = app().layer(ContractLayer::new(by_path()));
    let response = block_on(app.oneshot(request(asked).map(axum::body::Body::new))).unwrap();
    let origin = &response.headers()["access-control-allow-origin"];
    (response.status().as_u16(), origin.to_str().unwrap().to_owned())
}

#[test]
fn a_404_a_panic_and_a_preflight_have_the_policy_of_their_path() {
    for (asked, status, origin) in [
        ("GET /ok", 200, APP),
        ("GET /nope", 404, APP),
        ("GET /privat", 404, APP),
        ("GET /panic", 500, APP),
        ("GET /", 404, APP),
        ("GET /public", 404, APP),
        ("GET /public/", 404, APP),
        ("GET /public/ok", 200, "*"),
        ("GET /public/nope", 404, "*"),
        ("GET /public/panic", 500, "*"),
        ("GET /partners/ok", 200, PARTNER),
        ("GET /partners/nope", 404, PARTNER),
    ] {
        assert_eq!(answer(asked), (status, origin.to_owned()), "{asked}");
        let (_, path) = asked.split_once(' ').unwrap();
        let preflight =
            format!("OPTIONS {path}\norigin: {APP}\naccess-control-request-method: PUT");
        assert_eq!(answer(&preflight), (200, origin.to_owned()), "{preflight}");
    }
}

#[test]
fn an_odd_spelling_of_a_path_has_the_default_policy() {
    for path in [
        "/public/../panic",
        "/public/%2e%2e/panic",
        "/public//ok",
        "//public/ok",
        "/public/a%2fb",
        "/public/a%5Cb",
        "/public/a%252fb",
        "/public/a%00",
        "/public/a;b",
        "/public/./ok",
        "/%70ublic/ok",
        "/PUBLIC/ok",
    ] {
        let (_, origin) = answer(&format!("GET {path}"));
        assert_eq!(origin, APP, "{path}");
    }
}

#[test]
fn only_a_path_whose_policy_can_be_replaced_varies() {
    let layer = CorsContractLayer::new(by_path());
    for (path, varies) in [("/ok", false), ("/public/ok", false), ("/partners/ok", true)] {
        let service = layer.layer(answering(|_| http::Response::new(String::new())));
        let response = now(service.oneshot(request(&format!("GET {path}")))).unwrap();
        assert_eq!(response.headers().contains_key("vary"), varies, "{path}");
    }
}

#[test]
fn of_two_layers_the_outer_one_wins_and_a_nested_one_never_acts() {
    let nested = app().layer(CorsContractLayer::new(policy(PARTNER)));
    let app = Router::new().nest("/partners", nested).layer(ContractLayer::new(policy(APP)));
    for asked in [
        "GET /partners/ok",
        "GET /partners/nope",
        "OPTIONS /partners/ok\naccess-control-request-method: PUT",
    ] {
        let asked = format!("{asked}\norigin: {PARTNER}");
        let asked = request(&asked).map(axum::body::Body::new);
        let response = block_on(app.clone().oneshot(asked)).unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], APP);
    }
}

#[test]
fn many_paths_and_none_are_sources_too() {
    let mut builder = CorsPolicySource::by_path(policy(APP));
    for n in 0..1_000 {
        builder =
            builder.path(format!("/t{n}/{{*rest}}"), policy(&format!("https://t{n}.example")));
    }
    let layer = CorsContractLayer::new(builder.build().unwrap());
    for (path, origin) in [("/t999/a", "https://t999.example"), ("/t1000/a", APP), ("*", APP)] {
        let service = layer.layer(answering(|_| http::Response::new(String::new())));
        let response = now(service.oneshot(request(&format!("OPTIONS {path}")))).unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], origin, "{path}");
    }
    let none = CorsContractLayer::new(CorsPolicySource::by_path(policy(APP)).build().unwrap());
    let service = none.layer(answering(|_| http::Response::new(String::new())));
    let response = now(service.oneshot(request("GET /"))).unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], APP);
}
