//! One transcript for each way in which the stack can answer, in the order of the walk.

use std::time::Duration;

use bytes::Bytes;
use expect_test::expect;
use http::{Method, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, service_fn};
use tower_contract::{ApiError, MethodGuardLayer, TimeoutLayer};

use crate::support::{Script, Step, answering, check, contract};

type Answer = Response<Full<Bytes>>;

#[test]
fn a_preflight_is_answered_without_the_service() {
    let service = contract().layer(answering(|_| -> Answer { panic!("it is called") }));
    check(
        service,
        "OPTIONS /x\norigin: https://app.example.com\naccess-control-request-method: POST",
        expect![[r#"
            200 OK
            access-control-allow-origin: https://app.example.com
            access-control-allow-origins: https://app.example.com
            access-control-allow-headers: Authorization, Origin
            access-control-allow-methods: GET, POST, OPTIONS
            access-control-allow-credentials: true


        "#]],
    );
}

#[test]
fn a_healthy_response_passes_with_the_contracts_headers() {
    let service = contract().layer(answering(|_| Answer::new("hello".into())));
    check(
        service,
        "GET /x\norigin: https://app.example.com",
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
fn a_method_that_is_not_supported_is_refused_with_allow() {
    let contract = contract().methods(MethodGuardLayer::new([Method::GET, Method::POST]));
    let service = contract.layer(answering(|_| Answer::new("hello".into())));
    check(
        service,
        "DELETE /x",
        expect![[r#"
        405 Method Not Allowed
        allow: GET, HEAD, POST
        content-type: application/json
        content-length: 142
        x-content-type-options: nosniff
        cache-control: no-store
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true

        {"http_method":"DELETE","title":"Method Not Allowed","description":"This resource does not support the request method.","code":405,"uri":"/x"}
    "#]],
    );
}

#[test]
fn an_unknown_method_is_not_implemented() {
    let contract = contract().methods(MethodGuardLayer::new([Method::GET, Method::POST]));
    let service = contract.layer(answering(|_| Answer::new("hello".into())));
    check(
        service,
        "FOOBAR /x",
        expect![[r#"
        501 Not Implemented
        allow: GET, HEAD, POST
        content-type: application/json
        content-length: 133
        x-content-type-options: nosniff
        cache-control: no-store
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true

        {"http_method":"FOOBAR","title":"Not Implemented","description":"The server does not know the request method.","code":501,"uri":"/x"}
    "#]],
    );
}

#[test]
fn a_panic_is_500_and_says_nothing() {
    let service = contract().layer(answering(|_| -> Answer { panic!("secret db pw") }));
    check(
        service,
        "GET /x",
        expect![[r#"
        500 Internal Server Error
        content-type: application/json
        content-length: 131
        x-content-type-options: nosniff
        cache-control: no-store
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true

        {"http_method":"GET","title":"Internal Server Error","description":"The server met an unexpected condition.","code":500,"uri":"/x"}
    "#]],
    );
}

#[test]
fn a_panic_in_the_body_breaks_the_response() {
    let service = contract().layer(answering(|_| {
        Response::new(Script::new([Step::Data(b"begun"), Step::Panic("secret")]))
    }));
    check(
        service,
        "GET /x",
        expect![[r#"
        200 OK
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true

        begun
        error: the response body panicked
    "#]],
    );
}

#[test]
fn an_error_of_the_service_is_500_and_says_nothing() {
    let failing = service_fn(async |_| Err::<Answer, _>(BoxError::from("boom")));
    check(
        contract().layer(failing),
        "GET /x",
        expect![[r#"
        500 Internal Server Error
        content-type: application/json
        content-length: 131
        x-content-type-options: nosniff
        cache-control: no-store
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true

        {"http_method":"GET","title":"Internal Server Error","description":"The server met an unexpected condition.","code":500,"uri":"/x"}
    "#]],
    );
}

#[test]
fn a_refused_connection_is_502() {
    let failing = service_fn(async |_| {
        Err::<Answer, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
    });
    check(
        contract().layer(failing),
        "GET /x",
        expect![[r#"
        502 Bad Gateway
        content-type: application/json
        content-length: 136
        x-content-type-options: nosniff
        cache-control: no-store
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true

        {"http_method":"GET","title":"Bad Gateway","description":"A system behind this service is unavailable or failed.","code":502,"uri":"/x"}
    "#]],
    );
}

#[test]
fn a_service_that_is_too_slow_is_503() {
    let timeout = TimeoutLayer::new(Duration::from_secs(2)).retry_after(Duration::from_secs(10));
    let slow = service_fn(|_| std::future::pending::<Result<Answer, BoxError>>());
    check(
        contract().timeout(timeout).layer(slow),
        "GET /x",
        expect![[r#"
            503 Service Unavailable
            retry-after: 10
            content-type: application/json
            content-length: 133
            x-content-type-options: nosniff
            cache-control: no-store
            access-control-allow-origin: https://app.example.com
            access-control-allow-origins: https://app.example.com
            access-control-allow-headers: Authorization, Origin
            access-control-allow-methods: GET, POST, OPTIONS
            access-control-allow-credentials: true

            {"http_method":"GET","title":"Service Unavailable","description":"The service cannot process the request now.","code":503,"uri":"/x"}
        "#]],
    );
}

#[test]
fn an_error_of_the_application_is_told_in_its_own_words() {
    let service = contract().layer(answering(|_| -> Answer {
        ApiError::new(http::StatusCode::PAYMENT_REQUIRED)
            .with_code(4020)
            .with_title("Card declined")
            .with_description("The card was refused.")
            .into_http()
    }));
    check(
        service,
        "POST /pay",
        expect![[r#"
        402 Payment Required
        content-type: application/json
        content-length: 109
        x-content-type-options: nosniff
        cache-control: no-store
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true

        {"http_method":"POST","title":"Card declined","description":"The card was refused.","code":4020,"uri":"/pay"}
    "#]],
    );
}

#[test]
fn an_empty_404_of_the_service_gets_the_envelope() {
    let service = contract().layer(answering(|_| {
        let mut response = Answer::default();
        *response.status_mut() = http::StatusCode::NOT_FOUND;
        response
    }));
    check(
        service,
        "GET /nope?token=secret",
        expect![[r#"
        404 Not Found
        content-type: application/json
        content-length: 114
        x-content-type-options: nosniff
        cache-control: no-store
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true

        {"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"/nope"}
    "#]],
    );
}

#[test]
fn to_head_an_error_is_the_head_alone() {
    let service = contract().layer(answering(|_| -> Answer { ApiError::not_found().into_http() }));
    check(
        service,
        "HEAD /nope",
        expect![[r#"
        404 Not Found
        content-type: application/json
        x-content-type-options: nosniff
        cache-control: no-store
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true


    "#]],
    );
}
