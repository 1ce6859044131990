//! What the service answered, and what leaves the stack, case by case.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_contract::{ApiError, CorsContractLayer, ErrorBodyLayer, PanicToErrorLayer};

use crate::support::{
    Script, Step, all, answering, ask, assert_error, block_on, content, contract, envelope, policy,
    request, response, sentence,
};

/// Asks the whole stack around a service that answers `inner` to everything.
#[track_caller]
fn sent(asked: &str, inner: &'static str) -> Response<Bytes> {
    ask(contract().layer(answering(move |_| response(inner))), asked)
}

/// The answer has the status of `inner` and an envelope that describes it so; `None`: by the
/// status's own sentence.
#[track_caller]
fn check(asked: &str, inner: &'static str, description: Option<&str>) -> Response<Bytes> {
    let sent = sent(asked, inner);
    let status = inner[..3].parse().unwrap();
    let (method, uri) = asked.lines().next().unwrap().split_once(' ').unwrap();
    let description = description.map_or_else(|| sentence(status), str::to_owned);
    assert_error(&sent, status, &envelope(method, status, &description, uri));
    sent
}

#[track_caller]
fn assert_lacks(sent: &Response<Bytes>, secret: &str) {
    let content = std::str::from_utf8(sent.body()).unwrap();
    assert!(!content.contains(secret), "{content}");
}

#[test]
fn a_404_that_nobody_wrote_has_an_envelope_and_is_not_stored() {
    let sent = check("GET /nope", "404", None);
    assert_eq!(all(&sent, "cache-control"), ["no-store"]);
}

#[test]
fn method_405_keeps_allow() {
    let sent = check("PUT /json", "405\nallow: POST\ncontent-length: 0", None);
    assert_eq!(all(&sent, "allow"), ["POST"]);
}

#[test]
fn rejections_of_a_framework_are_told_in_its_words() {
    for (asked, inner) in [
        // json_syntax
        (
            "POST /a",
            "400\ncontent-type: text/plain; charset=utf-8\n\nFailed to parse the request body as \
             JSON: a: EOF while parsing a value at line 1 column 5",
        ),
        // json_missing_field
        (
            "POST /a",
            "422\ncontent-type: text/plain; charset=utf-8\n\nFailed to deserialize the JSON body \
             into the target type: missing field `a` at line 1 column 2",
        ),
        // json_content_type
        (
            "POST /a",
            "415\ncontent-type: text/plain; charset=utf-8\n\nExpected request with \
             `Content-Type: application/json`",
        ),
        // websocket_400
        (
            "GET /ws",
            "400\ncontent-type: text/plain; charset=utf-8\n\nConnection header did not include \
             'upgrade'",
        ),
    ] {
        let (_, text) = inner.split_once("\n\n").unwrap();
        check(asked, inner, Some(text));
    }
}

#[test]
fn a_panic_in_call_or_in_the_future_is_500_and_told_to_the_hook_alone() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let panics = PanicToErrorLayer::new().on_panic(move |panic| {
        let line = format!("{} {} {}", panic.place, panic.uri, panic.message);
        log.lock().unwrap().push(line);
    });
    let service = contract().panics(|_| panics).layer(service_fn(|request: http::Request<_>| {
        assert!(request.uri().path() != "/call", "secret db pw");
        async move {
            assert!(request.uri().path() != "/future", "secret db pw");
            Ok::<_, BoxError>(Response::new(Full::<Bytes>::from("hello")))
        }
    }));
    for place in ["call", "future"] {
        let sent = ask(service.clone(), &format!("GET /{place}?q"));
        let uri = format!("/{place}");
        assert_error(&sent, 500, &envelope("GET", 500, &sentence(500), &uri));
        assert_lacks(&sent, "secret");
    }
    assert_eq!(ask(service, "GET /").body(), "hello");
    assert_eq!(*told.lock().unwrap(), ["call /call secret db pw", "future /future secret db pw"]);
}

