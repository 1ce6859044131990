//! What breaks one response leaves the connection's others alone.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Barrier, Notify},
};
use tower::{BoxError, Layer, service_fn};

use super::{Wire, any, application, ask, http2, line, serve, stack, text};
use crate::support::{envelope, response, sentence};

#[tokio::test]
async fn after_an_error_the_http_1_connection_lives_on() {
    let mut wire = Wire::to(serve(stack().layer(service_fn(application))).await).await;
    for (path, status) in [("/panic", 500), ("/fail", 500), ("/nope", 404)] {
        wire.send(&format!("GET {path} HTTP/1.1\nhost: a\n\n")).await;
        let (head, content) = wire.response().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(line(&head, "access-control-allow-origin").is_some());
        assert_eq!(content, envelope("GET", status, &sentence(status), path));
    }
    wire.send("POST /echo HTTP/1.1\nhost: a\ncontent-length: 5\n\nagain").await;
    assert_eq!(wire.response().await.1, "again");
    // A request whose small content came with its head is read to the end by the server.
    wire.send("POST /panic HTTP/1.1\nhost: a\ncontent-length: 5\n\nunrea").await;
    assert!(wire.response().await.0.starts_with("HTTP/1.1 500 "));
}

#[tokio::test]
async fn an_error_to_an_unread_upload_is_answered_and_then_the_connection_ends() {
    let address = serve(stack().layer(service_fn(application))).await;
    for asked in ["POST /panic", "POST /nope", "DELETE /ok"] {
        let mut wire = Wire::to(address).await;
        wire.send(&format!("{asked} HTTP/1.1\nhost: a\ncontent-length: 1000000\n\nbegun")).await;
        let (head, content) = wire.response().await;
        assert!(content.starts_with("{\"http_method\":\""), "{head}");
        assert_eq!(wire.rest().await, "", "{asked}");
    }
}

#[tokio::test]
async fn after_a_panic_twenty_http_2_siblings_live_on() {
    let (arrived, go) = (Arc::new(Barrier::new(21)), Arc::new(Notify::new()));
    let (barrier, gate) = (Arc::clone(&arrived), Arc::clone(&go));
    let address = serve(stack().layer(service_fn(move |request: Request<Incoming>| {
        assert_ne!(request.uri().path(), "/panic-in-call", "secret");
        let (barrier, gate) = (Arc::clone(&barrier), Arc::clone(&gate));
        async move {
            if request.uri().path() == "/wait" {
                let opened = gate.notified();
                barrier.wait().await;
                opened.await;
                return Ok(response("200\n\nhello").map(any));
            }
            application(request).await
        }
    })))
    .await;
    let mut client = http2(address).await;
    let uri = |path| format!("http://{address}{path}");

    let siblings: Vec<_> = (0..20)
        .map(|_| {
            let (mut client, wait) = (client.clone(), uri("/wait"));
            tokio::spawn(async move { text(ask(&mut client, "GET", &wait).await).await })
        })
        .collect();
    arrived.wait().await;
    for path in ["/panic-in-call", "/panic", "/fail"] {
        let broken = ask(&mut client, "GET", &uri(path)).await;
        assert_eq!(broken.status(), 500);
        assert_eq!(text(broken).await, envelope("GET", 500, &sentence(500), path));
    }
    for path in ["/panic-in-body", "/fail-in-body"] {
        let broken = ask(&mut client, "GET", &uri(path)).await;
        assert_eq!(broken.status(), 200);
        let error = broken.into_body().collect().await.unwrap_err();
        let reset = std::error::Error::source(&error).unwrap().to_string();
        assert!(reset.contains("stream error received"), "{reset}");
    }
    go.notify_waiters();
    for sibling in siblings {
        assert_eq!(sibling.await.unwrap(), "hello");
    }
}

#[tokio::test]
async fn a_body_that_panics_or_fails_is_a_broken_message_over_http_1() {
    let address = serve(stack().layer(service_fn(application))).await;
    for path in ["/panic-in-body", "/fail-in-body"] {
        let mut wire = Wire::to(address).await;
        wire.send(&format!("GET {path} HTTP/1.1\nhost: a\n\n")).await;
        let head = wire.head().await;
        assert_eq!(line(&head, "transfer-encoding"), Some("chunked"));
        // The chunk, and no last chunk: RFC 9112, 8, "incomplete messages".
        assert_eq!(wire.rest().await, "5\r\nbegun\r\n");
    }
}

