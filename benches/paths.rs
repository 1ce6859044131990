//! What is measured: each path a request can take, through our layers and through their peers.
//!
//! Every path is one closure that sends one request and reads the whole answer, without a runtime
//! turn and without a socket: what differs between two paths is what their layers do.

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    body::Body as AxumBody,
    error_handling::HandleErrorLayer,
    extract::Request as AxumRequest,
    middleware::{Next, from_fn},
    response::Response as AxumResponse,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::Full;
use serde::Serialize;
use tower::{BoxError, Layer, Service, ServiceBuilder, service_fn};
use tower_contract::{
    ApiError, CatchErrorLayer, ContractLayer, CorsContractLayer, CorsPolicy, ErrorBodyLayer,
    MethodGuardLayer, PanicToErrorLayer, PublicUrl, TimeoutLayer,
};
use tower_http::{
    catch_panic::CatchPanicLayer, cors::CorsLayer, set_header::SetResponseHeaderLayer,
    timeout::TimeoutLayer as PeerTimeoutLayer,
};

use crate::fused::Fused;

/// The page that asks; where a policy allows several, it is the last of them.
pub(crate) const ORIGIN: &str = "https://tenant-0000.example.com";
const PUBLIC_URL: &str = "https://api.example.com";
const LIMIT: Duration = Duration::from_secs(30);
pub(crate) const JSON: &str = r#"{"id":7,"state":"recording","seconds":42}"#;

/// How many requests wait at once.
const WAITING: usize = 10_000;

/// How many origins are allowed, in the series over their number.
pub(crate) const ORIGINS: [usize; 5] = [1, 2, 10, 100, 1024];

/// One way of a request: its name, and a closure that sends it.
pub(crate) struct Path {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut()>,
}

impl Path {
    fn new<S, B>(name: impl Into<String>, service: S, request: fn() -> Request<AxumBody>) -> Self
    where
        S: Service<Request<AxumBody>, Response = Response<B>> + 'static,
        B: Body,
    {
        let mut service = service;
        Self { name: name.into(), run: Box::new(move || exchange(&mut service, request())) }
    }

    /// As hyper calls a service: each request has its own clone.
    fn cloned<S, B>(name: impl Into<String>, service: S) -> Self
    where
        S: Service<Request<AxumBody>, Response = Response<B>> + Clone + 'static,
        B: Body,
    {
        Self { name: name.into(), run: Box::new(move || exchange(&mut service.clone(), get())) }
    }

    fn waiting<S, B>(name: &str, service: S) -> Self
    where
        S: Service<Request<AxumBody>, Response = Response<B>, Error = Infallible> + 'static,
    {
        let mut service = service;
        Self { name: name.to_owned(), run: Box::new(move || wait_together(&mut service)) }
    }

    fn layered<L, S>(name: impl Into<String>, layer: L, inner: S) -> Self
    where
        L: Layer<S> + 'static,
        S: Clone + 'static,
    {
        Self {
            name: name.into(),
            run: Box::new(move || drop(black_box(layer.layer(black_box(inner.clone()))))),
        }
    }
}

/// Sends one request: readiness, the head, the whole body.
fn exchange<S, B>(service: &mut S, request: Request<AxumBody>)
where
    S: Service<Request<AxumBody>, Response = Response<B>>,
    B: Body,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
    let mut future = pin!(service.call(request));
    let response = loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            break output.ok();
        }
    };
    let (head, body) = response.unwrap().into_parts();
    black_box(head);
    let mut body = pin!(body);
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
        black_box(frame.is_ok());
    }
}

/// Sends ten thousand requests that wait at the same time, then answers them all.
fn wait_together<S, B>(service: &mut S)
where
    S: Service<Request<AxumBody>, Response = Response<B>, Error = Infallible>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
            Box::pin(service.call(get()))
        })
        .collect();
    for future in &mut waiting {
        assert!(future.as_mut().poll(&mut cx).is_pending());
    }
    for future in &mut waiting {
        assert!(future.as_mut().poll(&mut cx).is_ready());
    }
}

// ===== requests =====

fn base() -> Request<AxumBody> {
    let mut request = Request::new(AxumBody::empty());
    *request.uri_mut() = http::Uri::from_static("/recordings/7?part=1");
    let origin = HeaderValue::from_static(ORIGIN);
    request.headers_mut().insert(header::ORIGIN, origin);
    request
}

pub(crate) fn get() -> Request<AxumBody> {
    base()
}

