//! `/api/v2/diagnostics/version` and, with `--diagnostics`, failures to order.
//!
//! The failures are real: a panic panics, and an empty 404 is one that knows nothing of envelopes.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use serde_json::json;
use tokio::time::sleep;
use tokio_stream::StreamExt;
use tower_contract::ApiError;

use crate::{api::Api, errors};

pub fn routes() -> Router<Api> {
    Router::new().route("/api/v2/diagnostics/version", get(version))
}

/// What to ask for; each path is one of [`failures`].
pub const FAILURES: [&str; 5] = [
    "/diagnostics/panic",
    "/diagnostics/panic-in-body",
    "/diagnostics/sleep/60000",
    "/diagnostics/error/404",
    "/diagnostics/text/409",
];

pub fn failures() -> Router<Api> {
    Router::new()
        .route("/diagnostics/panic", get(panic))
        .route("/diagnostics/panic-in-body", get(panic_in_body))
        .route("/diagnostics/sleep/{milliseconds}", get(sleep_for))
        .route("/diagnostics/error/{status}", get(empty_error))
        .route("/diagnostics/text/{status}", get(text_error))
}

async fn version() -> impl IntoResponse {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

async fn panic() {
    panic!("a client asked for it, and must not read this");
}

/// The head and a first chunk are sent; what comes then cannot become an envelope any more.
async fn panic_in_body() -> Body {
    let chunks = tokio_stream::iter(["first chunk\n", "second chunk\n"]).then(async |chunk| {
        if chunk.starts_with("second") {
            sleep(Duration::from_millis(50)).await; // time for the first one to be sent
            panic!("a client asked for it, and must not read this");
        }
        Ok::<_, Infallible>(chunk)
    });
    Body::from_stream(chunks)
}

async fn sleep_for(Path(milliseconds): Path<u64>) -> String {
    sleep(Duration::from_millis(milliseconds)).await;
    format!("slept for {milliseconds} ms\n")
}

async fn empty_error(Path(status): Path<u16>) -> Result<StatusCode, ApiError> {
    error_status(status)
}

async fn text_error(Path(status): Path<u16>) -> Result<Response, ApiError> {
    let text = format!("This is a plain text of status {status}.");
    Ok((error_status(status)?, text).into_response())
}

/// Only what the contract gives an envelope to: 400 to 599.
fn error_status(status: u16) -> Result<StatusCode, ApiError> {
    let known = StatusCode::from_u16(status).ok();
    known
        .filter(|status| status.is_client_error() || status.is_server_error())
        .ok_or_else(|| errors::bad_parameter("status", "it is not from 400 to 599"))
}
