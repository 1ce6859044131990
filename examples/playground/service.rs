//! The service: a small part of a recording API, with one path for each way to fail.
//!
//! Only code 4020, "bad parameter", is documented by the original API; 4030 and 4040 are this
//! example's own.

use std::{convert::Infallible, future, io, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Request},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_contract::{ApiError, CatchErrorLayer};

pub fn routes() -> Router {
    Router::new()
        .route("/ping", get(async || Json("pong")))
        .route("/server/mode", post(set_mode))
        .route("/recordings", get(recordings))
        .route("/recordings/{id}", get(recording))
        .route("/recordings/{id}/labels", post(add_label))
        .route("/diagnostics/panic", get(panics))
        .route("/diagnostics/slow", get(slow))
        .route_service(
            "/recordings/call-01/media",
            ServiceBuilder::new().layer(CatchErrorLayer::new()).service(service_fn(media)),
        )
        .route_service(
            "/export",
            ServiceBuilder::new()
                .layer(CatchErrorLayer::new())
                .load_shed()
                // Always full.
                .concurrency_limit(0)
                .service(service_fn(async |_: Request| {
                    Ok::<_, Infallible>(Response::new(Body::empty()))
                })),
        )
        .layer(DefaultBodyLimit::max(16 * 1024))
}

#[derive(Deserialize)]
struct Mode {
    mode: String,
}

async fn set_mode(Json(Mode { mode }): Json<Mode>) -> Result<StatusCode, ApiError> {
    match mode.as_str() {
        "normal" | "maintenance" => Ok(StatusCode::OK),
        _ => Err(ApiError::bad_request()
            .with_code(4020)
            .with_title("bad parameter")
            .with_description(format!(
                "bad parameter 'server mode' reason : server mode has not a correct value '{mode}'"
            ))),
    }
}

/// Not `Basic`: browsers then ask the user before a script sees the answer.
async fn recordings(headers: HeaderMap) -> Response {
    if headers.contains_key(AUTHORIZATION) {
        return Json(["call-01"]).into_response();
    }
    ([(WWW_AUTHENTICATE, "Bearer realm=\"recordings\"")], ApiError::unauthorized()).into_response()
}

async fn recording(Path(id): Path<String>) -> Result<Json<&'static str>, ApiError> {
    match id.as_str() {
        "call-01" => Ok(Json("call-01")),
        "call-secret" => Err(ApiError::forbidden()
            .with_code(4030)
            .with_description("Only a supervisor may see this recording.")),
        _ => Err(ApiError::not_found()
            .with_code(4040)
            .with_description(format!("There is no recording '{id}'."))),
    }
}

async fn add_label(Json(_label): Json<String>) -> StatusCode {
    StatusCode::CREATED
}

async fn panics() -> StatusCode {
    panic!("a bug: the database password is hunter2")
}

async fn slow() -> StatusCode {
    tokio::time::sleep(Duration::from_secs(60)).await;
    StatusCode::OK
}

/// A media store that is down.
fn media(_: Request) -> future::Ready<Result<Response, BoxError>> {
    future::ready(Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()))
}