fn delete() -> Request<AxumBody> {
    let mut request = base();
    *request.method_mut() = Method::DELETE;
    request
}

fn preflight() -> Request<AxumBody> {
    let mut request = base();
    *request.method_mut() = Method::OPTIONS;
    let method = HeaderValue::from_static("POST");
    let asked = header::ACCESS_CONTROL_REQUEST_METHOD;
    request.headers_mut().insert(asked, method);
    request
}

/// A preflight that asks for these headers, which the layer never reads.
fn preflight_for(headers: &HeaderValue) -> Request<AxumBody> {
    let mut request = preflight();
    let asked = header::ACCESS_CONTROL_REQUEST_HEADERS;
    request.headers_mut().insert(asked, headers.clone());
    request
}

fn preflight_for_no_header() -> Request<AxumBody> {
    preflight_for(&HeaderValue::from_static(""))
}

/// 400 kB of commas: a peer that splits them needs as many allocations.
fn preflight_for_commas() -> Request<AxumBody> {
    static COMMAS: LazyLock<HeaderValue> =
        LazyLock::new(|| HeaderValue::from_maybe_shared(Bytes::from(vec![b','; 400_000])).unwrap());
    preflight_for(&COMMAS)
}

// ===== inner services =====

/// A service that answers each request with what a function makes, at once.
pub(crate) trait Inner<E>:
    Service<Request<AxumBody>, Response = Response<Full<Bytes>>, Error = E, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S, E> Inner<E> for S where
    S: Service<
            Request<AxumBody>,
            Response = Response<Full<Bytes>>,
            Error = E,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

pub(crate) fn json() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(JSON));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn text_404() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("there is no recording 7"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

fn typed_404() -> Response<Full<Bytes>> {
    ApiError::not_found()
        .with_code(4041)
        .with_description("There is no such recording.")
        .into_http()
}

fn answering<E: 'static>(answer: fn() -> Response<Full<Bytes>>) -> impl Inner<E> {
    service_fn(move |request: Request<AxumBody>| async move {
        drop(request);
        Ok(answer())
    })
}

/// A service whose future is pending once, and wakes at once.
pub(crate) fn pending_once() -> impl Inner<Infallible> {
    service_fn(|request: Request<AxumBody>| async move {
        let mut is_first = true;
        std::future::poll_fn(|cx| {
            if std::mem::take(&mut is_first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        drop(request);
        Ok(json())
    })
}

fn panicking() -> impl Inner<Infallible> {
    service_fn(|request: Request<AxumBody>| async move {
        assert!(request.uri().path().is_empty(), "a bug");
        Ok(json())
    })
}

fn ready() -> impl Inner<Infallible> {
    answering(json)
}

// ===== ours =====

/// `count` origins of the same length; the last is the one that asks.
fn origins(count: usize) -> Vec<String> {
    (0..count).rev().map(|n| format!("https://tenant-{n:04}.example.com")).collect()
}

fn policy(count: usize) -> CorsPolicy {
    CorsPolicy::builder(origins(count)).build().unwrap()
}

fn guard() -> MethodGuardLayer {
    MethodGuardLayer::new([Method::GET, Method::POST])
}

fn public_url() -> PublicUrl {
    PUBLIC_URL.parse().unwrap()
}

/// The whole contract, every layer at work.
pub(crate) fn contract(origins: usize) -> ContractLayer {
    ContractLayer::new(policy(origins))
        .public_url(public_url())
        .methods(guard())
        .timeout(TimeoutLayer::new(LIMIT))
}

// ===== the peers =====

fn peer_cors() -> CorsLayer {
    CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers([header::AUTHORIZATION, header::ORIGIN])
        .allow_credentials(true)
}

pub(crate) fn peer_cors_one() -> CorsLayer {
    peer_cors().allow_origin(HeaderValue::from_static(ORIGIN))
}

fn peer_cors_list(count: usize) -> CorsLayer {
    let origins = origins(count).into_iter();
    let origins: Vec<_> = origins.map(|origin| HeaderValue::try_from(origin).unwrap()).collect();
    for origin in &origins {
        // The first clone of a value makes its reference count: not in the measured request.
        drop(origin.clone());
    }
    peer_cors().allow_origin(origins)
}

pub(crate) fn peer_timeout() -> PeerTimeoutLayer {
    PeerTimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, LIMIT)
}

pub(crate) fn peer_header(
    name: &'static str,
    value: &'static str,
) -> SetResponseHeaderLayer<HeaderValue> {
    let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
    SetResponseHeaderLayer::overriding(name, value)
}

/// It adds the CORS headers of an actual response, catches panics and limits time. No envelope, no
/// method check, no fixed headers.
pub(crate) fn lean_peer<S: Inner<Infallible>>(
    cors: CorsLayer,
    inner: S,
) -> impl Service<Request<AxumBody>, Response = Response<impl Body>, Error = Infallible> + Clone {
    ServiceBuilder::new()
        .layer(cors)
        .layer(CatchPanicLayer::new())
        .layer(peer_timeout())
        .service(inner)
}

/// The lean peer, the other mandatory headers, and a middleware that renders the envelope.
pub(crate) fn equal_work_peer<S: Inner<Infallible>>(
    inner: S,
) -> impl Service<
    Request<AxumBody>,
    Response = Response<impl Body<Data = Bytes, Error: Into<BoxError>> + Send>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ Sync {
    ServiceBuilder::new()
        .layer(peer_cors_one())
        .layer(peer_header("access-control-allow-origins", ORIGIN))
        .layer(peer_header("access-control-allow-headers", "Authorization, Origin"))
        .layer(peer_header("access-control-allow-methods", "GET, POST, OPTIONS"))
        .layer(from_fn(render_envelope))
        .layer(CatchPanicLayer::new())
        .layer(peer_timeout())
        .service(inner)
}

#[derive(Serialize)]
struct PeerEnvelope<'a> {
    http_method: &'a str,
    title: &'a str,
    description: &'a str,
    code: u16,
    uri: String,
}

/// What an axum application writes by hand today.
pub(crate) async fn render_envelope(request: AxumRequest, next: Next) -> AxumResponse {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let text = axum::body::to_bytes(body, 8 * 1024).await.unwrap_or_default();
    let envelope = PeerEnvelope {
        http_method: method.as_str(),
        title: status.canonical_reason().unwrap_or("Error"),
        description: std::str::from_utf8(&text).unwrap_or_default(),
        code: status.as_u16(),
        uri: format!("{PUBLIC_URL}{}", uri.path()),
    };
    let bytes = serde_json::to_vec(&envelope).unwrap_or_default();
    head.headers.remove(header::CONTENT_LENGTH);
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        head.headers.insert(name, HeaderValue::from_static(value));
    }
    AxumResponse::from_parts(head, AxumBody::from(bytes))
}

