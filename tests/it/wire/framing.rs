//! Lengths, empty contents, and what is left as the service and the server make it.

use expect_test::expect;
use http_body_util::BodyExt;
use tower::{Layer, service_fn};
use tower_contract::CatchErrorLayer;

use super::{Wire, application, ask, http2, line, serve, stack};
use crate::support::{envelope, sentence};

const ERRORS: [&str; 6] = ["/nope", "/panic", "/fail", "/stale", "/stale-chunks", "/status/503"];

#[tokio::test]
async fn to_head_an_error_over_http_1_is_its_head_alone() {
    let mut wire = Wire::to(serve(stack().layer(service_fn(application))).await).await;
    for path in ERRORS {
        wire.send(&format!("HEAD {path} HTTP/1.1\nhost: a\n\n")).await;
        let head = wire.head().await;
        let status: u16 = head[9..12].parse().unwrap();
        assert!(status >= 400, "{head}");
        assert_eq!(line(&head, "content-type"), Some("application/json"));
        for absent in ["content-length", "transfer-encoding", "etag", "trailer"] {
            assert_eq!(line(&head, absent), None, "{absent} after {path}");
        }
        // Nothing follows the head but the next answer.
        wire.send(&format!("GET {path} HTTP/1.1\nhost: a\n\n")).await;
        let (_, content) = wire.response().await;
        assert_eq!(content, envelope("GET", status, &sentence(status), path));
    }
}

#[tokio::test]
async fn to_head_an_error_over_http_2_is_its_head_alone() {
    let address = serve(stack().layer(service_fn(application))).await;
    let mut client = http2(address).await;
    for path in ERRORS {
        let response = ask(&mut client, "HEAD", &format!("http://{address}{path}")).await;
        assert!(response.status().as_u16() >= 400);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert!(!response.headers().contains_key("content-length"));
        let content = response.into_body().collect().await.expect("no reset");
        assert_eq!(content.to_bytes(), "");
    }
}

#[tokio::test]
async fn a_stale_length_or_framing_of_the_service_is_replaced() {
    let address = serve(stack().layer(service_fn(application))).await;
    for path in ["/stale", "/stale-chunks"] {
        let expected = envelope("GET", 404, &sentence(404), path);
        let mut wire = Wire::to(address).await;
        let asked = format!("GET {path} HTTP/1.1\nhost: a\nconnection: close\n\n");
        wire.send(&asked).await;
        let (head, content) = wire.response().await;
        assert_eq!(line(&head, "content-length"), Some(&*expected.len().to_string()));
        assert_eq!(line(&head, "transfer-encoding"), None);
        assert_eq!(content, expected);
        assert_eq!(wire.rest().await, "");

        let mut client = http2(address).await;
        let answer = ask(&mut client, "GET", &format!("http://{address}{path}")).await;
        assert_eq!(answer.headers()["content-length"], expected.len().to_string());
        assert_eq!(super::text(answer).await, expected);
    }
}

/// What leaves the server, without what the CORS layer and the clock add.
async fn raw(address: std::net::SocketAddr, asked: &str) -> String {
    let mut wire = Wire::to(address).await;
    wire.send(&format!("{asked} HTTP/1.1\nhost: a\nconnection: close\n\n")).await;
    let all = wire.rest().await;
    let added = |line: &&str| line.starts_with("access-control-") || line.starts_with("date:");
    let lines: Vec<_> = all.split("\r\n").filter(|line| !added(line)).collect();
    lines.join("\n")
}

#[tokio::test]
async fn what_is_no_error_leaves_the_server_as_without_the_stack() {
    let with = serve(stack().layer(service_fn(application))).await;
    let without = CatchErrorLayer::new().layer(service_fn(application));
    let without = serve(without).await;
    for status in [200, 201, 203, 204, 205, 206, 301, 304, 308, 399, 600, 999] {
        for method in ["GET", "HEAD", "POST"] {
            let asked = format!("{method} /status/{status}");
            assert_eq!(raw(with, &asked).await, raw(without, &asked).await);
        }
    }
}

/// The documented gap: the server answers before it calls a service.
#[tokio::test]
async fn what_hyper_refuses_by_itself_has_no_envelope() {
    let address = serve(stack().layer(service_fn(application))).await;
    let long = format!("GET /{} HTTP/1.1\nhost: a\n\n", "a".repeat(70_000));
    let many = format!("GET / HTTP/1.1\nhost: a\n{}\n", "x: y\n".repeat(200));
    for (asked, expected) in [
        (
            "GET / HTTP/1.1\nbad header\n\n",
            expect![[r#"
                HTTP/1.1 400 Bad Request
                connection: close
                content-length: 0"#]],
        ),
        (
            &long,
            expect![[r#"
                HTTP/1.1 414 URI Too Long
                connection: close
                content-length: 0"#]],
        ),
        (
            &many,
            expect![[r#"
                HTTP/1.1 431 Request Header Fields Too Large
                connection: close
                content-length: 0"#]],
        ),
    ] {
        let mut wire = Wire::to(address).await;
        wire.send(asked).await;
        let head = wire.head().await;
        let lines: Vec<_> = head.lines().filter(|line| !line.starts_with("date:")).collect();
        expected.assert_eq(&lines.join("\n"));
    }
}
