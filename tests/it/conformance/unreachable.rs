//! What is no service: one line each, and never a hang, a panic or fifty findings.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};
use tower_contract::conformance::{self, Outcome};

/// Accepts connections for ever, reads a head, and does `answer` with each.
async fn server<F>(answer: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = std::sync::Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = std::sync::Arc::clone(&answer);
            tokio::spawn(async move {
                let mut read = [0; 4096];
                let _ = stream.read(&mut read).await;
                answer(stream).await;
            });
        }
    });
    format!("http://{address}")
}

/// A server that writes these bytes and closes.
async fn saying(bytes: &'static [u8]) -> String {
    server(async |mut stream| {
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
    })
    .await
}

/// The one line that is told, without the address.
async fn told(url: &str) -> String {
    let error = conformance::at(url).unwrap().report().await.unwrap_err();
    assert_eq!(error.reasons().len(), 1, "{error}");
    error.to_string().replace(url, "URL")
}

#[tokio::test]
async fn a_host_that_is_down_is_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let told = told(&url).await;
    assert!(told.starts_with("URL is not reached: no connection: Connection refused"), "{told}");
}

#[tokio::test]
async fn what_is_no_http_is_one_line() {
    for (bytes, expected) in [
        (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], "the answer is no valid HTTP: "),
        (b"\x15\x03\x01\x00\x02\x02\x46", "it speaks TLS: use https://"),
        (b"", "the connection ended without an answer"),
        (b"HTTP/1.1 200 OK\r\nconte", "the answer is no valid HTTP: the head is cut off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "framed by 1 | 2"),
        (
            b"HTTP/1.1 301 Moved\r\nlocation: https://x.example/\r\n\r\n",
            "sends everything to https://x.example/",
        ),
    ] {
        let told = told(&saying(bytes).await).await;
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn an_https_url_of_a_server_without_tls_is_one_line() {
    let url = saying(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.replace("http:", "https:");
    let told = told(&url).await;
    assert_eq!(told, "URL is not reached: no connection: it speaks no TLS: use http://");
}

#[tokio::test]
async fn a_service_that_never_answers_is_one_line_after_ten_seconds() {
    let url = server(async |_stream| sleep(Duration::from_secs(60)).await).await;
    let start = Instant::now();
    assert_eq!(told(&url).await, "URL is not reached: no answer within 10 s");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_body_of_a_gigabyte_is_read_to_a_mebibyte_alone() {
    let url = server(async |mut stream| {
        let _ =
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 1000000000\r\n\r\n").await;
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..16_000 {
            if stream.write_all(&piece).await.is_err() {
                return;
            }
        }
    })
    .await;
    let start = Instant::now();
    let report = conformance::at(&url).unwrap().http1_only().only([31]).report().await.unwrap();
    let result = report.result(31).unwrap();
    assert_eq!(result.outcome, Outcome::Broken, "{report}");
    assert_eq!(result.findings[0].seen, "more than 1 MiB");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_service_that_goes_away_is_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        // The first requests reach it, none of the others.
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = [0; 4096];
            let _ = stream.read(&mut read).await;
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let run = conformance::at(&url).unwrap().http1_only().origin("https://app.example.com");
    let error = run.report().await.unwrap_err().to_string();
    assert!(error.contains("is gone before the end: Connection refused"), "{error}");
}

#[tokio::test]
async fn inputs_that_are_wrong_are_all_told_before_anything_is_sent() {
    let run = conformance::at("http://127.0.0.1:1").unwrap().origin("app.example.com").get("ping");
    let error = run.report().await.unwrap_err();
    assert_eq!(
        error.reasons(),
        [
            "origin: \"app.example.com\" is no origin: write https://app.example.com",
            "get: \"ping\" is no path: write /ping",
        ]
    );
    for (url, meant) in [
        ("127.0.0.1:8080", "write http://127.0.0.1:8080"),
        ("localhost:8080", "write http://localhost:8080"),
        ("http://u:p@localhost", "--auth"),
        ("http://localhost/?a", "without it"),
    ] {
        let error = conformance::at(url).unwrap_err().to_string();
        assert!(error.contains(meant), "{error}");
    }
}