/// Tells when it is dropped.
struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Waits, with a limit, until what was given to the service is dropped.
async fn dropped(told: &Notify) {
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, told.notified()).await.expect("dropped");
}

#[tokio::test]
async fn an_upload_that_breaks_off_ends_its_request_alone() {
    let ended = Arc::new(Notify::new());
    let told = Arc::clone(&ended);
    let address = serve(stack().layer(service_fn(move |request: Request<Incoming>| {
        let told = Told(Arc::clone(&told));
        async move {
            let _told = told;
            application(request).await
        }
    })))
    .await;
    let mut wire = Wire::to(address).await;
    wire.send("POST /echo HTTP/1.1\nhost: a\ncontent-length: 100\n\nhalf").await;
    drop(wire);
    dropped(&ended).await;
    let mut wire = Wire::to(address).await;
    wire.send("GET /ok HTTP/1.1\nhost: a\n\n").await;
    assert_eq!(wire.response().await.1, "hello");
}

#[tokio::test]
async fn an_upgrade_passes_the_stack_and_the_two_ends_talk() {
    let echo = service_fn(async |mut request: Request<Incoming>| {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut peer = TokioIo::new(upgrade.await.unwrap());
            let mut word = [0; 5];
            peer.read_exact(&mut word).await.unwrap();
            peer.write_all(&word).await.unwrap();
        });
        let head = "101\nconnection: upgrade\nupgrade: websocket\nsec-websocket-accept: x";
        Ok::<_, BoxError>(response(head))
    });
    let limit = tower_contract::TimeoutLayer::new(Duration::from_secs(5));
    let mut wire = Wire::to(serve(stack().timeout(limit).layer(echo)).await).await;
    wire.send("GET /ws HTTP/1.1\nhost: a\nconnection: upgrade\nupgrade: websocket\n\n").await;
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\n"), "{head}");
    assert_eq!(line(&head, "sec-websocket-accept"), Some("x"));
    assert_eq!(line(&head, "content-type"), None);
    wire.send("hello").await;
    assert_eq!(wire.rest().await, "hello");
}

#[tokio::test]
async fn content_of_a_refused_request_is_never_read_as_the_next_request() {
    let address = serve(stack().layer(service_fn(application))).await;
    let inside = "GET /smuggled HTTP/1.1\nhost: a\n\n";
    let length = inside.replace('\n', "\r\n").len();
    for asked in ["POST /nope", "POST /panic", "DELETE /ok", "POST /stale"] {
        let chunk = format!("{length:x}\n{inside}\n0\n\n");
        for (framing, content) in [
            (format!("content-length: {length}"), inside),
            (format!("content-length: {}", length + 1_000_000), inside),
            ("transfer-encoding: chunked".to_owned(), &*chunk),
        ] {
            let mut wire = Wire::to(address).await;
            wire.send(&format!("{asked} HTTP/1.1\nhost: a\n{framing}\n\n{content}")).await;
            wire.send("GET /second HTTP/1.1\nhost: a\nconnection: close\n\n").await;
            let all = wire.rest().await;
            assert!(all.starts_with("HTTP/1.1 "), "{asked}, {framing}: {all}");
            assert!(!all.contains("/smuggled"), "{asked}, {framing}: {all}");
            let answers = all.matches("HTTP/1.1 ").count();
            let second = usize::from(all.contains("\"uri\":\"/second\""));
            assert_eq!(answers, 1 + second, "{asked}, {framing}: {all}");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_body() {
    let ended = Arc::new(Notify::new());
    let told = Arc::clone(&ended);
    let address = serve(stack().layer(service_fn(move |_: Request<Incoming>| {
        let told = Told(Arc::clone(&told));
        let endless = tokio_stream::iter(std::iter::from_fn(move || {
            let _ = &told;
            let frame = http_body::Frame::data(bytes::Bytes::from_static(&[0; 4096]));
            Some(Ok::<_, BoxError>(frame))
        }));
        let body = http_body_util::StreamBody::new(endless);
        std::future::ready(Ok::<_, BoxError>(Response::new(body)))
    })))
    .await;
    let mut wire = Wire::to(address).await;
    wire.send("GET /endless HTTP/1.1\nhost: a\n\n").await;
    wire.head().await;
    drop(wire);
    dropped(&ended).await;
}
