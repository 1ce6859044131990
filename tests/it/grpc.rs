//! What clients of gRPC, gRPC-Web and Connect are told: each way to fail, in each protocol.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use bytes::Bytes;
use expect_test::{Expect, expect};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Full;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_contract::{ApiError, Cause, KeepBody, MethodGuardLayer, TimeoutLayer};

use crate::support::{Script, Step, answering, block_on, contract, request};

type Answer = Response<Full<Bytes>>;

const GRPC: &str = "POST /p.S/M\ncontent-type: application/grpc+proto";
const WEB: &str = "POST /p.S/M\ncontent-type: application/grpc-web+proto";
const WEB_TEXT: &str = "POST /p.S/M\ncontent-type: application/grpc-web-text";
const UNARY: &str = "POST /p.S/M\ncontent-type: application/json\nconnect-protocol-version: 1";
const UNARY_GET: &str = "GET /p.S/M?connect=v1&encoding=json&message=%7B%7D";
const STREAM: &str = "POST /p.S/M\ncontent-type: application/connect+json";

const CALLS: [&str; 6] = [GRPC, WEB, WEB_TEXT, UNARY, UNARY_GET, STREAM];

/// Every call to a service, an answer in a line each, without the contract's CORS headers.
#[track_caller]
fn check<S, B>(service: S, calls: &[&str], expected: Expect)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let mut text = String::new();
    for call in calls {
        let response = block_on(service.clone().oneshot(request(call))).unwrap();
        let cors = response.headers().get("access-control-allow-origin");
        assert!(cors.is_some(), "{call}");
        writeln!(text, "{}", block_on(line(response))).unwrap();
    }
    expected.assert_eq(&text);
}

/// Status, headers, the body's bytes escaped, trailers.
async fn line<B>(response: Response<B>) -> String
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let (head, body) = response.into_parts();
    let ended = body.is_end_stream();
    let mut text = head.status.as_u16().to_string();
    write_headers(&mut text, &head.headers);
    let mut body = std::pin::pin!(body);
    let mut content = Vec::new();
    let mut end = String::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => content.extend_from_slice(&data),
            Ok(Err(frame)) => write_headers(&mut end, &frame.into_trailers().unwrap()),
            Err(error) => write!(end, " error: {error}").unwrap(),
        }
    }
    if ended {
        text.push_str(" | END");
    } else {
        write!(text, " | {}", content.escape_ascii()).unwrap();
    }
    if !end.is_empty() {
        write!(text, " |{end}").unwrap();
    }
    text
}

fn write_headers(text: &mut String, headers: &HeaderMap) {
    for (name, value) in headers {
        if !name.as_str().starts_with("access-control-") {
            write!(text, " {name}={value:?}").unwrap();
        }
    }
}

