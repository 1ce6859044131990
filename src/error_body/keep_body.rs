//! Error responses that keep the body that they have.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{rewrite::is_error, settings::KeepIf};
use crate::{api_error::ApiError, request_head::RequestHead, unwind::Hook};

/// A response extension: this response keeps the body that it has, whatever its status.
///
/// It is for errors that are meant: readiness with its checks, `invalid_grant` of a token endpoint,
/// a page for people, or what a proxy relays. All else still applies to the response: the headers
/// of the CORS layer, the time limit, and what becomes of a panic. It is told at the level debug.
///
/// ```
/// # use http::{Response, StatusCode};
/// use tower_contract::KeepBody;
///
/// let mut relayed = Response::new("<html>..</html>");
/// *relayed.status_mut() = StatusCode::BAD_GATEWAY;
/// relayed.extensions_mut().insert(KeepBody);
/// ```
///
/// With feature `axum` it is a part of a response:
///
/// ```
/// use axum::{Json, http::StatusCode, response::IntoResponse};
/// use serde_json::json;
/// use tower_contract::KeepBody;
///
/// async fn ready() -> impl IntoResponse {
///     let checks = json!({"status": "down", "checks": {"db": "unreachable"}});
///     (StatusCode::SERVICE_UNAVAILABLE, KeepBody, Json(checks))
/// }
/// # let _ = ready;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepBody;

/// Makes the error responses of one service keep the bodies that they have.
///
/// # What it promises
///
/// Each error response of the service inside gets the extension [`KeepBody`].
///
/// # What it leaves alone
///
/// Other responses, and those that report an [`ApiError`]: they have no body of their own, and get
/// their envelope. Errors of layers outside of it, such as a panic, get their envelope too.
///
/// # Where it goes
///
/// Around the route or the service whose bodies are meant, inside of the contract.
///
/// # Example
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use http_body_util::{BodyExt, Full};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_contract::{ErrorBodyLayer, KeepBodyLayer};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(ErrorBodyLayer::new())
///     .layer(KeepBodyLayer::new())
///     .service(service_fn(async |request: Request<()>| {
///         let mut response = Response::new(Full::<bytes::Bytes>::from("up"));
///         if request.uri().path() == "/ready" {
///             *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
///             *response.body_mut() = Full::from(r#"{"db":"unreachable"}"#);
///         }
///         Ok::<_, std::convert::Infallible>(response)
///     }));
/// let ask = |path| Request::builder().uri(path).body(()).unwrap();
///
/// let healthy = service.clone().oneshot(ask("/")).await.unwrap();
/// assert_eq!(healthy.into_body().collect().await.unwrap().to_bytes(), "up");
///
/// let down = service.oneshot(ask("/ready")).await.unwrap();
/// assert_eq!(down.status(), StatusCode::SERVICE_UNAVAILABLE);
/// let content = down.into_body().collect().await.unwrap().to_bytes();
/// assert_eq!(content, r#"{"db":"unreachable"}"#);
/// # }
/// ```
///
/// In axum: `route("/ready", get(ready).layer(KeepBodyLayer::new()))`.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct KeepBodyLayer {
    _private: (),
}

/// The service whose error responses keep their bodies.
#[derive(Clone, Copy, Debug)]
pub struct KeepBodies<S> {
    inner: S,
}

pin_project! {
    /// The service's response, marked if it is an error of its own.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
    }
}

// ===== the decision =====

/// Marks an error response that has a body of its own.
fn mark<B>(response: &mut Response<B>) {
    if is_error(response.status()) && ApiError::of(response).is_none() {
        response.extensions_mut().insert(KeepBody);
    }
}

/// Whether the application's rule keeps the body of this error response.
pub(super) fn keeps<B>(
    keep_if: &Hook<KeepIf>,
    request: &RequestHead,
    response: &mut Response<B>,
) -> bool {
    if !keep_if.is_set() {
        return false;
    }
    // The rule reads a whole head, which a response lends only in parts.
    let (mut head, ()) = Response::new(()).into_parts();
    (head.status, head.version) = (response.status(), response.version());
    head.headers = mem::take(response.headers_mut());
    head.extensions = mem::take(response.extensions_mut());
    let keeps = keep_if.run(|keep| keep(request.method(), request.path(), &head));
    *response.headers_mut() = head.headers;
    *response.extensions_mut() = head.extensions;
    keeps.unwrap_or(false)
}

// ===== impl KeepBodyLayer =====

impl KeepBodyLayer {
    /// Creates a layer that keeps the error bodies of what is inside. An error that reports an
    /// [`ApiError`] has none, and gets the envelope.
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for KeepBodyLayer {
    type Service = KeepBodies<S>;

    fn layer(&self, inner: S) -> Self::Service {
        KeepBodies { inner }
    }
}

// ===== impl KeepBodies =====

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for KeepBodies<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        ResponseFuture { inner: self.inner.call(request) }
    }
}

// ===== impl ResponseFuture =====

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = ready!(self.project().inner.poll(cx))?;
        mark(&mut response);
        Poll::Ready(Ok(response))
    }
}

// ===== in axum =====

#[cfg(feature = "axum")]
impl axum::response::IntoResponseParts for KeepBody {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut parts: axum::response::ResponseParts,
    ) -> Result<axum::response::ResponseParts, Self::Error> {
        parts.extensions_mut().insert(self);
        Ok(parts)
    }
}