// ===== the paths =====

/// The bare service above which a path is measured; `None` for one that has none.
pub(crate) fn bare_of(name: &str) -> Option<String> {
    match name.split('/').next()? {
        "origins" => Some("healthy/bare".to_owned()),
        "Layer::layer" => None,
        group => Some(format!("{group}/bare")),
    }
}

/// The paths of the whole stack, beside the peers and the floor.
pub(crate) fn stack() -> Vec<Path> {
    let two = || peer_cors_list(2);
    vec![
        Path::new("healthy/bare", ready(), get),
        Path::new("healthy/ours", contract(1).layer(ready()), get),
        Path::new("healthy/ours, two urls", contract(2).layer(ready()), get),
        Path::new("healthy/lean peer", lean_peer(peer_cors_one(), ready()), get),
        Path::new("healthy/lean peer, two urls", lean_peer(two(), ready()), get),
        Path::new("healthy/equal-work peer", equal_work_peer(ready()), get),
        Path::new("healthy/honest floor", Fused::new(ready(), ORIGIN), get),
        Path::new("pending once/bare", pending_once(), get),
        Path::new("pending once/ours", contract(1).layer(pending_once()), get),
        Path::new("pending once/lean peer", lean_peer(peer_cors_one(), pending_once()), get),
        Path::new("pending once/equal-work peer", equal_work_peer(pending_once()), get),
        Path::new("pending once/honest floor", Fused::new(pending_once(), ORIGIN), get),
    ]
}

/// The same around a service that each request clones.
pub(crate) fn cloned() -> Vec<Path> {
    vec![
        Path::cloned("cloned/bare", ready()),
        Path::cloned("cloned/ours", contract(1).layer(ready())),
        Path::cloned("cloned/lean peer", lean_peer(peer_cors_one(), ready())),
        Path::cloned("cloned/equal-work peer", equal_work_peer(ready())),
        Path::cloned("cloned/honest floor", Fused::new(ready(), ORIGIN)),
    ]
}

