//! Heads of calls of gRPC, gRPC-Web and Connect, and of what looks like one.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_contract::TimeoutLayer;

use super::{FRONT_END, Input, SECRET, block_on, collected, contract};

const NAMES: [&str; 6] = [
    "content-type",
    "grpc-timeout",
    "connect-timeout-ms",
    "connect-protocol-version",
    "te",
    "grpc-status",
];

const FAILURES: [&str; 7] = ["", "panic", "fail", "slow", "404", "answered", "500"];

pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let failure = input.one_of(&FAILURES);
    let method = Method::from_bytes(input.piece()).unwrap_or(Method::POST);
    let target = input.text();
    let mut request = Request::new(());
    *request.method_mut() = method;
    if let Ok(uri) = target.parse() {
        *request.uri_mut() = uri;
    }
    while !input.is_empty() {
        let name = HeaderName::from_static(input.one_of(&NAMES));
        if let Ok(value) = HeaderValue::from_bytes(input.piece()) {
            let _ = request.headers_mut().try_append(name, value);
        }
    }
    let media = request.headers().get("content-type").cloned();
    let is_grpc =
        media.as_ref().is_some_and(|media| media.as_bytes().starts_with(b"application/grpc+"));
    let is_post = *request.method() == Method::POST;

    let stack = contract().timeout(TimeoutLayer::new(Duration::from_secs(1)));
    let service = stack.layer(service_fn(move |_: Request<()>| answer(failure)));
    let (status, headers, content, is_whole) =
        block_on(async { collected(service.oneshot(request).await.unwrap()).await });
    assert!(is_whole);
    assert_eq!(headers["access-control-allow-origin"], FRONT_END);
    assert!(!String::from_utf8_lossy(&content).contains(SECRET));
    if is_grpc && is_post && !failure.is_empty() {
        // Whoever calls finds the outcome where its protocol has it, and the exchange itself went well.
        assert_eq!(
            (status.as_u16(), headers.get("content-type")),
            match failure {
                "answered" => (200, None),
                _ => (200, media.as_ref()),
            }
        );
        let code = headers["grpc-status"].to_str().unwrap().parse::<u8>().unwrap();
        assert!((1..=16).contains(&code), "{code}");
        assert!(content.is_empty());
    }
}

async fn answer(failure: &str) -> Result<Response<Full<Bytes>>, BoxError> {
    match failure {
        "panic" => panic!("{SECRET}"),
        "fail" => Err(SECRET.into()),
        "slow" => std::future::pending().await,
        "404" => Ok(Response::builder().status(404).body(Full::default())?),
        "500" => Ok(Response::builder().status(500).body(Full::from(SECRET))?),
        "answered" => Ok(Response::builder().header("grpc-status", "5").body(Full::default())?),
        _ => Ok(Response::default()),
    }
}
