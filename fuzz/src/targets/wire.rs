//! Raw bytes to hyper's server around the stack, over HTTP/1.1 and HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex, split},
    time::timeout,
};
use tower::{BoxError, Layer, service_fn};
use tower_contract::{Envelope, MethodGuardLayer, TimeoutLayer};

use super::{FRONT_END, SECRET, block_on, contract};

async fn application(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BoxError> {
    match request.uri().path() {
        "/panic" => panic!("{SECRET}"),
        "/fail" => Err(SECRET.into()),
        "/slow" => std::future::pending().await,
        "/echo" => Ok(Response::new(Full::new(request.into_body().collect().await?.to_bytes()))),
        "/" => Ok(Response::new(Full::from("hello"))),
        _ => {
            let mut missing = Response::new(Full::default());
            *missing.status_mut() = StatusCode::NOT_FOUND;
            Ok(missing)
        }
    }
}

pub fn run(input: &[u8]) {
    let answer = block_on(answered(input));
    let text = String::from_utf8_lossy(&answer);
    let echoes = input.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    assert!(echoes || !text.contains(SECRET), "{text}");
    if answer.starts_with(b"HTTP/1.") {
        check_first_message(&text);
    }
}

/// All that the server sends until the client, who closes its half at once, has been answered.
async fn answered(input: &[u8]) -> Vec<u8> {
    let methods = MethodGuardLayer::new([Method::GET, Method::POST]).answer_options();
    let stack = contract().methods(methods).timeout(TimeoutLayer::new(Duration::from_secs(1)));
    let service = TowerToHyperService::new(stack.layer(service_fn(application)));
    let (client, server) = duplex(64 * 1024);
    let serving = tokio::spawn(async move {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().half_close(true);
        // An Err is the truth about bytes that are no HTTP.
        let _ = builder.serve_connection(TokioIo::new(server), service).await;
    });
    let (mut read, mut write) = split(client);
    let asking = async {
        let _ = write.write_all(input).await;
        let _ = write.shutdown().await;
    };
    let mut answer = Vec::new();
    let reading = timeout(Duration::from_secs(60), read.read_to_end(&mut answer));
    let _ = tokio::join!(asking, reading);
    serving.abort();
    // The connection's task has ended, or waits for more: it has not panicked.
    assert!(!serving.await.is_err_and(|error| error.is_panic()), "the connection's task died");
    answer
}

/// A message that the stack made has the contract's lines, and an envelope if it is an error. What
/// hyper answers by itself has neither.
fn check_first_message(text: &str) {
    let Some((head, rest)) = text.split_once("\r\n\r\n") else { return };
    let field = |name: &str| {
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = fields.filter(|(n, _)| *n == name).map(|(_, value)| value);
        let first = values.next();
        assert!(values.next().is_none(), "{name} stands twice in {head}");
        first
    };
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let Some(origin) = field("access-control-allow-origin") else {
        assert!(matches!(status, 100 | 400 | 414 | 431), "{head}");
        return;
    };
    assert_eq!(origin, FRONT_END);
    if status >= 400 {
        // To HEAD there is neither.
        let Some(length) = field("content-length") else { return };
        let length = length.parse::<usize>().unwrap();
        if length == 0 {
            // A request of gRPC whose method is none of a call.
            assert_eq!((status, field("allow")), (405, Some("POST")));
        } else if let Some(content) = rest.get(..length) {
            check_content(status, content);
        }
    }
}

/// An envelope, or an error of Connect, whose code is a word.
fn check_content(status: u16, content: &str) {
    let value: serde_json::Value = serde_json::from_str(content).unwrap();
    if !value["code"].is_string() {
        let envelope: Envelope = serde_json::from_value(value).unwrap();
        assert_eq!(envelope.code, u32::from(status));
    }
}