#[test]
fn a_limit_inside_that_passes_is_503_without_retry_after() {
    let service = ServiceBuilder::new()
        .layer(contract())
        .timeout(Duration::from_millis(1))
        .service(service_fn(|_| std::future::pending::<Result<Response<Full<Bytes>>, BoxError>>()));
    let sent = ask(service, "GET /x");
    assert_error(&sent, 503, &envelope("GET", 503, &sentence(503), "/x"));
    assert_eq!(all(&sent, "retry-after"), [""; 0]);
}

#[test]
fn an_error_that_nothing_names_is_500_and_told_to_the_hook_alone() {
    let told = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&told);
    let failing = service_fn(async |_| Err::<Response<Full<Bytes>>, _>(BoxError::from("boom")));
    let contract = contract()
        .on_error(move |report| *log.lock().unwrap() = report.error().unwrap().to_string());
    let sent = ask(contract.layer(failing), "GET /x");
    assert_error(&sent, 500, &envelope("GET", 500, &sentence(500), "/x"));
    assert_lacks(&sent, "boom");
    assert_eq!(*told.lock().unwrap(), "boom");
}

#[test]
fn a_408_of_another_layer_stays_one() {
    check("GET /x", "408\ncontent-length: 0", None);
}

#[test]
fn an_api_error_of_a_4xx_is_sent_in_its_own_words() {
    let declined = ApiError::new(StatusCode::PAYMENT_REQUIRED)
        .with_code(4020)
        .with_title("Card declined")
        .with_description("The card was refused.");
    let service = contract().layer(answering(move |_| declined.clone().into_http::<Full<Bytes>>()));
    assert_error(
        &ask(service, "POST /pay"),
        402,
        r#"{"http_method":"POST","title":"Card declined","description":"The card was refused.","code":4020,"uri":"/pay"}"#,
    );
}

#[test]
fn an_api_error_of_a_5xx_is_sent_in_its_own_words() {
    let service = contract().layer(answering(|_| {
        let error = ApiError::unavailable().with_code(5031);
        let error = error.with_description("Maintenance until 10:00 UTC.");
        error.into_http::<Full<Bytes>>()
    }));
    assert_error(
        &ask(service, "GET /x"),
        503,
        r#"{"http_method":"GET","title":"Service Unavailable","description":"Maintenance until 10:00 UTC.","code":5031,"uri":"/x"}"#,
    );
}

#[test]
fn what_a_foreign_5xx_says_is_masked() {
    for (inner, secret) in [
        // text_5xx_masked
        ("500\ncontent-type: text/plain\n\nSELECT 1 on db-7 failed", "db-7"),
        // problem_json_5xx
        (
            "502\ncontent-type: application/problem+json\n\n{\"title\":\"t\",\"detail\":\"pg at \
             10.0.0.3\"}",
            "10.0.0.3",
        ),
        // same_shape_5xx_upstream
        (
            r#"503
content-type: application/json

{"http_method":"GET","title":"t","description":"node-3 down","code":5039,"uri":"/y"}"#,
            "node-3",
        ),
    ] {
        assert_lacks(&check("GET /x", inner, None), secret);
    }
}

#[test]
fn html_is_replaced_and_so_is_what_speaks_of_it() {
    let sent = check(
        "GET /x",
        "404\ncontent-type: text/html\netag: \"a\"\nlast-modified: Thu, 01 Jan 1970 00:00:00 \
         GMT\n\n<h1>nope</h1>",
        None,
    );
    assert!(!sent.headers().contains_key("etag"));
    assert!(!sent.headers().contains_key("last-modified"));
}

#[test]
fn json_of_another_shape_says_nothing() {
    for json in [
        "409\ncontent-type: application/json\n\n{\"error\":\"dup\"}",
        "409\ncontent-type: application/json\n\n[\"GET\",\"t\",\"d\",4020,\"/\"]",
        "409\ncontent-type: application/json\n\n{\"error\":[\"GET\",\"t\",\"d\",4020,\"/\"]}",
        "409\ncontent-type: application/json\n\n[[\"GET\",\"t\",\"d\",4020,\"/\"]]",
        "409\ncontent-type: application/problem+json\n\n[\"t\",\"d\",4020]",
    ] {
        check("POST /x", json, None);
    }
}

