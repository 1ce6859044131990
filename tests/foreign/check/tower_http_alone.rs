//! axum with tower-http's layers, as their docs show them, and no contract.

use std::{any::Any, error::Error, time::Duration};

use axum::{Json, Router, routing::get};
use http::{HeaderValue, Method, StatusCode, header};
use tokio::{net::TcpListener, time::sleep};
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer, timeout::TimeoutLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_static("https://app.example.com"))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE]);
    let limit =
        TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(1));
    let app = Router::new()
        .route("/ping", get(async || "pong"))
        .route("/mode", axum::routing::post(async |Json(mode): Json<Mode>| mode.mode))
        .route("/panic", get(panics))
        .route("/slow", get(async || sleep(Duration::from_secs(60)).await))
        .layer((cors, CatchPanicLayer::new(), limit));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

#[derive(serde::Deserialize)]
struct Mode {
    mode: String,
}

async fn panics() -> String {
    let secret: Box<dyn Any + Send> = Box::new("secret");
    std::panic::resume_unwind(secret)
}
