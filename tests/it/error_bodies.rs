//! Whose words an error body has, in which format, and who is told.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use tower::Layer;
use tower_contract::{
    ApiError, ErrorBodyLayer, ErrorFormat, KeepBody, Occurrence, ProblemDetailsFormat,
    WrappedEnvelopeFormat,
};

use crate::support::{all, answering, ask, contract, response};

/// Title, description and code of the answer, and the source that the hook is told.
#[track_caller]
fn check(inner: &'static str, expected: &str) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let layer = ErrorBodyLayer::new().on_error(move |report| {
        let (method, uri, status) = (report.method, report.uri, report.status.as_u16());
        let line = format!("{method} {uri} {status} {:?}", report.origin);
        log.lock().unwrap().push(line);
    });
    let service = layer.layer(answering(move |_| response(inner)));
    let sent = ask(service, "POST /here?q");
    let envelope: tower_contract::Envelope = serde_json::from_slice(sent.body()).unwrap();
    assert_eq!((&*envelope.http_method, &*envelope.uri), ("POST", "/here"));
    let told = told.lock().unwrap().join("; ");
    let (title, description, code) = (envelope.title, envelope.description, envelope.code);
    assert_eq!(format!("{told}: {title} | {description} | {code}"), expected);
}

#[test]
fn what_a_service_says_of_a_4xx_is_kept_where_it_is_understood() {
    check(
        r#"400
content-type: application/json

{"uri":"/other","code":4020,"title":"bad","description":"no mode","http_method":"PUT"}"#,
        "POST /here 400 Envelope: bad | no mode | 4020",
    );
    check(
        r#"400
content-type: application/json;charset=utf-8

{"error":{"uri":"/o","code":4020,"title":"bad","description":"no mode","http_method":"PUT"}}"#,
        "POST /here 400 Envelope: bad | no mode | 4020",
    );
    check(
        r#"422
content-type: application/problem+json

{"title":"Invalid","detail":"a is missing","code":4221,"status":400,"type":"x"}"#,
        "POST /here 422 ProblemDetails: Invalid | a is missing | 4221",
    );
    check(
        r#"422
content-type: Application/Problem+JSON

{"title":"Invalid"}"#,
        "POST /here 422 ProblemDetails: Invalid | Invalid | 422",
    );
    check(
        "400\ncontent-type: TEXT/PLAIN\n\n a\nb ",
        "POST /here 400 Text: Bad Request | a b | 400",
    );
}

#[test]
fn what_is_not_understood_is_the_status_alone() {
    let expected = "POST /here 418 Status: I'm a teapot | The request was not accepted. | 418";
    for inner in [
        "418",
        "418\n\n<html>",
        "418\n\n{\"a\":1}",
        "418\n\n[1]",
        "418\ncontent-type: text/plain\ncontent-encoding: gzip\n\nx",
        "418\ncontent-type: text/plain\n\n",
        "418\ncontent-type: application/json\n\n{\"title\":\"t\"",
        "418\ncontent-type: application/json+x\n\n{}",
        "418\ncontent-type: text/plain-ish\n\nx",
    ] {
        check(inner, expected);
    }
}

#[test]
fn an_error_whose_status_was_changed_on_the_way_is_not_told() {
    let service = ErrorBodyLayer::new().layer(answering(|_| {
        let error = ApiError::not_found().with_description("the old story");
        let mut response = error.into_http::<Full<Bytes>>();
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    }));
    let sent = ask(service, "GET /x");
    assert_eq!(sent.status(), 403);
    assert!(!str::from_utf8(sent.body()).unwrap().contains("old story"));
}

#[test]
fn the_error_stays_in_the_extensions_for_who_is_outside() {
    let service = contract()
        .layer(answering(|_| ApiError::not_found().with_code(4041).into_http::<Full<Bytes>>()));
    assert_eq!(ApiError::of(&ask(service, "GET /x")).unwrap().code(), 4041);
}

#[test]
fn a_response_that_opts_out_is_relayed_as_it_is() {
    let service = contract().layer(answering(|_| {
        let mut response = response("502\ncontent-type: text/html\netag: \"a\"\n\n<h1>down</h1>");
        response.extensions_mut().insert(KeepBody);
        response
    }));
    let sent = ask(service, "GET /x");
    assert_eq!((sent.status().as_u16(), &sent.body()[..]), (502, &b"<h1>down</h1>"[..]));
    assert_eq!(all(&sent, "content-type"), ["text/html"]);
    assert_eq!(all(&sent, "etag"), ["\"a\""]);
    assert_eq!(all(&sent, "access-control-allow-origin").len(), 1);
}

#[test]
fn the_other_formats_say_the_same() {
    let inner = answering(|_| -> Response<Full<Bytes>> {
        ApiError::not_found().with_code(4041).into_http()
    });
    let wrapped = ask(contract().format(WrappedEnvelopeFormat).layer(inner.clone()), "GET /x");
    assert_eq!(all(&wrapped, "content-type"), ["application/json"]);
    assert_eq!(
        wrapped.body(),
        r#"{"error":{"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":4041,"uri":"/x"}}"#
    );
    let problem = ask(contract().format(ProblemDetailsFormat::new()).layer(inner), "GET /x");
    assert_eq!(all(&problem, "content-type"), ["application/problem+json"]);
    assert_eq!(
        problem.body(),
        r#"{"title":"Not Found","status":404,"detail":"No resource exists at this URI.","instance":"/x","code":4041,"http_method":"GET"}"#
    );
}

/// Writes nothing.
#[derive(Clone)]
struct Silent;

impl ErrorFormat for Silent {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("text/silent")
    }

    fn write(&self, _: &Occurrence<'_>, _: &mut Vec<u8>) {}
}

#[test]
fn a_format_that_writes_nothing_is_replaced_by_the_built_in_one() {
    let sent = ask(contract().format(Silent).layer(answering(|_| response("404"))), "GET /x");
    assert_eq!(all(&sent, "content-type"), ["application/json"]);
    let envelope: tower_contract::Envelope = serde_json::from_slice(sent.body()).unwrap();
    assert_eq!(envelope.code, 404);
}
