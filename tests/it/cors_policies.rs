//! What policies can say beside exact origins of the web.

use allocation_counter::measure;
use bytes::Bytes;
use expect_test::expect;
use http::{HeaderMap, HeaderValue, Request, Response, header::ORIGIN};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};
use tower_contract::{
    ContractLayer, CorsContractLayer, CorsPolicy, CorsPolicyBuilder, CorsPolicyHandle,
    PublicCorsPolicyBuilder, RequestOrigin,
};

use crate::support::{FRONT_END, answering, check, now, request};

fn hello(_: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
    Response::new(Full::from("hello"))
}

/// What a page of `origin` is told to be.
fn told(policy: &CorsPolicy, origin: &str) -> String {
    let service = CorsContractLayer::new(policy.clone()).layer(answering(hello));
    let response = now(service.oneshot(request(&format!("GET /\norigin: {origin}")))).unwrap();
    response.headers()["access-control-allow-origin"].to_str().unwrap().to_owned()
}

fn front_end() -> CorsPolicyBuilder {
    CorsPolicy::builder([FRONT_END])
}

// ===== lists =====

#[test]
fn a_whole_list_is_the_whole_list_and_what_is_added_is_added_in_any_order() {
    for builder in [
        front_end().allow_methods(["GET"]).also_allow_methods(["PUT", "GET"]).json_pages(),
        front_end().json_pages().also_allow_methods(["PUT", "GET"]).allow_methods(["GET"]),
    ] {
        let builder = builder.allow_headers(["X-A"]).also_allow_headers(["x-a", "X-B"]);
        let service = CorsContractLayer::new(builder.build().unwrap()).layer(answering(hello));
        let response = now(service.oneshot(request("GET /"))).unwrap();
        let methods = response.headers()["access-control-allow-methods"].to_str().unwrap();
        let mut methods: Vec<_> = methods.split(", ").collect();
        methods.sort_unstable();
        assert_eq!(methods, ["DELETE", "GET", "PATCH", "PUT"]);
        let headers = response.headers()["access-control-allow-headers"].to_str().unwrap();
        assert!(
            ["X-A, X-B, Content-Type", "X-A, Content-Type, X-B"].contains(&headers),
            "{headers}"
        );
    }
}