#[test]
fn problem_details_of_wrong_types_say_nothing() {
    check(
        "GET /x",
        "400\ncontent-type: application/problem+json\n\n{\"title\":5,\"detail\":[\"x\"],\
         \"status\":\"400\",\"code\":-1}",
        None,
    );
}

#[test]
fn a_body_that_cannot_be_read_whole_says_nothing() {
    // Too long, endless, an error, a panic, and too many frames.
    static FRAME: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    let frame: &[u8] = &FRAME;
    for (steps, polls) in [
        ((0..16).map(|_| Step::Data(frame)).collect::<Vec<_>>(), 1),
        (vec![Step::Data(b"begun"), Step::Hang], 3),
        (vec![Step::Data(b"begun"), Step::Fail("secret")], 2),
        (vec![Step::Data(b"begun"), Step::Panic("secret")], 2),
        ((0..999).map(|_| Step::Data(b"")).collect(), 257),
    ] {
        let body = Script::new(steps);
        let (polled, dropped) = (Arc::clone(&body.polls), Arc::clone(&body.dropped));
        let slot = Mutex::new(Some(body));
        let slot = Arc::new(slot);
        let service = contract().layer(answering(move |_| {
            let mut response = Response::new(slot.lock().unwrap().take().unwrap());
            *response.status_mut() = StatusCode::BAD_REQUEST;
            let text = HeaderValue::from_static("text/plain");
            response.headers_mut().insert("content-type", text);
            response
        }));
        let response = block_on(service.oneshot(request("GET /x"))).unwrap();
        assert!(dropped.load(std::sync::atomic::Ordering::Relaxed));
        assert_eq!(polled.load(std::sync::atomic::Ordering::Relaxed), polls);
        let told = block_on(content(response));
        assert_eq!(told, envelope("GET", 400, &sentence(400), "/x"));
    }
}

#[test]
fn a_text_that_is_not_utf_8_says_nothing() {
    let service = ErrorBodyLayer::new().layer(answering(|_| {
        response("400\ncontent-type: text/plain").map(|_| Full::from(&b"\xff\xfe"[..]))
    }));
    let sent = ask(service, "GET /x");
    assert_error(&sent, 400, &envelope("GET", 400, &sentence(400), "/x"));
}

#[test]
fn bidi_characters_and_line_separators_become_spaces() {
    check(
        "GET /x",
        "400\ncontent-type: text/plain\n\na\u{202e}b\u{2028}c\u{7f}\u{0}d\u{feff}\u{2066}",
        Some("a b c d"),
    );
}

#[test]
fn a_status_outside_400_to_599_passes_untouched() {
    for status in [101, 200, 204, 206, 301, 304, 399, 600] {
        let body = Script::new([Step::Data(b"as it is")]);
        let polled = Arc::clone(&body.polls);
        let slot = Arc::new(Mutex::new(Some(body)));
        let service = ErrorBodyLayer::new().layer(answering(move |_| {
            Response::builder()
                .status(status)
                .header("etag", "\"a\"")
                .header("content-length", "8")
                .extension("kept")
                .body(slot.lock().unwrap().take().unwrap())
                .unwrap()
        }));
        let response = block_on(service.oneshot(request("GET /x"))).unwrap();
        assert_eq!(polled.load(std::sync::atomic::Ordering::Relaxed), 0);
        assert_eq!(response.status(), status);
        assert_eq!(response.extensions().get(), Some(&"kept"));
        assert_eq!(response.headers().len(), 2);
        assert_eq!(block_on(content(response)), "as it is");
    }
}

