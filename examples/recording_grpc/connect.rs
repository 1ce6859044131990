//! The same diagnostics as a Connect client calls them: `/connect/recordings.v1.Diagnostics/...`.
//!
//! Connect's unary calls in JSON are plain POSTs; tonic does not speak the protocol, axum need not
//! know that it does. All of them read the content: over HTTP/1.1 an answer that does not wait for it
//! may be lost.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::{BufMut, Bytes, BytesMut};
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_stream::StreamExt;

use crate::diagnostics::two_and_a_panic;

/// Each method of [`routes`].
pub const METHODS: [&str; 5] = ["Echo", "Panic", "PanicInStream", "Sleep", "OwnStatus"];

/// Where a client of Connect calls a method.
pub fn path(method: &str) -> String {
    format!("/connect/recordings.v1.Diagnostics/{method}")
}

pub fn routes() -> Router {
    Router::new()
        .route(&path("Echo"), post(echo))
        .route(&path("Panic"), post(panic))
        .route(&path("PanicInStream"), post(panic_in_stream))
        .route(&path("Sleep"), post(sleep_long))
        .route(&path("OwnStatus"), post(own_status))
}

async fn echo(Json(message): Json<Value>) -> Json<Value> {
    Json(message)
}

async fn panic(_: Bytes) {
    panic!("a client asked for it, and must not read this");
}

async fn panic_in_stream(_: Bytes) -> Response {
    let envelopes = two_and_a_panic().map(|data| Ok::<_, Infallible>(envelope(&data)));
    let content_type = [(CONTENT_TYPE, "application/connect+json")];
    (content_type, Body::from_stream(envelopes)).into_response()
}

async fn sleep_long(_: Bytes) {
    sleep(Duration::from_secs(60)).await;
}

async fn own_status(_: Bytes) -> impl IntoResponse {
    let error = json!({ "code": "failed_precondition", "message": "the archive is locked" });
    (StatusCode::BAD_REQUEST, Json(error))
}

/// A message of a stream: a flag byte, the length, and the `Chunk` in JSON, its bytes in base64.
fn envelope(data: &Bytes) -> Bytes {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let message = json!({ "data": BASE64_STANDARD.encode(data) }).to_string();
    let mut envelope = BytesMut::new();
    envelope.put_u8(0);
    envelope.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    envelope.put_slice(message.as_bytes());
    envelope.freeze()
}
