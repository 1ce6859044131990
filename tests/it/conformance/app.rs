//! A service that keeps every promise, with a route for each failure.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use serde::Deserialize;
use tokio::{net::TcpListener, time::sleep};
use tokio_stream::StreamExt;
use tower_contract::{
    ApiError, ContractLayer, CorsPolicy, TimeoutLayer,
    conformance::{self, Run},
};

pub const FIRST: &str = "https://app.example.com";
pub const SECOND: &str = "https://admin.example.com";
pub const TOKEN: &str = "Bearer open-sesame-0123456789";
pub const LIMIT: Duration = Duration::from_millis(400);
pub const UPLOAD: usize = 1_000;

pub fn policy() -> CorsPolicy {
    CorsPolicy::builder([FIRST, SECOND])
        .allow_methods(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
        .allow_headers(["Authorization", "Origin", "Content-Type"])
        .expose_headers(["Allow", "WWW-Authenticate", "Retry-After"])
        .build()
        .unwrap()
}

pub fn contract() -> ContractLayer {
    ContractLayer::new(policy())
        .public_url("https://api.example.com".parse().unwrap())
        .timeout(TimeoutLayer::new(LIMIT))
}

#[derive(Debug, Deserialize)]
struct Mode {
    #[expect(dead_code, reason = "it is what the check leaves out")]
    mode: String,
}

/// Refuses what comes while three others are served.
async fn crowded(count: Arc<AtomicUsize>) -> Result<&'static str, StatusCode> {
    if count.fetch_add(1, Ordering::Relaxed) >= 3 {
        count.fetch_sub(1, Ordering::Relaxed);
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    sleep(Duration::from_millis(150)).await;
    count.fetch_sub(1, Ordering::Relaxed);
    Ok("served")
}

async fn guarded(headers: HeaderMap) -> Result<&'static str, Response<Body>> {
    if headers.get("authorization").is_some_and(|value| value == TOKEN) {
        return Ok("pong");
    }
    let mut refused = Response::new(Body::empty());
    *refused.status_mut() = StatusCode::UNAUTHORIZED;
    refused.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
    Err(refused)
}

/// A panic that prints nothing: there are hundreds.
async fn panics() -> String {
    std::panic::resume_unwind(Box::new("secret"))
}

fn broken_body() -> Body {
    let chunks = tokio_stream::iter([Ok("first"), Err("broken")]).then(async |chunk| {
        // The head and the first chunk are sent before the body fails.
        sleep(Duration::from_millis(if chunk.is_err() { 50 } else { 0 })).await;
        chunk
    });
    Body::from_stream(chunks)
}

/// What a gRPC server would do with a path that it has, and with one that it has not.
async fn rpc(request: Request<Body>) -> Result<Response<Body>, ApiError> {
    if request.uri().path().ends_with("/Slow") {
        sleep(Duration::from_secs(5)).await;
    }
    Err(ApiError::new(StatusCode::NOT_IMPLEMENTED))
}

pub fn routes() -> Router {
    let count = Arc::new(AtomicUsize::new(0));
    Router::new()
        .route("/ping", get(async || "pong"))
        .route("/guarded", get(guarded))
        .route("/nothing", get(async || StatusCode::NO_CONTENT))
        .route("/panic", get(panics))
        .route("/panic-in-body", get(async || broken_body()))
        .route("/slow", get(async || sleep(Duration::from_secs(60)).await))
        .route("/crowded", get(move || crowded(Arc::clone(&count))))
        .route("/upstream", get(async || StatusCode::BAD_GATEWAY))
        .route("/json", post(async |_: Json<Mode>| "read"))
        .route("/upload", post(async |_: Bytes| "read").layer(DefaultBodyLimit::max(UPLOAD)))
        .route("/test.Service/{method}", post(rpc))
}

pub fn app() -> Router {
    routes().layer(contract())
}

/// All inputs, so that nothing is left out.
pub fn all_inputs(run: Run) -> Run {
    run.origin(FIRST)
        .origin(SECOND)
        .get("/guarded")
        .auth("Authorization", TOKEN)
        .public_url("https://api.example.com")
        .panic_at("/panic")
        .panic_body_at("/panic-in-body")
        .slow_at("/slow", LIMIT)
        .overload_at("/crowded")
        .upstream_down_at("/upstream")
        .post_json_at("/json")
        .upload_limit_at("/upload", UPLOAD)
        .grpc("test.Service/Method")
        .grpc_slow("test.Service/Slow")
        .page_sends(["PUT", "content-type"])
        .unsafe_methods()
}

/// Serves `app` on a free port, for as long as the runtime lives.
pub async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    address
}

pub fn at(address: SocketAddr) -> Run {
    conformance::at(&format!("http://{address}")).unwrap()
}

/// The whole contract around one function, without a framework.
pub fn without_framework() -> impl tower::Service<
    Request<hyper::body::Incoming>,
    Response = Response<impl http_body::Body<Data = Bytes, Error: Into<tower::BoxError>> + Send>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send {
    let answer = tower::service_fn(async |request: Request<hyper::body::Incoming>| {
        match (request.method().as_str(), request.uri().path()) {
            ("GET" | "HEAD", "/ping") => {
                Ok(Response::new(http_body_util::Full::new(Bytes::from_static(b"pong"))))
            }
            _ => Err(ApiError::not_found()),
        }
    });
    tower::ServiceBuilder::new()
        .layer(ContractLayer::new(policy()).methods(
            tower_contract::MethodGuardLayer::by_path([("/ping", [http::Method::GET])]).unwrap(),
        ))
        .service(answer)
}
