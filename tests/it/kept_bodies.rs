//! Bodies that are meant: kept as they are, or understood, each by one line of configuration.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, http::StatusCode, response::IntoResponse, routing::get};
use bytes::Bytes;
use expect_test::expect;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};
use tower_contract::{ApiError, ContractLayer, KeepBody, KeepBodyLayer};

use crate::support::{all, answering, ask, block_on, check, contract, response};

const HTML: &str = "404\ncontent-type: text/html\n\n<h1>Not here</h1>";

fn saying(
    text: &'static str,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone {
    answering(move |_| response(text))
}

/// Status and content of what the stack sends of an answer to `POST /x`.
fn sent(layer: ContractLayer, text: &'static str) -> (u16, String) {
    let sent = ask(layer.layer(saying(text)), "POST /x");
    (sent.status().as_u16(), String::from_utf8(sent.body().to_vec()).unwrap())
}

/// What a whole Router answers to `GET path`.
fn routed(app: Router, path: &str) -> (u16, Value) {
    block_on(async {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let answer = app.oneshot(request).await.unwrap();
        assert_eq!(all(&answer, "access-control-allow-origin").len(), 1);
        let status = answer.status().as_u16();
        let content = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&content).unwrap())
    })
}

fn checks() -> Value {
    json!({"status": "down", "checks": {"db": "unreachable"}})
}

// ===== kept =====

#[test]
fn readiness_503_keeps_its_checks_as_a_response_part_and_on_a_whole_route() {
    async fn with_part() -> impl IntoResponse {
        (StatusCode::SERVICE_UNAVAILABLE, KeepBody, Json(checks()))
    }
    async fn without() -> impl IntoResponse {
        (StatusCode::SERVICE_UNAVAILABLE, Json(checks()))
    }
    let app = Router::new()
        .route("/part", get(with_part))
        .route("/route", get(without).layer(KeepBodyLayer::new()))
        .route("/masked", get(without))
        .layer(contract());
    assert_eq!(routed(app.clone(), "/part"), (503, checks()));
    assert_eq!(routed(app.clone(), "/route"), (503, checks()));
    let (status, masked) = routed(app, "/masked");
    assert_eq!((status, &masked["code"]), (503, &json!(503)));
}

#[test]
fn in_a_route_that_keeps_its_bodies_an_api_error_and_a_panic_have_their_envelope() {
    async fn failing() -> ApiError {
        ApiError::conflict().with_code(4091)
    }
    async fn panicking() {
        panic!("readiness");
    }
    let app = Router::new()
        .route("/error", get(failing))
        .route("/panic", get(panicking))
        .route_layer(KeepBodyLayer::new())
        .layer(contract());
    assert_eq!(routed(app.clone(), "/error").1["code"], 4091);
    assert_eq!(routed(app, "/panic").1["code"], 500);
}

#[test]
fn a_rule_keeps_what_a_path_or_a_media_type_says() {
    type Rule = fn(&http::response::Parts) -> bool;
    let cases: [(&str, Rule); 4] = [
        // A token endpoint (RFC 6749, 5.2).
        ("400\ncontent-type: application/json\n\n{\"error\":\"invalid_grant\"}", |head| {
            head.status == 400
        }),
        // GraphQL over HTTP.
        ("400\ncontent-type: application/graphql-response+json\n\n{\"errors\":[]}", |head| {
            head.headers["content-type"] == "application/graphql-response+json"
        }),
        // S3.
        ("404\ncontent-type: application/xml\n\n<Error><Code>NoSuchKey</Code></Error>", |head| {
            head.headers["content-type"] == "application/xml"
        }),
        (HTML, |head| head.headers["content-type"] == "text/html"),
    ];
    for (text, rule) in cases {
        let (head, content) = text.split_once("\n\n").unwrap();
        let layer = contract().error_body(|layer| layer.keep_if(move |_, _, head| rule(head)));
        let (status, kept) = sent(layer, text);
        assert!(head.starts_with(&status.to_string()));
        assert_eq!(kept, content);
        assert_ne!(sent(contract(), text).1, content, "without the rule");
    }
    // JSON-RPC, by its path.
    let rpc =
        "500\ncontent-type: application/json\n\n{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32603}}";
    let layer = || {
        contract().error_body(|l| l.keep_if(|method, path, _| method == "POST" && path == "/rpc"))
    };
    assert!(ask(layer().layer(saying(rpc)), "POST /rpc?a").body().starts_with(b"{\"jsonrpc\""));
    assert!(ask(layer().layer(saying(rpc)), "GET /rpc").body().starts_with(b"{\"http_method\""));
}