#[test]
fn headers_that_speak_of_the_resource_are_kept() {
    for inner in [
        "401\nwww-authenticate: Basic\nwww-authenticate: Bearer\nset-cookie: a=1\nset-cookie: b=2",
        "429\nretry-after: 5\nratelimit: \"d\";r=0\nratelimit-policy: \"d\";q=9\n\
         x-ratelimit-remaining: 0",
        "416\ncontent-range: bytes */100\naccept-ranges: bytes",
        "426\nupgrade: websocket\nconnection: upgrade\nsec-websocket-version: 13",
    ] {
        let sent = sent("GET /x", inner);
        for (name, _) in response(inner).headers() {
            assert_eq!(all(&sent, name.as_str()), all(&response(inner), name.as_str()));
        }
        assert!(sent.body().starts_with(br#"{"http_method":"GET""#));
    }
}

#[test]
fn headers_and_trailers_that_speak_of_the_old_body_are_removed() {
    let gone = "content-language content-location content-disposition content-md5 digest \
                content-digest repr-digest trailer content-range accept-ranges";
    let kept = "link strict-transport-security x-request-id x-foo";
    let service = contract().layer(answering(move |_| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-trailer", HeaderValue::from_static("late"));
        let mut response =
            Response::new(Script::new([Step::Data(b"<p>"), Step::Trailers(trailers)]));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        for name in gone.split(' ').chain(kept.split(' ')).filter(|n| !n.is_empty()) {
            let value = HeaderValue::from_static("v");
            response.headers_mut().insert(name, value);
        }
        response
    }));
    let response = block_on(service.oneshot(request("GET /x"))).unwrap();
    for name in gone.split(' ').filter(|name| !name.is_empty()) {
        assert_eq!(all(&response, name), [""; 0], "{name}");
    }
    for name in kept.split(' ') {
        assert_eq!(all(&response, name), ["v"], "{name}");
    }
    assert!(block_on(response.into_body().collect()).unwrap().trailers().is_none());
}

#[test]
fn the_query_is_dropped_and_only_kept_keys_are_shown() {
    let told = |layer: ErrorBodyLayer| {
        let service = layer.layer(answering(|_| response("404")));
        ask(service, "GET /x?token=s&page=2").into_body()
    };
    let expected = |uri| envelope("GET", 404, &sentence(404), uri);
    assert_eq!(told(ErrorBodyLayer::new()), expected("/x"));
    assert_eq!(told(ErrorBodyLayer::new().keep_query(["page"])), expected("/x?token=***&page=2"));
}

#[test]
fn accept_changes_nothing() {
    for accept in ["", "\naccept: text/html", "\naccept: application/xml", "\naccept: */*;q=0"] {
        let sent = sent(&format!("GET /x{accept}"), "404");
        assert_error(&sent, 404, &envelope("GET", 404, &sentence(404), "/x"));
        assert_eq!(all(&sent, "vary"), [""; 0]);
    }
}

#[test]
fn cors_headers_stand_on_errors_from_inside_and_outside() {
    let origin = |response: &Response<_>| all(response, "access-control-allow-origin").len();
    let inside = ErrorBodyLayer::new()
        .layer(CorsContractLayer::new(policy()).layer(answering(|_| response("404"))));
    assert_eq!(origin(&ask(inside, "GET /x")), 1);
    let outside = ServiceBuilder::new()
        .layer(CorsContractLayer::new(policy()))
        .layer(ErrorBodyLayer::new())
        .layer(PanicToErrorLayer::new())
        .service(answering(|_| -> Response<Full<Bytes>> { panic!("outside") }));
    assert_eq!(origin(&ask(outside, "GET /x")), 1);
}

#[test]
fn a_head_that_ends_without_a_body_has_no_length() {
    let service = contract().layer(answering(|_| response("404\ncontent-length: 9\n\nnot found")));
    let response = block_on(service.oneshot(request("HEAD /x"))).unwrap();
    assert_eq!(all(&response, "content-length"), [""; 0]);
    assert_eq!(all(&response, "content-type"), ["application/json"]);
    assert!(response.body().is_end_stream());
    assert_eq!(response.body().size_hint().upper(), None);
}
