//! What a team's own errors say on the wire: members, field errors, header lines; never the source.

use std::time::Duration;

use bytes::Bytes;
use expect_test::expect;
use http::{Request, Response, Uri};
use http_body_util::Full;
use serde_json::Value;
use tower::{Layer, service_fn};
use tower_contract::{
    ApiError, Envelope, ErrorBodyLayer, OrApiError, ProblemDetailsFormat, WrappedEnvelopeFormat,
};

use crate::support::{all, answering, ask, check, contract};

fn failing(
    error: impl Fn() -> ApiError + Clone,
) -> impl tower::Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone {
    answering(move |_| error().into_http())
}

/// The errors of a form, with all that an error can bring.
fn form() -> ApiError {
    ApiError::unprocessable()
        .with_code(4221)
        .with_title("Invalid form")
        .with_description("Two fields are wrong.")
        .with_member("reason", "INVALID_FORM")
        .with_field("email", "format", "This is no\r\n\"e-mail\" address.")
        .with_field("items[3].price", "range", "A price is not negative.")
        .with_header("link", "</help>; rel=help")
        .with_source(std::io::Error::other("secret"))
}

#[test]
fn an_error_tells_its_members_its_field_errors_and_its_header_lines() {
    check(
        contract().layer(failing(form)),
        "POST /orders",
        expect![[r#"
            422 Unprocessable Entity
            link: </help>; rel=help
            content-type: application/json
            content-length: 302
            x-content-type-options: nosniff
            cache-control: no-store
            access-control-allow-origin: https://app.example.com
            access-control-allow-origins: https://app.example.com
            access-control-allow-headers: Authorization, Origin
            access-control-allow-methods: GET, POST, OPTIONS
            access-control-allow-credentials: true

            {"http_method":"POST","title":"Invalid form","description":"Two fields are wrong.","code":4221,"uri":"/orders","errors":[{"field":"email","code":"format","message":"This is no \"e-mail\" address."},{"field":"items[3].price","code":"range","message":"A price is not negative."}],"reason":"INVALID_FORM"}
        "#]],
    );
}

#[test]
fn problem_details_have_a_type_and_pointers() {
    let types = Uri::from_static("https://api.example.com/problems");
    let format = ProblemDetailsFormat::new().type_base(types);
    check(
        ErrorBodyLayer::new().format(format).layer(failing(form)),
        "POST /orders",
        expect![[r##"
            422 Unprocessable Entity
            link: </help>; rel=help
            content-type: application/problem+json
            content-length: 367
            x-content-type-options: nosniff
            cache-control: no-store

            {"type":"https://api.example.com/problems/4221","title":"Invalid form","status":422,"detail":"Two fields are wrong.","instance":"/orders","code":4221,"http_method":"POST","errors":[{"detail":"This is no \"e-mail\" address.","pointer":"#/email","code":"format"},{"detail":"A price is not negative.","pointer":"#/items/3/price","code":"range"}],"reason":"INVALID_FORM"}
        "##]],
    );
}

#[test]
fn a_wrapped_envelope_has_its_members_inside() {
    let service = ErrorBodyLayer::new().format(WrappedEnvelopeFormat).layer(failing(form));
    let sent = ask(service, "POST /orders");
    let sent: Value = serde_json::from_slice(sent.body()).unwrap();
    assert_eq!(sent["error"]["reason"], "INVALID_FORM");
    assert_eq!(sent.as_object().unwrap().len(), 1);
}

#[test]
fn the_source_of_an_error_is_sent_nowhere() {
    for error in [form, || ApiError::internal().with_source("a secret")] {
        for asked in ["GET /", "HEAD /", "POST /\ncontent-type: application/grpc\n\nx"] {
            let sent = ask(contract().layer(failing(error)), asked);
            assert!(!format!("{sent:?}").contains("secret"), "{sent:?}");
        }
    }
}

#[test]
fn a_head_request_gets_the_header_lines_of_the_error() {
    let busy = || ApiError::unavailable().with_retry_after(Duration::from_secs(5));
    for asked in ["GET /", "HEAD /"] {
        let sent = ask(contract().layer(failing(busy)), asked);
        assert_eq!(all(&sent, "retry-after"), ["5"]);
    }
    let unauthorized = || ApiError::unauthorized().with_challenge("Bearer realm=\"recordings\"");
    let sent = ask(contract().layer(failing(unauthorized)), "HEAD /");
    assert_eq!(all(&sent, "www-authenticate"), ["Bearer realm=\"recordings\""]);
}

#[test]
fn what_passes_a_limit_is_left_out_and_the_answer_is_complete() {
    let errors: [fn() -> ApiError; 3] = [
        || ApiError::conflict().with_member("a", "x".repeat(17_000)),
        || ApiError::conflict().with_header("x-a", "b\r\nset-cookie: c=d"),
        || ApiError::conflict().with_header("content-length", "7").with_header("date", "now"),
    ];
    let plain = ask(contract().layer(failing(ApiError::conflict)), "GET /");
    for error in errors {
        let sent = ask(contract().layer(failing(error)), "GET /");
        assert_eq!((sent.body(), sent.headers()), (plain.body(), plain.headers()));
    }
    let many = || {
        (0..10_000).fold(ApiError::unprocessable(), |error, n| {
            error.with_field(format!("f[{n}]"), "c", "m")
        })
    };
    let sent = ask(contract().layer(failing(many)), "GET /");
    let sent: Envelope = serde_json::from_slice(sent.body()).unwrap();
    assert_eq!(sent.members["errors"].as_array().unwrap().len(), 100);
}

#[test]
fn an_api_error_that_another_error_wraps_keeps_its_status_through_or_api_error() {
    let service =
        service_fn(async |_: Request<Full<Bytes>>| -> Result<Response<Full<Bytes>>, ApiError> {
            let wrapped = std::io::Error::other(ApiError::not_found().with_code(4041));
            Err(wrapped).or_api_error(ApiError::internal())
        });
    let sent = ask(contract().layer(service), "GET /x");
    assert_eq!(sent.status(), 404);
    let sent: Envelope = serde_json::from_slice(sent.body()).unwrap();
    assert_eq!(
        sent,
        Envelope::new("GET", "Not Found", "No resource exists at this URI.", 4041, "/x")
    );
}
