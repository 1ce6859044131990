//! The recipes of the guide's page "Errors of a team", each with the crate that it is for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod events;
mod metrics_by_hook;
mod openapi;
mod upstreams;
mod validators;

use std::time::Duration;

use axum::{Router, body::Body, extract::Path, routing::get};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tower_contract::{ApiError, ContractLayer, CorsPolicy};

/// The contract with a limit of a few milliseconds.
fn contract() -> ContractLayer {
    let policy = CorsPolicy::builder(["https://app.example.com"]).build().unwrap();
    ContractLayer::new(policy).timeout(Duration::from_millis(20))
}

/// A service that fails in each way.
fn service() -> Router {
    async fn recording(Path(id): Path<u32>) -> ApiError {
        let why = std::io::Error::other(format!("disk {id}"));
        ApiError::internal().with_code(5001).with_source(why)
    }
    async fn panicking() {
        panic!("boom");
    }
    async fn foreign() -> (StatusCode, &'static str) {
        (StatusCode::INTERNAL_SERVER_ERROR, "no extension of this type")
    }
    Router::new()
        .route("/recordings/{id}", get(recording))
        .route("/panic", get(panicking))
        .route("/foreign", get(foreign))
        .route("/slow", get(std::future::pending::<()>))
        .route("/", get("hello"))
}

/// Every way to fail, and one that does not.
const PATHS: [&str; 5] = ["/recordings/7", "/panic", "/foreign", "/slow", "/"];

/// Asks in a runtime of its own, on this thread: who listens is set by thread.
fn ask(app: &Router, path: &str) -> (StatusCode, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let content = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&content).unwrap_or_default())
    })
}
