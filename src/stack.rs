//! All layers in the right order: the whole contract in one `layer` call.
//!
//! The order is written here, once:
//!
//! ```text
//!  request                                                                     response
//!     ▼                                                                            ▲
//!  1  CorsContract    classifies: not CORS | preflight | actual                    │  12  the contract's headers, whatever the outcome
//!     │  preflight ─────────────────────────────── 200 ───────────────────────────►┤
//!  2  ErrorBody       remembers method and uri                                     │  11  status >= 400: writes the envelope; else passes the body on
//!  3  MethodGuard     is this method supported?                                    │  10
//!     │  no ────────────────────────────────────── 405 + Allow + ApiError ────────►┤
//!  4  PanicToError    enters catch_unwind                                          │   9  a panic: 500 + ApiError; guards the body
//!  5  CatchError      lets readiness errors wait                                   │   8  an Err: 500 / 502 / 503 / 413 + ApiError
//!  6  Timeout         starts the clock                                             │   7  the response first, then the clock: 503 + ApiError
//!     ▼                                                                            │
//!     the service ────────────── a response, or ApiError::into_http() ─────────────┘
//! ```

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    body::ResponseBody,
    catch_error::{CatchError, CatchErrorLayer},
    cors::{CorsContract, CorsContractLayer, CorsPolicySource},
    error_body::{ErrorBody, ErrorBodyLayer, PublicUrl},
    format::{EnvelopeFormat, ErrorFormat},
    method_guard::{MethodGuard, MethodGuardLayer},
    panic_to_error::{PanicToError, PanicToErrorLayer},
    timeout::{Timeout, TimeoutLayer},
};

/// The whole contract: every response has the CORS headers, every error the envelope.
///
/// Without [`methods`](Self::methods) every method reaches the service; without
/// [`timeout`](Self::timeout) there is no limit, not even one that a client tells. The error type of the service that it makes is
/// `Infallible`.
///
/// # Where it goes
///
/// Under `axum::Router::layer`, around a whole Router, or around any other `tower` service of
/// `http::Request` whose body has `Data = Bytes`. Outside it belongs what must see the finished
/// answer: compression, access logs, tracing.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_contract::{ContractLayer, CorsPolicy, TimeoutLayer};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let policy = CorsPolicy::builder(["https://app.example.com"]).build().unwrap();
/// let service = ServiceBuilder::new()
///     .layer(ContractLayer::new(policy).timeout(TimeoutLayer::new(Duration::from_secs(2))))
///     .service(service_fn(async |request: Request<()>| {
///         assert_eq!(request.uri().path(), "/", "a bug that only /bug meets");
///         Ok::<_, std::convert::Infallible>(Response::new(Full::<bytes::Bytes>::from("hello")))
///     }));
/// let ask = |path| Request::builder().uri(path).body(()).unwrap();
///
/// let healthy = service.clone().oneshot(ask("/")).await.unwrap();
/// assert_eq!(healthy.status(), StatusCode::OK);
/// assert_eq!(healthy.headers()["access-control-allow-origin"], "https://app.example.com");
///
/// let broken = service.oneshot(ask("/bug")).await.unwrap();
/// assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// assert_eq!(broken.headers()["access-control-allow-origin"], "https://app.example.com");
/// assert_eq!(broken.headers()["content-type"], "application/json");
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ContractLayer<F = EnvelopeFormat> {
    cors: CorsContractLayer,
    error_body: ErrorBodyLayer<F>,
    methods: MethodGuardLayer,
    panics: PanicToErrorLayer,
    service_errors: CatchErrorLayer,
    timeout: TimeoutLayer,
}

/// The service that [`ContractLayer`] makes around `S`, outermost layer first.
pub type Contract<S, F = EnvelopeFormat> =
    CorsContract<ErrorBody<MethodGuard<PanicToError<CatchError<Timeout<AnyBody<S>>>>>, F>>;

impl<S, F> Layer<S> for ContractLayer<F> {
    type Service = Contract<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        let service = self.timeout.layer(AnyBody { inner });
        let service = self.service_errors.layer(service);
        let service = self.panics.layer(service);
        let service = self.methods.layer(service);
        let service = self.error_body.layer(service);
        self.cors.layer(service)
    }
}

// ===== impl ContractLayer =====

impl ContractLayer {
    /// All layers with their defaults, and this policy, or a handle through which it is replaced.
    pub fn new(policy: impl Into<CorsPolicySource>) -> Self {
        Self {
            cors: CorsContractLayer::new(policy),
            error_body: ErrorBodyLayer::new(),
            methods: MethodGuardLayer::any(),
            panics: PanicToErrorLayer::new(),
            service_errors: CatchErrorLayer::new(),
            timeout: TimeoutLayer::unlimited(),
        }
    }
}

impl<F: Clone> ContractLayer<F> {
    /// Refuses methods that are not supported.
    pub fn methods(self, methods: MethodGuardLayer) -> Self {
        Self { methods, ..self }
    }

    /// Limits the time until the response's head.
    pub fn timeout(self, timeout: TimeoutLayer) -> Self {
        Self { timeout, ..self }
    }

    /// Watches panics.
    pub fn panics(self, panics: PanicToErrorLayer) -> Self {
        Self { panics, ..self }
    }

    /// Classifies and watches errors of the service.
    pub fn service_errors(self, service_errors: CatchErrorLayer) -> Self {
        Self { service_errors, ..self }
    }

    /// Writes error bodies in this way.
    pub fn error_body<G>(self, error_body: ErrorBodyLayer<G>) -> ContractLayer<G> {
        let Self { cors, methods, panics, service_errors, timeout, error_body: _ } = self;
        ContractLayer { cors, error_body, methods, panics, service_errors, timeout }
    }

    /// Makes `uri` absolute: short for [`ErrorBodyLayer::public_url`].
    pub fn public_url(self, url: PublicUrl) -> Self {
        Self { error_body: self.error_body.public_url(url), ..self }
    }

    /// Writes error bodies in this format: short for [`ErrorBodyLayer::format`].
    pub fn format<G: ErrorFormat>(self, format: G) -> ContractLayer<G> {
        let error_body = self.error_body.clone().format(format);
        self.error_body(error_body)
    }
}

// ===== AnyBody =====

/// Makes the body `Default`, as the layers that answer by themselves ask, whatever it was.
#[derive(Clone, Debug)]
pub struct AnyBody<S> {
    inner: S,
}

pin_project! {
    /// The service's response, its body in a type that has an empty value.
    #[derive(Debug)]
    pub struct AnyBodyFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for AnyBody<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = AnyBodyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        AnyBodyFuture { inner: self.inner.call(request) }
    }
}

impl<F, B, E> Future for AnyBodyFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = self.project().inner.poll(cx);
        output.map_ok(|response| response.map(ResponseBody::inner))
    }
}