#[test]
fn pages_of_json_grpc_web_and_connect_are_one_word_each() {
    check(
        CorsContractLayer::new(front_end().json_pages().build().unwrap()).layer(answering(hello)),
        "GET /",
        expect![[r#"
            200 OK
            access-control-allow-origin: https://app.example.com
            access-control-allow-origins: https://app.example.com
            access-control-allow-headers: Authorization, Origin, Content-Type
            access-control-allow-methods: GET, POST, OPTIONS, PUT, PATCH, DELETE
            access-control-allow-credentials: true

            hello
        "#]],
    );
    check(
        CorsContractLayer::new(front_end().grpc_web_pages().connect_pages().build().unwrap())
            .layer(answering(hello)),
        "GET /",
        expect![[r#"
            200 OK
            access-control-allow-origin: https://app.example.com
            access-control-allow-origins: https://app.example.com
            access-control-allow-headers: Authorization, Origin, Content-Type, X-Grpc-Web, X-User-Agent, Grpc-Timeout, Connect-Protocol-Version, Connect-Timeout-Ms, Connect-Content-Encoding, Connect-Accept-Encoding, Content-Encoding
            access-control-allow-methods: GET, POST, OPTIONS
            access-control-allow-credentials: true
            access-control-expose-headers: Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Content-Encoding, Connect-Content-Encoding

            hello
        "#]],
    );
}

#[test]
fn a_field_that_responses_carry_can_be_exposed_though_requests_carry_it_too() {
    assert!(front_end().expose_headers(["Authorization", "Cookie", "User-Agent"]).build().is_ok());
    for name in ["Origin", "Access-Control-Allow-Origin", "Set-Cookie", "Set-Cookie2"] {
        assert!(front_end().expose_headers([name]).build().is_err(), "{name}");
    }
}

#[test]
fn a_value_that_is_there_twice_counts_once() {
    let urls = ["http://localhost:3000", "http://localhost:3000"];
    let policy = CorsPolicy::builder(urls).also_allow_methods(["GET"]).build().unwrap();
    let service = CorsContractLayer::new(policy).layer(answering(hello));
    let response = now(service.oneshot(request("GET /"))).unwrap();
    assert_eq!(response.headers()["access-control-allow-methods"], "GET, POST, OPTIONS");
    assert!(!response.headers().contains_key("vary"), "one front end does not vary");
}

// ===== whose pages =====

#[test]
fn the_page_of_an_app_is_a_front_end_when_it_is_named() {
    let policy = front_end().app_origins(["tauri://localhost", "capacitor://localhost"]).build();
    let policy = policy.unwrap();
    for origin in ["tauri://localhost", "capacitor://localhost", FRONT_END] {
        assert_eq!(told(&policy, origin), origin);
    }
    for origin in ["tauri://other", "tauri://localhost:1", "ionic://localhost", "null"] {
        assert_eq!(told(&policy, origin), FRONT_END, "{origin}");
    }
}

#[test]
fn the_origin_of_everyone_is_refused_by_every_setter() {
    for origin in ["null", "file://", "tauri://*", "app://", "*", "https://*", "data:,a"] {
        assert!(CorsPolicy::builder([FRONT_END, origin]).build().is_err(), "{origin}");
        assert!(front_end().app_origins([origin]).build().is_err(), "{origin}");
        assert!(front_end().subdomains_of([origin]).build().is_err(), "{origin}");
    }
    let every = || front_end().any_loopback_port().subdomains_of(["https://preview.example.com"]);
    let policy = every().app_origins(["tauri://localhost"]).build().unwrap();
    for origin in ["null", "file://", "*", "", "https://preview.example.com"] {
        assert_eq!(told(&policy, origin), FRONT_END, "{origin}");
    }
}

#[test]
fn every_host_below_one_and_every_local_port_can_be_admitted() {
    let policy = front_end()
        .subdomains_of(["https://preview.example.com"])
        .any_loopback_port()
        .build()
        .unwrap();
    for origin in
        ["https://pr-7.preview.example.com", "http://localhost:5173", "https://[::1]:9", FRONT_END]
    {
        assert_eq!(told(&policy, origin), origin);
    }
    for origin in ["https://preview.example.com", "http://pr-7.preview.example.com"] {
        assert_eq!(told(&policy, origin), FRONT_END, "{origin}");
    }
    let service = CorsContractLayer::new(policy).layer(answering(hello));
    check(
        service,
        "GET /\norigin: https://pr-7.preview.example.com",
        expect![[r#"
        200 OK
        access-control-allow-origin: https://pr-7.preview.example.com
        access-control-allow-origins: https://pr-7.preview.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true
        vary: Origin

        hello
    "#]],
    );
}

#[test]
fn an_origin_that_is_not_listed_costs_one_allocation_and_only_there() {
    let policy = front_end().any_loopback_port().build().unwrap();
    let inner = tower::service_fn(async |_: Request<()>| Ok::<_, ()>(Response::new(())));
    let mut service = CorsContractLayer::new(policy).layer(inner);
    let mut count = |origin| {
        let ask = Request::get("/").header(ORIGIN, HeaderValue::from_static(origin)).body(());
        let ask = ask.unwrap();
        measure(|| drop(now(service.call(ask)).unwrap())).count_total
    };
    let listed = count(FRONT_END);
    assert_eq!(count("https://evil.test"), listed);
    assert_eq!(count("http://localhost:5173"), listed + 1);
}

#[test]
fn thousands_of_front_ends_are_a_policy_and_fit_into_a_handle() {
    let urls = |n: usize| (0..n).map(|n| format!("https://t{n}.example.com"));
    let policy = CorsPolicy::builder(urls(65_535)).build().unwrap();
    for origin in ["https://t0.example.com", "https://t65534.example.com"] {
        assert_eq!(told(&policy, origin), origin);
    }
    assert_eq!(told(&policy, "https://t65535.example.com"), "https://t0.example.com");
    let handle = CorsPolicyHandle::new(CorsPolicy::builder(urls(1)).build().unwrap());
    handle.replace(CorsPolicy::builder(urls(5_000)).build().unwrap());
    let error = CorsPolicy::builder(urls(65_536)).build().unwrap_err();
    assert!(error.to_string().contains("are more than 65,535"), "{error}");
}

// ===== everyone's pages =====

fn public() -> PublicCorsPolicyBuilder {
    CorsPolicy::public()
}

#[test]
fn an_anonymous_api_is_readable_for_everyone_without_credentials() {
    let policy = public().also_allow_headers(["Content-Type"]).build().unwrap();
    let service = ContractLayer::new(policy).layer(answering(hello));
    check(
        service.clone(),
        "GET /\norigin: https://anyone.example",
        expect![[r#"
        200 OK
        access-control-allow-origin: *
        access-control-allow-origins: *
        access-control-allow-headers: Content-Type
        access-control-allow-methods: GET, POST, OPTIONS

        hello
    "#]],
    );
    check(
        service,
        "OPTIONS /\norigin: null\naccess-control-request-method: POST",
        expect![[r#"
            200 OK
            access-control-allow-origin: *
            access-control-allow-origins: *
            access-control-allow-headers: Content-Type
            access-control-allow-methods: GET, POST, OPTIONS


        "#]],
    );
}

#[test]
fn an_error_of_an_anonymous_api_has_the_envelope_and_the_same_lines() {
    let service = ContractLayer::new(public().build().unwrap()).layer(answering(|_| {
        Response::builder().status(404).body(Full::<Bytes>::default()).unwrap()
    }));
    check(
        service,
        "GET /nope\norigin: https://anyone.example",
        expect![[r#"
        404 Not Found
        content-type: application/json
        content-length: 114
        x-content-type-options: nosniff
        cache-control: no-store
        access-control-allow-origin: *
        access-control-allow-origins: *
        access-control-allow-methods: GET, POST, OPTIONS

        {"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"/nope"}
    "#]],
    );
}

#[test]
fn a_wildcard_is_for_headers_of_an_anonymous_policy_alone() {
    assert!(public().allow_headers(["*", "Authorization"]).expose_headers(["*"]).build().is_ok());
    assert!(public().allow_methods(["*"]).build().is_err());
    assert!(front_end().allow_headers(["*"]).build().is_err());
    assert!(front_end().expose_headers(["*"]).build().is_err());
}

#[test]
fn a_public_policy_varies_only_where_it_can_be_replaced() {
    let handle = CorsPolicyHandle::new(public().build().unwrap());
    let service = CorsContractLayer::new(handle).layer(answering(hello));
    let response = now(service.oneshot(request("GET /"))).unwrap();
    assert_eq!(response.headers()["vary"], "Origin");
}

// ===== challenges =====

/// The `WWW-Authenticate` lines, the readable ones, and `Vary`, of a 401 with these challenges.
fn challenges(policy: CorsPolicy, challenges: &'static [&str], ask: &str) -> [String; 3] {
    let service = answering(move |_| {
        let mut response = Response::builder().status(401);
        for challenge in challenges {
            response = response.header("www-authenticate", *challenge);
        }
        response.body(Full::<Bytes>::default()).unwrap()
    });
    let layer = CorsContractLayer::new(policy);
    let response = now(layer.layer(service).oneshot(request(ask))).unwrap();
    ["www-authenticate", "x-www-authenticate", "vary"]
        .map(|name| crate::support::all(&response, name).join(" | "))
}

#[test]
fn a_page_reads_a_challenge_under_another_name_and_every_other_client_gets_it() {
    let policy = || front_end().readable_challenges().build().unwrap();
    let page = "GET /\norigin: https://app.example.com";
    let basic = &["Basic realm=\"x\""][..];
    let [challenge, readable, vary] = challenges(policy(), basic, page);
    assert_eq!([challenge, readable, vary], ["", "Basic realm=\"x\"", "Origin"]);
    let several = &["Bearer", "Digest nonce=\"1\", Basic realm=\"x\"", "Negotiate"][..];
    let [challenge, readable, _] = challenges(policy(), several, page);
    assert_eq!(challenge, "Bearer");
    assert_eq!(readable, "Digest nonce=\"1\", Basic realm=\"x\" | Negotiate");

    for ask in ["GET /", "GET /\norigin: https://api.example.com", "GET /\norigin: null"] {
        let [challenge, readable, vary] = challenges(policy(), basic, ask);
        assert_eq!([challenge, readable, vary], ["Basic realm=\"x\"", "", "Origin"], "{ask}");
    }
    let without = front_end().build().unwrap();
    let [challenge, readable, vary] = challenges(without, basic, page);
    assert_eq!([challenge, readable, vary], ["Basic realm=\"x\"", "", ""]);
}

#[test]
fn a_readable_challenge_is_exposed_and_only_a_401_varies() {
    let policy = front_end().readable_challenges().build().unwrap();
    let service = CorsContractLayer::new(policy).layer(answering(hello));
    check(
        service,
        "GET /\norigin: https://app.example.com",
        expect![[r#"
        200 OK
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true
        access-control-expose-headers: X-WWW-Authenticate

        hello
    "#]],
    );
}

// ===== whose request it is =====

#[test]
fn the_policy_says_whether_a_request_is_of_a_page_that_it_admits() {
    use RequestOrigin::{Absent, Admitted, Foreign};
    let policy = front_end().any_loopback_port().build().unwrap();
    let handle = CorsPolicyHandle::new(policy.clone());
    let headers = |lines: &[&'static str]| -> HeaderMap {
        lines.iter().map(|line| (ORIGIN, HeaderValue::from_static(line))).collect()
    };
    for (expected, lines) in [
        (Absent, &[][..]),
        (Admitted, &[FRONT_END]),
        (Admitted, &["http://localhost:9"]),
        (Foreign, &["https://evil.example"]),
        (Foreign, &["null"]),
        (Foreign, &[""]),
        (Foreign, &[FRONT_END, FRONT_END]),
    ] {
        assert_eq!(policy.origin_of_request(&headers(lines)), expected, "{lines:?}");
        assert_eq!(handle.origin_of_request(&headers(lines)), expected, "{lines:?}");
    }
    let everyone = public().build().unwrap();
    for line in [FRONT_END, "*", "null"] {
        assert_eq!(everyone.origin_of_request(&headers(&[line])), Foreign, "{line}");
    }
    handle.replace(everyone);
    assert_eq!(handle.origin_of_request(&headers(&[FRONT_END])), Foreign);
}
