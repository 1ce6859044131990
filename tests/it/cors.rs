//! The CORS layer alone: what it answers by itself, and what it costs.

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use expect_test::expect;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimitLayer};
use tower_contract::{CorsContractLayer, CorsPolicy, OriginHeader, service::CorsContract};

use crate::support::{answering, check, now, policy, request};

const PREFLIGHT: &str = "OPTIONS /server/mode\n\
    origin: https://app.example.com\n\
    access-control-request-method: POST";

fn hello(_: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
    Response::new(Full::from("hello"))
}

#[test]
fn a_preflight_is_answered_without_the_service() {
    let policy = CorsPolicy::builder(["https://app.example.com"])
        .allow_headers(["authorization", "origin", "content-type"])
        .expose_headers(["Location"])
        .max_age(std::time::Duration::from_secs(600))
        .build()
        .unwrap();
    let service = CorsContractLayer::new(policy)
        .layer(answering(|_| -> Response<Full<Bytes>> { unreachable!("a preflight") }));
    check(
        service,
        PREFLIGHT,
        expect![[r#"
        200 OK
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: authorization, origin, content-type
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true
        access-control-max-age: 600


    "#]],
    );
}

#[test]
fn any_other_options_request_reaches_the_service() {
    let service = CorsContractLayer::new(policy()).layer(answering(hello));
    check(
        service,
        "OPTIONS /\norigin: https://app.example.com",
        expect![[r#"
            200 OK
            access-control-allow-origin: https://app.example.com
            access-control-allow-origins: https://app.example.com
            access-control-allow-headers: Authorization, Origin
            access-control-allow-methods: GET, POST, OPTIONS
            access-control-allow-credentials: true

            hello
        "#]],
    );
}

#[test]
fn the_origin_has_the_name_that_was_asked_for() {
    for (expected, origin_header) in [
        ("origin origins", OriginHeader::Both),
        ("origin", OriginHeader::Standard),
        ("origins", OriginHeader::Documented),
    ] {
        let policy = CorsPolicy::builder(["https://app.example.com"]).origin_header(origin_header);
        let service = CorsContractLayer::new(policy.build().unwrap()).layer(answering(hello));
        let response = now(service.oneshot(request("GET /"))).unwrap();
        let names = response.headers().keys().map(HeaderName::as_str);
        let names: Vec<_> = names.filter_map(|n| n.strip_prefix("access-control-allow-")).collect();
        assert_eq!(names.join(" "), format!("{expected} headers methods credentials"));
    }
}

#[test]
fn an_origin_is_compared_byte_for_byte_and_any_other_is_told_the_first() {
    let urls = ["https://app.example.com", "https://admin.example.com"];
    let layer = CorsContractLayer::new(CorsPolicy::builder(urls).build().unwrap());
    for (expected, lines) in [
        (1, &["https://admin.example.com"][..]),
        (0, &["https://app.example.com"]),
        (0, &["https://ADMIN.example.com"]),
        (0, &["HTTPS://admin.example.com"]),
        (0, &["https://admin.example.com/"]),
        (0, &[" https://admin.example.com"]),
        (0, &["https://admin.example.com", "https://admin.example.com"]),
        (0, &["https://admin.example.com, https://admin.example.com"]),
        (0, &["https://admin.example.org"]),
        (0, &[""]),
        (0, &[]),
    ] {
        let mut request = request("GET /");
        for line in lines {
            #[expect(clippy::disallowed_methods, reason = "several lines are the question")]
            request.headers_mut().append("origin", HeaderValue::from_static(line));
        }
        let response = now(layer.layer(answering(hello)).oneshot(request)).unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], urls[expected], "{lines:?}");
    }
}

#[test]
fn a_preflight_gives_back_the_readiness_that_it_does_not_use() {
    let limited = ConcurrencyLimitLayer::new(1).layer(answering(hello));
    let mut service = CorsContractLayer::new(policy()).layer(limited);
    let mut other = service.clone();
    now(service.ready()).unwrap();
    now(service.call(request(PREFLIGHT))).unwrap();
    // `service` is alive and holds no permit.
    now(other.ready()).unwrap();
}

// ===== cost =====

/// What one call of the layer around an empty service allocates.
fn allocations(urls: usize, asked: Request<()>) -> AllocationInfo {
    let urls = (0..urls).map(|n| format!("https://app-{n}.example.com"));
    let inner = tower::service_fn(async |_: Request<()>| Ok::<_, ()>(Response::new(())));
    let layer = CorsContractLayer::new(CorsPolicy::builder(urls).build().unwrap());
    let mut service = layer.layer(inner);
    measure(|| drop(now(service.call(asked)).unwrap()))
}

#[test]
fn a_response_costs_the_growth_of_its_headers_and_nothing_else() {
    let ask = || Request::get("/").header("origin", "https://app-1.example.com").body(()).unwrap();
    // The entries and the index of the map.
    for urls in [1, 2, 1_024] {
        assert_eq!(allocations(urls, ask()).count_total, 2, "{urls}");
    }
}

#[test]
fn a_preflight_costs_the_same_however_many_headers_it_asks_for() {
    let ask = |names: usize| {
        Request::options("/")
            .header("origin", "https://app-1.example.com")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "x,".repeat(names))
            .body(())
            .unwrap()
    };
    let bytes = |names| allocations(2, ask(names)).bytes_total;
    assert_eq!(bytes(0), bytes(200_000));
}

#[test]
fn the_future_is_the_inner_one_and_a_little_more() {
    type Future = <CorsContract<Inner> as Service<Request<()>>>::Future;
    type Inner = tower::util::ServiceFn<fn(Request<()>) -> Ready>;
    type Ready = std::future::Ready<Result<Response<()>, ()>>;
    assert!(size_of::<Future>() <= size_of::<Ready>() + 32);
}