#[test]
fn what_is_kept_is_untouched_and_has_the_headers_of_cors() {
    check(
        contract().error_body(|layer| layer.keep_if(|_, _, _| true)).layer(saying(
            "404\ncontent-type: text/html\ncontent-language: de\netag: \"a\"\n\n<h1>Fehlt</h1>",
        )),
        "GET /x",
        expect![[r#"
            404 Not Found
            content-type: text/html
            content-language: de
            etag: "a"
            access-control-allow-origin: https://app.example.com
            access-control-allow-origins: https://app.example.com
            access-control-allow-headers: Authorization, Origin
            access-control-allow-methods: GET, POST, OPTIONS
            access-control-allow-credentials: true

            <h1>Fehlt</h1>
        "#]],
    );
}

#[test]
fn a_rule_that_panics_keeps_nothing_and_is_not_asked_of_an_api_error() {
    let layer = || contract().error_body(|layer| layer.keep_if(|_, _, _| panic!("rule")));
    assert_eq!(sent(layer(), HTML), sent(contract(), HTML));
    let failing = answering(|_| ApiError::not_found().into_http::<Full<Bytes>>());
    let keeps = contract().error_body(|layer| layer.keep_if(|_, _, _| true));
    assert!(!ask(keeps.layer(failing), "GET /x").body().is_empty());
}

// ===== understood =====

/// `{"detail": ..}` of `FastAPI`: a text, or a list of what is wrong where.
fn fastapi(status: StatusCode, _: &http::HeaderMap, content: &[u8]) -> Option<ApiError> {
    let content: Value = serde_json::from_slice(content).ok()?;
    let error = ApiError::new(status);
    match &content["detail"] {
        Value::String(text) => Some(error.with_description(text.clone())),
        Value::Array(list) => Some(list.iter().fold(error, |error, one| {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            error.with_field(
                one["loc"][1].as_str().unwrap_or_default().to_owned(),
                text("type"),
                text("msg"),
            )
        })),
        _ => None,
    }
}

fn understanding() -> ContractLayer {
    contract().error_body(|layer| layer.understand(fastapi))
}

#[test]
fn the_errors_of_another_framework_are_told_as_the_services_own() {
    let text = "403\ncontent-type: application/json\n\n{\"detail\":\"Not enough permissions\"}";
    let (status, content) = sent(understanding(), text);
    let content: Value = serde_json::from_str(&content).unwrap();
    assert_eq!((status, &content["description"]), (403, &json!("Not enough permissions")));
    let text = "422\ncontent-type: application/json\n\n{\"detail\":[{\"loc\":[\"body\",\"age\"],\"msg\":\"too young\",\"type\":\"ge\"}]}";
    let content: Value = serde_json::from_str(&sent(understanding(), text).1).unwrap();
    assert_eq!(content["errors"], json!([{"field": "age", "code": "ge", "message": "too young"}]));
    assert_eq!(content["code"], 422);
}

#[test]
fn what_is_understood_keeps_the_status_and_brings_its_headers() {
    let layer = contract().error_body(|layer| {
        layer.understand(|_, headers, content| {
            assert_eq!(headers["content-type"], "application/xml");
            assert_eq!(content, b"<Busy/>");
            let error = ApiError::unavailable().with_title("Busy").with_member("reason", "BUSY");
            Some(error.with_retry_after(std::time::Duration::from_secs(3)))
        })
    });
    check(
        layer.layer(saying("429\ncontent-type: application/xml\n\n<Busy/>")),
        "GET /x",
        expect![[r#"
            429 Too Many Requests
            content-type: application/json
            retry-after: 3
            content-length: 109
            x-content-type-options: nosniff
            cache-control: no-store
            access-control-allow-origin: https://app.example.com
            access-control-allow-origins: https://app.example.com
            access-control-allow-headers: Authorization, Origin
            access-control-allow-methods: GET, POST, OPTIONS
            access-control-allow-credentials: true

            {"http_method":"GET","title":"Busy","description":"Too many requests.","code":429,"uri":"/x","reason":"BUSY"}
        "#]],
    );
}

#[test]
fn what_is_not_understood_is_read_as_without_the_rule() {
    for text in [
        "404\ncontent-type: text/plain\n\nno such thing",
        "400\ncontent-type: application/json\n\n{\"a\":1}",
        HTML,
        "400\ncontent-type: application/json\ncontent-encoding: gzip\n\n{\"detail\":\"x\"}",
        "500\ncontent-type: application/json\n\n{\"detail\":\"x\"}",
    ] {
        assert_eq!(sent(understanding(), text), sent(contract(), text), "{text}");
        let panics = contract().error_body(|layer| layer.understand(|_, _, _| panic!("rule")));
        assert_eq!(sent(panics, text), sent(contract(), text), "{text}");
    }
    // Longer than a text may be, and shorter than what the rule is shown.
    let long = || response(&format!("400\ncontent-type: text/plain\n\n{}", "x".repeat(9000)));
    let seen = Arc::new(Mutex::new(0));
    let most = Arc::clone(&seen);
    let layer = contract().error_body(|layer| {
        layer.understand(move |_, _, content| {
            *most.lock().unwrap() = content.len();
            None
        })
    });
    let answered = ask(layer.layer(answering(move |_| long())), "GET /x");
    let plain = ask(contract().layer(answering(move |_| long())), "GET /x");
    assert_eq!((answered.body(), *seen.lock().unwrap()), (plain.body(), 9000));
}

// ===== members =====

const PROBLEM: &str = "422\ncontent-type: application/problem+json\n\n{\"type\":\"https://a.example/invalid\",\"title\":\"Invalid\",\"status\":422,\"detail\":\"A field is wrong.\",\"instance\":\"/y\",\"traceId\":\"7\",\"errors\":[{\"field\":\"a\",\"code\":\"b\"}]}";

#[test]
fn members_of_a_services_own_error_are_kept_where_that_is_asked_for() {
    let (_, plain) = sent(contract(), PROBLEM);
    assert_eq!(
        plain,
        r#"{"http_method":"POST","title":"Invalid","description":"A field is wrong.","code":422,"uri":"/x"}"#
    );
    let keeping = || contract().error_body(tower_contract::ErrorBodyLayer::keep_members);
    let (_, kept) = sent(keeping(), PROBLEM);
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["errors"], json!([{"field": "a", "code": "b"}]));
    assert_eq!(
        (&kept["traceId"], &kept["type"]),
        (&json!("7"), &json!("https://a.example/invalid"))
    );
    assert_eq!(kept.as_object().unwrap().len(), 5 + 3);
    let envelope = "400\ncontent-type: application/json\n\n{\"http_method\":\"GET\",\"title\":\"t\",\"description\":\"d\",\"code\":7,\"uri\":\"/o\",\"reason\":\"WHY\"}";
    let kept: Value = serde_json::from_str(&sent(keeping(), envelope).1).unwrap();
    assert_eq!((&kept["reason"], &kept["uri"]), (&json!("WHY"), &json!("/x")));
    assert!(!sent(contract(), envelope).1.contains("WHY"));
}

#[test]
fn members_of_more_than_sixteen_kibibytes_are_left_out_and_the_answer_is_complete() {
    let big = || {
        let content = json!({"http_method": "GET", "title": "t", "description": "d", "code": 7, "uri": "/o", "big": "x".repeat(17_000)});
        response(&format!("400\ncontent-type: application/json\n\n{content}"))
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let layer = contract().error_body(tower_contract::ErrorBodyLayer::keep_members).on_error(
        move |report| {
            log.lock().unwrap().push(report.left_out.map(str::to_owned));
        },
    );
    let answered = ask(layer.layer(answering(move |_| big())), "GET /x");
    assert_eq!(
        answered.body(),
        r#"{"http_method":"GET","title":"t","description":"d","code":7,"uri":"/x"}"#
    );
    assert_eq!(*told.lock().unwrap(), [Some("all members".to_owned())]);
}
