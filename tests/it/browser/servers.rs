//! The services that pages call, and the pages' own servers.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{Method, StatusCode},
    middleware::map_request_with_state,
    response::{Html, IntoResponse},
    routing::{any, get, post},
    serve::Listener,
};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
    server::TlsStream,
};
use tower_contract::{ApiError, ContractLayer, CorsContractLayer, MethodGuardLayer, TimeoutLayer};

/// What a page is asked to try.
#[derive(Clone, Debug, Serialize)]
pub struct Try {
    pub url: String,
    pub init: serde_json::Value,
    pub in_sandbox: bool,
}

/// What a page could read; nothing at all is `None`.
#[derive(Clone, Debug, Deserialize)]
pub struct Read {
    pub status: u16,
    pub body: String,
    pub headers: std::collections::BTreeMap<String, String>,
}

/// Every request that reached a server, before any layer: its method and its target.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<(Method, String)>>>);

impl Log {
    /// The methods of the requests for this target, in the order in which they came.
    pub fn methods_of(&self, target: &str) -> Vec<Method> {
        let log = self.0.lock().unwrap();
        let of_target = log.iter().filter(|(_, asked)| asked == target);
        of_target.map(|(method, _)| method.clone()).collect()
    }
}

// ===== what the pages call =====

/// A service that can fail in every way; it knows nothing of CORS, and is wrong about it once.
pub fn api() -> Router {
    Router::new()
        .route("/ok", any(async |request: Request| format!("{:?}", request.version())))
        .route("/error/{status}", any(error))
        .route("/panic", any(async || -> StatusCode { panic!("a bug") }))
        .route("/slow", any(slow))
        .route("/echo", post(async |_: Json<serde_json::Value>| "thanks"))
        .route(
            "/limited",
            any(async || ([("retry-after", "7")], ApiError::new(StatusCode::TOO_MANY_REQUESTS))),
        )
        .route("/cacheable", get(async || ([("cache-control", "max-age=600")], "kept")))
        .route("/star", any(async || ([("access-control-allow-origin", "*")], "star")))
        .layer(DefaultBodyLimit::max(1024))
}

/// Longer than the limit of the stacks; without a stack it ends.
async fn slow() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

async fn error(Path(status): Path<u16>) -> ApiError {
    ApiError::new(StatusCode::from_u16(status).unwrap())
}

/// The stack of the tests: PUT and DELETE pass or not by the policy, DELETE never by the service.
pub fn under(layer: ContractLayer) -> Router {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::OPTIONS];
    api().layer(
        layer
            .methods(MethodGuardLayer::new(methods))
            .timeout(TimeoutLayer::new(Duration::from_millis(100))),
    )
}

/// The API, and once more for everyone.
pub fn public_too(layer: ContractLayer) -> Router {
    api().nest("/public", api()).layer(layer)
}

/// A second policy inside the first.
pub fn nested(outer: ContractLayer, inner: CorsContractLayer) -> Router {
    api().nest("/nested", api().layer(inner)).layer(outer)
}

/// Writes every request down and passes it on.
fn logged(app: Router, log: &Log) -> Router {
    async fn write(State(log): State<Log>, request: Request) -> Request {
        let target = request.uri().path_and_query().unwrap().to_string();
        log.0.lock().unwrap().push((request.method().clone(), target));
        request
    }
    app.layer(map_request_with_state(log.clone(), write))
}

pub async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

pub fn serve<L>(listener: L, app: Router, log: &Log)
where
    L: Listener<Addr: std::fmt::Debug>,
{
    let app = logged(app, log);
    tokio::spawn(async { axum::serve(listener, app).await });
}

// ===== the pages =====

/// The pages of a run: the URL of each, and what each tries.
pub type Plan = Vec<(String, Vec<Try>)>;

pub type Report = (usize, Vec<Option<Read>>);

/// Serves all pages under every host name: `/page/0` and on.
pub fn pages(plan: Plan, reports: mpsc::UnboundedSender<Report>) -> Router {
    let plan = Arc::new(plan);
    let cases = {
        let plan = Arc::clone(&plan);
        async move |Path(n): Path<usize>| Json(plan[n].1.clone())
    };
    let report = async move |Path(n): Path<usize>, body: String| {
        reports.send((n, serde_json::from_str(&body).unwrap())).unwrap();
        let next = plan.get(n + 1);
        Ok::<_, Infallible>(next.map(|(url, _)| url.clone()).unwrap_or_default())
    };
    Router::new()
        .route("/page/{n}", get(async || Html(include_str!("page.html"))))
        .route("/page/{n}/cases", get(cases.clone()))
        .route("/page/{n}/report", post(report.clone()))
        .fallback(async || StatusCode::NOT_FOUND.into_response())
}

// ===== HTTP/2 over TLS =====

pub struct TlsListener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl TlsListener {
    pub async fn bind() -> Self {
        let certified = rcgen::generate_simple_self_signed(["api.example.com".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { tcp: bind().await, tls: TlsAcceptor::from(Arc::new(config)) }
    }

    pub fn port(&self) -> u16 {
        self.tcp.local_addr().unwrap().port()
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