fn status(status: u16) -> Answer {
    let mut answer = Answer::new("what the service wrote".into());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

fn error(error: ApiError) -> Answer {
    error.into_http()
}

#[test]
fn a_panic_is_internal() {
    let service = contract().layer(answering(|_| -> Answer { panic!("secret") }));
    check(
        service,
        &CALLS,
        expect![[r#"
        200 content-type="application/grpc+proto" grpc-status="13" grpc-message="The server met an unexpected condition." | END
        200 content-type="application/grpc-web+proto" grpc-status="13" grpc-message="The server met an unexpected condition." content-length="75" | \x80\x00\x00\x00Fgrpc-status:13\r\ngrpc-message:The server met an unexpected condition.\r\n
        200 content-type="application/grpc-web-text" grpc-status="13" grpc-message="The server met an unexpected condition." content-length="100" | gAAAAEZncnBjLXN0YXR1czoxMw0KZ3JwYy1tZXNzYWdlOlRoZSBzZXJ2ZXIgbWV0IGFuIHVuZXhwZWN0ZWQgY29uZGl0aW9uLg0K
        500 content-type="application/json" cache-control="no-store" content-length="71" | {\"code\":\"internal\",\"message\":\"The server met an unexpected condition.\"}
        500 content-type="application/json" cache-control="no-store" content-length="71" | {\"code\":\"internal\",\"message\":\"The server met an unexpected condition.\"}
        200 content-type="application/connect+json" content-length="86" | \x02\x00\x00\x00Q{\"error\":{\"code\":\"internal\",\"message\":\"The server met an unexpected condition.\"}}
    "#]],
    );
}

#[test]
fn a_service_that_is_too_slow_is_deadline_exceeded() {
    let limit = TimeoutLayer::new(Duration::from_secs(2)).retry_after(Duration::from_secs(1));
    let slow = service_fn(|_| std::future::pending::<Result<Answer, BoxError>>());
    let service = contract().timeout(limit).layer(slow);
    check(
        service,
        &CALLS,
        expect![[r#"
        200 retry-after="1" content-type="application/grpc+proto" grpc-status="4" grpc-message="The service did not answer in time." | END
        200 retry-after="1" content-type="application/grpc-web+proto" grpc-status="4" grpc-message="The service did not answer in time." content-length="70" | \x80\x00\x00\x00Agrpc-status:4\r\ngrpc-message:The service did not answer in time.\r\n
        200 retry-after="1" content-type="application/grpc-web-text" grpc-status="4" grpc-message="The service did not answer in time." content-length="96" | gAAAAEFncnBjLXN0YXR1czo0DQpncnBjLW1lc3NhZ2U6VGhlIHNlcnZpY2UgZGlkIG5vdCBhbnN3ZXIgaW4gdGltZS4NCg==
        504 retry-after="1" content-type="application/json" cache-control="no-store" content-length="76" | {\"code\":\"deadline_exceeded\",\"message\":\"The service did not answer in time.\"}
        504 retry-after="1" content-type="application/json" cache-control="no-store" content-length="76" | {\"code\":\"deadline_exceeded\",\"message\":\"The service did not answer in time.\"}
        200 retry-after="1" content-type="application/connect+json" content-length="91" | \x02\x00\x00\x00V{\"error\":{\"code\":\"deadline_exceeded\",\"message\":\"The service did not answer in time.\"}}
    "#]],
    );
}

#[test]
fn an_overloaded_service_is_resource_exhausted() {
    let service =
        contract().layer(answering(|_| error(ApiError::unavailable().with_cause(Cause::Overload))));
    check(
        service,
        &CALLS,
        expect![[r#"
        200 content-type="application/grpc+proto" grpc-status="8" grpc-message="A limit of the service is reached." | END
        200 content-type="application/grpc-web+proto" grpc-status="8" grpc-message="A limit of the service is reached." content-length="69" | \x80\x00\x00\x00@grpc-status:8\r\ngrpc-message:A limit of the service is reached.\r\n
        200 content-type="application/grpc-web-text" grpc-status="8" grpc-message="A limit of the service is reached." content-length="92" | gAAAAEBncnBjLXN0YXR1czo4DQpncnBjLW1lc3NhZ2U6QSBsaW1pdCBvZiB0aGUgc2VydmljZSBpcyByZWFjaGVkLg0K
        429 content-type="application/json" cache-control="no-store" content-length="76" | {\"code\":\"resource_exhausted\",\"message\":\"A limit of the service is reached.\"}
        429 content-type="application/json" cache-control="no-store" content-length="76" | {\"code\":\"resource_exhausted\",\"message\":\"A limit of the service is reached.\"}
        200 content-type="application/connect+json" content-length="91" | \x02\x00\x00\x00V{\"error\":{\"code\":\"resource_exhausted\",\"message\":\"A limit of the service is reached.\"}}
    "#]],
    );
}

#[test]
fn an_upstream_that_is_down_is_unavailable() {
    let failing = service_fn(async |_| {
        Err::<Answer, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
    });
    check(
        contract().layer(failing),
        &CALLS,
        expect![[r#"
        200 content-type="application/grpc+proto" grpc-status="14" grpc-message="The service is unavailable now." | END
        200 content-type="application/grpc-web+proto" grpc-status="14" grpc-message="The service is unavailable now." content-length="67" | \x80\x00\x00\x00>grpc-status:14\r\ngrpc-message:The service is unavailable now.\r\n
        200 content-type="application/grpc-web-text" grpc-status="14" grpc-message="The service is unavailable now." content-length="92" | gAAAAD5ncnBjLXN0YXR1czoxNA0KZ3JwYy1tZXNzYWdlOlRoZSBzZXJ2aWNlIGlzIHVuYXZhaWxhYmxlIG5vdy4NCg==
        503 content-type="application/json" cache-control="no-store" content-length="66" | {\"code\":\"unavailable\",\"message\":\"The service is unavailable now.\"}
        503 content-type="application/json" cache-control="no-store" content-length="66" | {\"code\":\"unavailable\",\"message\":\"The service is unavailable now.\"}
        200 content-type="application/connect+json" content-length="81" | \x02\x00\x00\x00L{\"error\":{\"code\":\"unavailable\",\"message\":\"The service is unavailable now.\"}}
    "#]],
    );
}

#[test]
fn an_operation_that_nobody_knows_is_unimplemented() {
    let service = contract().layer(answering(|_| status(404)));
    check(
        service,
        &CALLS,
        expect![[r#"
        200 content-type="application/grpc+proto" grpc-status="12" grpc-message="The service does not support this operation." | END
        200 content-type="application/grpc-web+proto" grpc-status="12" grpc-message="The service does not support this operation." content-length="80" | \x80\x00\x00\x00Kgrpc-status:12\r\ngrpc-message:The service does not support this operation.\r\n
        200 content-type="application/grpc-web-text" grpc-status="12" grpc-message="The service does not support this operation." content-length="108" | gAAAAEtncnBjLXN0YXR1czoxMg0KZ3JwYy1tZXNzYWdlOlRoZSBzZXJ2aWNlIGRvZXMgbm90IHN1cHBvcnQgdGhpcyBvcGVyYXRpb24uDQo=
        404 content-type="application/json" cache-control="no-store" content-length="81" | {\"code\":\"unimplemented\",\"message\":\"The service does not support this operation.\"}
        404 content-type="application/json" cache-control="no-store" content-length="81" | {\"code\":\"unimplemented\",\"message\":\"The service does not support this operation.\"}
        200 content-type="application/connect+json" content-length="96" | \x02\x00\x00\x00[{\"error\":{\"code\":\"unimplemented\",\"message\":\"The service does not support this operation.\"}}
    "#]],
    );
}

#[test]
fn what_an_error_says_is_not_told_but_its_code() {
    let service =
        contract().layer(answering(|_| error(ApiError::forbidden().with_description("secret"))));
    check(
        service,
        &CALLS,
        expect![[r#"
        200 content-type="application/grpc+proto" grpc-status="7" grpc-message="This operation is forbidden." | END
        200 content-type="application/grpc-web+proto" grpc-status="7" grpc-message="This operation is forbidden." content-length="63" | \x80\x00\x00\x00:grpc-status:7\r\ngrpc-message:This operation is forbidden.\r\n
        200 content-type="application/grpc-web-text" grpc-status="7" grpc-message="This operation is forbidden." content-length="84" | gAAAADpncnBjLXN0YXR1czo3DQpncnBjLW1lc3NhZ2U6VGhpcyBvcGVyYXRpb24gaXMgZm9yYmlkZGVuLg0K
        403 content-type="application/json" cache-control="no-store" content-length="69" | {\"code\":\"permission_denied\",\"message\":\"This operation is forbidden.\"}
        403 content-type="application/json" cache-control="no-store" content-length="69" | {\"code\":\"permission_denied\",\"message\":\"This operation is forbidden.\"}
        200 content-type="application/connect+json" content-length="84" | \x02\x00\x00\x00O{\"error\":{\"code\":\"permission_denied\",\"message\":\"This operation is forbidden.\"}}
    "#]],
    );
}

#[test]
fn a_status_without_a_code_of_its_own_is_unknown() {
    let service = contract().layer(answering(|_| status(418)));
    check(
        service,
        &CALLS,
        expect![[r#"
        200 content-type="application/grpc+proto" grpc-status="2" grpc-message="The request was not accepted." | END
        200 content-type="application/grpc-web+proto" grpc-status="2" grpc-message="The request was not accepted." content-length="64" | \x80\x00\x00\x00;grpc-status:2\r\ngrpc-message:The request was not accepted.\r\n
        200 content-type="application/grpc-web-text" grpc-status="2" grpc-message="The request was not accepted." content-length="88" | gAAAADtncnBjLXN0YXR1czoyDQpncnBjLW1lc3NhZ2U6VGhlIHJlcXVlc3Qgd2FzIG5vdCBhY2NlcHRlZC4NCg==
        418 content-type="application/json" cache-control="no-store" content-length="60" | {\"code\":\"unknown\",\"message\":\"The request was not accepted.\"}
        418 content-type="application/json" cache-control="no-store" content-length="60" | {\"code\":\"unknown\",\"message\":\"The request was not accepted.\"}
        200 content-type="application/connect+json" content-length="75" | \x02\x00\x00\x00F{\"error\":{\"code\":\"unknown\",\"message\":\"The request was not accepted.\"}}
    "#]],
    );
}

#[test]
fn a_method_that_is_no_call_is_refused_in_http() {
    let contract = contract().methods(MethodGuardLayer::new([Method::POST]));
    let service = contract.layer(answering(|_| -> Answer { panic!("it is called") }));
    let puts = CALLS.map(|call| call.replacen("POST", "PUT", 1));
    let unknown = GRPC.replacen("POST", "FOO", 1);
    let get = GRPC.replacen("POST", "GET", 1);
    let head = WEB.replacen("POST", "HEAD", 1);
    let [grpc, web, web_text, unary, unary_get, stream] = &puts;
    check(
        service,
        &[grpc, web, web_text, unary, unary_get, stream, &unknown, &get, &head],
        expect![[r#"
            405 allow="POST" | END
            405 allow="POST" | END
            405 allow="POST" | END
            405 allow="POST" | END
            405 allow="POST" content-type="application/json" cache-control="no-store" content-length="81" | {\"code\":\"unimplemented\",\"message\":\"The service does not support this operation.\"}
            405 allow="POST" | END
            405 allow="POST" | END
            405 allow="POST" | END
            405 allow="POST" | END
        "#]],
    );
}

#[test]
fn a_post_that_is_refused_is_unimplemented() {
    let contract = contract().methods(MethodGuardLayer::new([Method::PUT]));
    let service = contract.layer(answering(|_| -> Answer { panic!("it is called") }));
    check(
        service,
        &CALLS,
        expect![[r#"
        200 allow="PUT" content-type="application/grpc+proto" grpc-status="12" grpc-message="The service does not support this operation." | END
        200 allow="PUT" content-type="application/grpc-web+proto" grpc-status="12" grpc-message="The service does not support this operation." content-length="80" | \x80\x00\x00\x00Kgrpc-status:12\r\ngrpc-message:The service does not support this operation.\r\n
        200 allow="PUT" content-type="application/grpc-web-text" grpc-status="12" grpc-message="The service does not support this operation." content-length="108" | gAAAAEtncnBjLXN0YXR1czoxMg0KZ3JwYy1tZXNzYWdlOlRoZSBzZXJ2aWNlIGRvZXMgbm90IHN1cHBvcnQgdGhpcyBvcGVyYXRpb24uDQo=
        405 allow="PUT" content-type="application/json" cache-control="no-store" content-length="81" | {\"code\":\"unimplemented\",\"message\":\"The service does not support this operation.\"}
        405 allow="PUT" content-type="application/json" cache-control="no-store" content-length="81" | {\"code\":\"unimplemented\",\"message\":\"The service does not support this operation.\"}
        200 allow="PUT" content-type="application/connect+json" content-length="96" | \x02\x00\x00\x00[{\"error\":{\"code\":\"unimplemented\",\"message\":\"The service does not support this operation.\"}}
    "#]],
    );
}

#[test]
fn an_answer_to_head_has_no_frame() {
    let service = contract().layer(answering(|_| status(500)));
    let heads = CALLS.map(|call| call.replacen("POST", "HEAD", 1));
    let [grpc, web, web_text, unary, _, stream] = &heads;
    check(
        service,
        &[grpc, web, web_text, unary, stream],
        expect![[r#"
            200 content-type="application/grpc+proto" grpc-status="13" grpc-message="The server met an unexpected condition." | END
            200 content-type="application/grpc-web+proto" grpc-status="13" grpc-message="The server met an unexpected condition." | END
            200 content-type="application/grpc-web-text" grpc-status="13" grpc-message="The server met an unexpected condition." | END
            500 content-type="application/json" cache-control="no-store" | END
            200 content-type="application/connect+json" | END
        "#]],
    );
}

/// Two messages, and then a panic.
fn breaking(content_type: &'static str) -> Response<Script> {
    let steps = [Step::Data(b"one"), Step::Data(b"two"), Step::Panic("secret")];
    let mut response = Response::new(Script::new(steps));
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert("content-type", content_type);
    response
}

#[test]
fn a_panic_in_a_stream_ends_it_as_its_protocol_ends_streams() {
    for (call, content_type, expected) in [
        (
            GRPC,
            "application/grpc",
            expect![[
                r#"200 content-type="application/grpc" | onetwo | grpc-status="13" grpc-message="The server met an unexpected condition.""#
            ]],
        ),
        (
            WEB,
            "application/grpc-web+proto",
            expect![[
                r#"200 content-type="application/grpc-web+proto" | onetwo\x80\x00\x00\x00Fgrpc-status:13\r\ngrpc-message:The server met an unexpected condition.\r\n"#
            ]],
        ),
        // tonic-web asks `accept` which of the two to write.
        (
            WEB_TEXT,
            "application/grpc-web+proto",
            expect![[
                r#"200 content-type="application/grpc-web+proto" | onetwo\x80\x00\x00\x00Fgrpc-status:13\r\ngrpc-message:The server met an unexpected condition.\r\n"#
            ]],
        ),
        (
            WEB_TEXT,
            "application/grpc-web-text+proto",
            expect![[
                r#"200 content-type="application/grpc-web-text+proto" | onetwogAAAAEZncnBjLXN0YXR1czoxMw0KZ3JwYy1tZXNzYWdlOlRoZSBzZXJ2ZXIgbWV0IGFuIHVuZXhwZWN0ZWQgY29uZGl0aW9uLg0K"#
            ]],
        ),
        (
            STREAM,
            "application/connect+json",
            expect![[
                r#"200 content-type="application/connect+json" | onetwo\x02\x00\x00\x00Q{\"error\":{\"code\":\"internal\",\"message\":\"The server met an unexpected condition.\"}}"#
            ]],
        ),
        (
            UNARY,
            "application/json",
            expect![[
                r#"200 content-type="application/json" | onetwo | error: the response body panicked"#
            ]],
        ),
        (
            "GET /",
            "application/grpc",
            expect![[
                r#"200 content-type="application/grpc" | onetwo | error: the response body panicked"#
            ]],
        ),
    ] {
        let service = contract().layer(answering(move |_| breaking(content_type)));
        let response = block_on(service.oneshot(request(call))).unwrap();
        expected.assert_eq(&block_on(line(response)));
    }
}

#[test]
fn a_stream_that_fails_without_a_panic_is_broken() {
    let service = contract().layer(answering(|_| {
        Response::new(Script::new([Step::Data(b"one"), Step::Fail("reset")]))
    }));
    check(
        service,
        &[GRPC, WEB, STREAM],
        expect![[r#"
        200 | one | error: the response body failed
        200 | one | error: the response body failed
        200 | one | error: the response body failed
    "#]],
    );
}

#[test]
fn what_tells_its_outcome_already_is_left_alone() {
    let trailers = || {
        let trailers = [("grpc-status", "5"), ("grpc-message", "none")];
        let trailers =
            trailers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Step::Trailers(HeaderMap::from_iter(trailers))
    };
    let service = contract().layer(answering(move |_| {
        let mut response = Response::new(Script::new([Step::Data(b"one"), trailers()]));
        let content_type = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", content_type);
        response
    }));
    check(
        service,
        &[GRPC],
        expect![[r#"
        200 content-type="application/grpc" | one | grpc-status="5" grpc-message="none"
    "#]],
    );

    // Trailers only, and even where the status of HTTP is an error.
    for given in [200, 404] {
        let service = contract().layer(answering(move |_| {
            let mut answer = status(given);
            *answer.body_mut() = Full::default();
            let headers = answer.headers_mut();
            headers.insert("content-type", HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", HeaderValue::from_static("5"));
            answer
        }));
        let answer = block_on(service.oneshot(request(GRPC))).unwrap();
        let expected = format!("{given} content-type=\"application/grpc\" grpc-status=\"5\" | ");
        assert_eq!(block_on(line(answer)).replace("END", ""), expected);
    }
}

#[test]
fn a_404_of_a_grpc_service_becomes_a_code() {
    let service = contract().layer(answering(|_| {
        let mut answer = status(404);
        let content_type = HeaderValue::from_static("application/grpc");
        answer.headers_mut().insert("content-type", content_type);
        answer
    }));
    let grpc = "POST /x\ncontent-type: application/grpc";
    check(
        service,
        &[grpc],
        expect![[r#"
        200 content-type="application/grpc" grpc-status="12" grpc-message="The service does not support this operation." | END
    "#]],
    );
}

#[test]
fn an_error_of_a_connect_service_is_its_own() {
    for (given, json) in [
        (404, r#"{"code":"not_found","message":"no 7","details":[]}"#),
        (500, r#"{"code":"internal"}"#),
    ] {
        let service = contract().layer(answering(move |_| {
            let mut answer = status(given);
            *answer.body_mut() = json.into();
            let content_type = HeaderValue::from_static("application/json");
            answer.headers_mut().insert("content-type", content_type);
            answer.headers_mut().insert("trailer-x", HeaderValue::from_static("1"));
            answer
        }));
        let answer = block_on(service.oneshot(request(UNARY))).unwrap();
        assert_eq!(answer.status(), given);
        let text = block_on(line(answer));
        let expected =
            format!("content-type=\"application/json\" trailer-x=\"1\" | {}", json.escape_debug());
        assert!(text.ends_with(&expected), "{text}");
    }
}

#[test]
fn json_that_is_no_error_of_connect_says_nothing() {
    for json in [
        r#"{"code":"secret"}"#,
        r#"{"code":5,"message":"secret"}"#,
        r#"{"http_method":"POST","title":"secret","description":"d","code":404,"uri":"/"}"#,
        "secret",
    ] {
        let service = contract().layer(answering(move |_| {
            let mut answer = status(500);
            *answer.body_mut() = json.into();
            let content_type = HeaderValue::from_static("application/json");
            answer.headers_mut().insert("content-type", content_type);
            answer
        }));
        let text = block_on(line(block_on(service.oneshot(request(UNARY))).unwrap()));
        assert!(!text.contains("secret") && text.contains("internal"), "{text}");
    }
}

#[test]
fn two_stacks_answer_as_one() {
    let once = contract().layer(answering(|_| -> Answer { panic!("secret") }));
    let twice = contract().layer(contract().layer(answering(|_| -> Answer { panic!("secret") })));
    for call in CALLS {
        let of_one = block_on(line(block_on(once.clone().oneshot(request(call))).unwrap()));
        let of_two = block_on(line(block_on(twice.clone().oneshot(request(call))).unwrap()));
        // The order of the headers is free.
        let sorted = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(sorted(&of_one), sorted(&of_two));
    }
}

#[test]
fn a_relayed_error_is_left_alone() {
    let service = contract().layer(answering(|_| {
        let mut answer = status(502);
        answer.extensions_mut().insert(KeepBody);
        answer
    }));
    check(
        service,
        &[GRPC, UNARY],
        expect![[r#"
        502 | what the service wrote
        502 | what the service wrote
    "#]],
    );
}

#[test]
fn the_client_shortens_the_limit_and_never_lengthens_it() {
    type Slow = BoxCloneService<Request<Full<Bytes>>, Answer, BoxError>;
    let slow = || -> Slow { BoxCloneService::new(service_fn(|_| std::future::pending())) };
    let same = TimeoutLayer::new(Duration::from_secs(2));
    let none = TimeoutLayer::per_request(|_| None);
    let waits = |layer: &TimeoutLayer, call: &str| {
        let service = layer.layer(slow());
        block_on(async {
            let start = tokio::time::Instant::now();
            let day = Duration::from_secs(24 * 60 * 60);
            let answer = tokio::time::timeout(day, service.oneshot(request(call))).await;
            answer.ok()?.unwrap();
            Some(start.elapsed().as_millis())
        })
    };
    for (wait, with_limit, without) in [
        ("grpc-timeout: 300m", 300, Some(300)),
        ("grpc-timeout: 1S", 1000, Some(1000)),
        ("grpc-timeout: 3S", 2000, Some(3000)),
        ("grpc-timeout: 99999999H", 2000, None),
        ("grpc-timeout: 0n", 0, Some(0)),
        ("grpc-timeout: 1s", 2000, None),
        ("connect-timeout-ms: 300", 2000, None),
    ] {
        let call = format!("{GRPC}\n{wait}");
        assert_eq!(waits(&same, &call), Some(with_limit), "{call}");
        assert_eq!(waits(&none, &call), without, "{call}");
    }
    for call in [UNARY, UNARY_GET, STREAM] {
        let call = format!("{call}\nconnect-timeout-ms: 300");
        assert_eq!(waits(&same, &call), Some(300), "{call}");
    }
    let http = "POST /\ncontent-type: application/json\ngrpc-timeout: 1m\nconnect-timeout-ms: 1";
    assert_eq!(waits(&same, http), Some(2000));
}

#[test]
fn without_a_limit_there_is_no_clock() {
    let answer = service_fn(async |_| {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok::<_, BoxError>(Answer::default())
    });
    let call = format!("{GRPC}\ngrpc-timeout: 1m");
    let answer = block_on(contract().layer(answer).oneshot(request(&call))).unwrap();
    assert_eq!(answer.headers().get("grpc-status"), None);
}