/// The paths that end in an error, or without the inner service.
pub(crate) fn errors() -> Vec<Path> {
    let bare = || answering::<Infallible>;
    vec![
        Path::new("404 text/bare", bare()(text_404), get),
        Path::new("404 text/ours", contract(1).layer(bare()(text_404)), get),
        Path::new("404 text/equal-work peer", equal_work_peer(bare()(text_404)), get),
        Path::new("404 typed/bare", bare()(typed_404), get),
        Path::new("404 typed/ours", contract(1).layer(bare()(typed_404)), get),
        Path::new("preflight/ours", contract(1).layer(ready()), preflight),
        Path::new("preflight/lean peer", lean_peer(peer_cors_one(), ready()), preflight),
        Path::new(
            "preflight/ours, no header asked for",
            contract(1).layer(ready()),
            preflight_for_no_header,
        ),
        Path::new(
            "preflight/ours, 400 kB asked for",
            contract(1).layer(ready()),
            preflight_for_commas,
        ),
        Path::new("405/ours", contract(1).layer(ready()), delete),
    ]
}

/// The paths that unwind.
pub(crate) fn panics() -> Vec<Path> {
    vec![
        Path::new("panic/ours", contract(1).layer(panicking()), get),
        Path::new("panic/lean peer", lean_peer(peer_cors_one(), panicking()), get),
        Path::new("panic/equal-work peer", equal_work_peer(panicking()), get),
    ]
}

/// Each layer alone beside its counterpart, around a service that is ready at once.
pub(crate) fn layers() -> Vec<Path> {
    let failing = answering::<BoxError>(json);
    let handle = |_: BoxError| async { StatusCode::INTERNAL_SERVER_ERROR };
    vec![
        Path::new("layer/bare", ready(), get),
        Path::new("layer/CorsContract", CorsContractLayer::new(policy(1)).layer(ready()), get),
        Path::new("layer/CorsContract, peer", peer_cors_one().layer(ready()), get),
        Path::new("layer/ErrorBody", ErrorBodyLayer::new().layer(ready()), get),
        Path::new("layer/ErrorBody, peer", from_fn(render_envelope).layer(ready()), get),
        Path::new("layer/MethodGuard", guard().layer(ready()), get),
        Path::new("layer/PanicToError", PanicToErrorLayer::new().layer(ready()), get),
        Path::new("layer/PanicToError, peer", CatchPanicLayer::new().layer(ready()), get),
        Path::new("layer/CatchError", CatchErrorLayer::new().layer(failing.clone()), get),
        Path::new("layer/CatchError, peer", HandleErrorLayer::new(handle).layer(failing), get),
        Path::new("layer/Timeout", TimeoutLayer::new(LIMIT).layer(ready()), get),
        Path::new("layer/Timeout, peer", peer_timeout().layer(ready()), get),
    ]
}

/// CORS alone, by the number of allowed origins.
pub(crate) fn by_origins() -> Vec<Path> {
    let mut paths = Vec::new();
    for count in ORIGINS {
        let ours = CorsContractLayer::new(policy(count)).layer(ready());
        let peer = peer_cors_list(count).layer(ready());
        paths.push(Path::new(format!("origins/ours/{count}"), ours, get));
        paths.push(Path::new(format!("origins/peer/{count}"), peer, get));
    }
    paths
}

/// `Layer::layer`, by the number of allowed origins.
pub(crate) fn layering() -> Vec<Path> {
    let mut paths = Vec::new();
    for count in [1, 1024] {
        paths.push(Path::layered(
            format!("Layer::layer/CorsContract/{count}"),
            CorsContractLayer::new(policy(count)),
            ready(),
        ));
        paths.push(Path::layered(
            format!("Layer::layer/Contract/{count}"),
            contract(count),
            ready(),
        ));
        paths.push(Path::layered(
            format!("Layer::layer/peer/{count}"),
            peer_cors_list(count),
            ready(),
        ));
    }
    paths
}

/// Ten thousand requests that wait at once.
pub(crate) fn waiting() -> Vec<Path> {
    let lean = lean_peer(peer_cors_one(), pending_once());
    vec![
        Path::waiting("10,000 waiting/bare", pending_once()),
        Path::waiting("10,000 waiting/ours", contract(1).layer(pending_once())),
        Path::waiting("10,000 waiting/lean peer", lean),
        Path::waiting("10,000 waiting/equal-work peer", equal_work_peer(pending_once())),
        Path::waiting("10,000 waiting/honest floor", Fused::new(pending_once(), ORIGIN)),
    ]
}
