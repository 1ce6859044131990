//! The usual reverse proxy of axum with reqwest: what an upstream says arrives however it is sent.

use std::time::Duration;

use axum::{Router, body::Body, extract::Request, response::Response};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::ServiceExt;
use tower_contract::{ContractLayer, CorsPolicy, Envelope};

const CONTENT: &str = r#"{"http_method":"GET","title":"bad parameter","description":"no mode","code":4020,"uri":"/m"}"#;
const HEAD: &str =
    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n";

/// Answers each request with these pieces, each after a pause in milliseconds.
async fn upstream(pieces: Vec<(u64, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let pieces = pieces.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                for (pause, piece) in pieces {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    let _ = stream.write_all(piece.as_bytes()).await;
                }
            });
        }
    });
    format!("http://{address}/")
}

fn proxy(url: String) -> Router {
    let client = reqwest::Client::new();
    let forward = move |request: Request| {
        let sent = client.request(request.method().clone(), &url).send();
        async move {
            let answer = sent.await.map_err(|_| StatusCode::BAD_GATEWAY)?;
            let mut response = Response::builder().status(answer.status());
            *response.headers_mut().unwrap() = answer.headers().clone();
            let body = Body::from_stream(answer.bytes_stream());
            response.body(body).map_err(|_| StatusCode::BAD_GATEWAY)
        }
    };
    let policy = CorsPolicy::builder(["https://app.example.com"]).build().unwrap();
    Router::new().fallback(forward).layer(ContractLayer::new(policy))
}

#[tokio::test]
async fn one_write_two_writes_chunked_and_late_are_told_alike() {
    let head = format!("{HEAD}content-length: {}\r\n\r\n", CONTENT.len());
    let (one, two) = CONTENT.split_at(30);
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    for pieces in [
        vec![(0, format!("{head}{CONTENT}"))],
        vec![(0, head.clone()), (0, CONTENT.to_owned())],
        vec![
            (0, format!("{HEAD}transfer-encoding: chunked\r\n\r\n")),
            (0, chunk(one)),
            (0, chunk(two) + "0\r\n\r\n"),
        ],
        vec![(0, head.clone()), (1, CONTENT.to_owned())],
        vec![(0, head.clone()), (20, CONTENT.to_owned())],
    ] {
        let app = proxy(upstream(pieces.clone()).await);
        for _ in 0..100 {
            let request = Request::get("/m").body(Body::empty()).unwrap();
            let answer = app.clone().oneshot(request).await.unwrap();
            let content = answer.into_body().collect().await.unwrap().to_bytes();
            let told: Envelope = serde_json::from_slice(&content).unwrap();
            assert_eq!(told.code, 4020, "{pieces:?}");
        }
    }
}
