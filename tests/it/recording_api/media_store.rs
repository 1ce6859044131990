//! Media stores that do as a test says.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A media store that answers everything like this; its URL.
pub(super) async fn media_store(
    answer: impl Fn(Request) -> Response + Clone + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(async move |request| answer(request));
    tokio::spawn(axum::serve(listener, app).into_future());
    url
}

/// A media store that has one answer, and fails after it.
pub(super) async fn media_store_once(body: Body) -> String {
    let body = Arc::new(Mutex::new(Some(body)));
    media_store(move |_| body.lock().unwrap().take().expect("one request").into_response()).await
}

/// A media store that sends these bytes and closes, as soon as it has read something.
pub(super) async fn media_store_that_sends(bytes: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(bytes.as_bytes()).await;
        }
    });
    url
}
