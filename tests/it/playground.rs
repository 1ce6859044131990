//! The playground: what its page is given, and what its stacks answer on the wire.

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::example::{Example, soon};

/// Asks the page's own server; the content of its answer.
async fn page(playground: &Example, path: &str, content: &str) -> String {
    let io = TokioIo::new(TcpStream::connect(playground.address).await.unwrap());
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let method = if content.is_empty() { "GET" } else { "POST" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "a")
        .header("content-type", "application/json")
        .body(Full::<bytes::Bytes>::from(content.to_owned()))
        .unwrap();
    let answer = soon("an answer", sender.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let content = soon("the content", answer.into_body().collect()).await.unwrap();
    String::from_utf8(content.to_bytes().to_vec()).unwrap()
}

/// What one stack answers on the wire, as the page is told: status, and who may read it.
async fn on_the_wire(playground: &Example, stack: usize, line: &str) -> String {
    let origin = format!("http://localhost:{}", playground.address.port());
    let request =
        format!("{line} HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n");
    let asked = json!({ "stack": stack, "request": request }).to_string();
    let seen: Value = serde_json::from_str(&page(playground, "/raw", &asked).await).unwrap();
    let answer = seen["answer"].as_str().unwrap();
    let status = answer.lines().next().unwrap_or("no answer");
    let readable = answer.contains(&format!("access-control-allow-origin: {origin}\r\n"));
    let envelope = answer.contains("{\"http_method\":");
    format!("{status}, readable: {readable}, envelope: {envelope}")
}

#[tokio::test]
async fn the_page_is_there_with_all_of_its_parts() {
    let playground = Example::start("playground", &[]).await;
    let html = page(&playground, "/", "").await;
    for part in ["/style.css", "/playground.js"] {
        assert!(html.contains(part), "{part}");
        assert!(!page(&playground, part, "").await.is_empty());
    }
    for part in ["/calls.js", "/details.js"] {
        assert!(page(&playground, "/playground.js", "").await.contains(part), "{part}");
        assert!(!page(&playground, part, "").await.is_empty());
    }
    let targets: Value =
        serde_json::from_str(&page(&playground, "/targets.json", "").await).unwrap();
    let names: Vec<_> = targets.as_array().unwrap().iter().map(|stack| &stack["name"]).collect();
    assert_eq!(names, ["axum", "tower-http", "wrong order", "contract"]);
}

#[tokio::test]
async fn only_under_the_contract_every_failure_can_be_read_in_one_shape() {
    let playground = Example::start("playground", &[]).await;
    let mut seen = Vec::new();
    for line in ["GET /nowhere", "GET /diagnostics/panic", "GET /diagnostics/slow", "GET /export"] {
        for stack in 0..4 {
            seen.push(on_the_wire(&playground, stack, line).await);
        }
    }
    assert_eq!(
        seen,
        [
            "HTTP/1.1 404 Not Found, readable: false, envelope: false",
            "HTTP/1.1 404 Not Found, readable: true, envelope: false",
            "HTTP/1.1 404 Not Found, readable: true, envelope: true",
            "HTTP/1.1 404 Not Found, readable: true, envelope: true",
            "no answer, readable: false, envelope: false",
            "HTTP/1.1 500 Internal Server Error, readable: true, envelope: false",
            "HTTP/1.1 500 Internal Server Error, readable: false, envelope: true",
            "HTTP/1.1 500 Internal Server Error, readable: true, envelope: true",
            "no answer, readable: false, envelope: false",
            "HTTP/1.1 408 Request Timeout, readable: true, envelope: false",
            "HTTP/1.1 503 Service Unavailable, readable: false, envelope: true",
            "HTTP/1.1 503 Service Unavailable, readable: true, envelope: true",
            "HTTP/1.1 500 Internal Server Error, readable: false, envelope: false",
            "HTTP/1.1 500 Internal Server Error, readable: true, envelope: false",
            "HTTP/1.1 503 Service Unavailable, readable: true, envelope: true",
            "HTTP/1.1 503 Service Unavailable, readable: true, envelope: true",
        ]
    );
}
