//! All layers in the right order: the whole contract in one `layer` call.

mod body;
mod future;
mod service;

use std::sync::Arc;

use tower_layer::Layer;

pub use self::{body::ContractBody, future::ResponseFuture, service::Contract};
use crate::{
    body_timeout::BodyTimeoutLayer,
    catch_error::CatchErrorLayer,
    cors::{CorsContractLayer, CorsPolicySource},
    error_body::{ErrorBodyLayer, PublicUrl},
    format::{EnvelopeFormat, ErrorFormat},
    method_guard::MethodGuardLayer,
    panic_to_error::PanicToErrorLayer,
    report::ErrorReport,
    timeout::TimeoutLayer,
};

/// The whole contract: every response has the CORS headers, every error the envelope.
///
/// # What it promises
///
/// All that its six layers promise, in the one order in which they keep the contract; [the
/// walk](crate#the-walk) draws it. The service that it makes is one service with one future and one
/// body, and its error type is `Infallible`. A healthy response is not boxed, buffered or copied,
/// and nothing is allocated for it but the growth of its own header map.
///
/// # What it leaves alone
///
/// Without [`methods`](Self::methods) every method reaches the service; without
/// [`timeout`](Self::timeout) there is no limit, not even one that a client tells. What no layer
/// can cover is [in the guide](crate::guide::limits).
///
/// # Where it goes
///
/// Under `axum::Router::layer`, after every route, merge and fallback; around a whole Router; or
/// around any other `tower` service of `http::Request` whose body has `Data = Bytes`. Outside it
/// belongs what must see the finished answer: compression, access logs, tracing.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_contract::{ContractLayer, CorsPolicy};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let policy = CorsPolicy::builder(["https://app.example.com"]).build().unwrap();
/// let service = ServiceBuilder::new()
///     .layer(ContractLayer::new(policy).timeout(Duration::from_secs(2)))
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
#[doc(alias("CorsLayer", "CatchPanic", "HandleError"))]
#[derive(Clone, Debug)]
#[must_use]
pub struct ContractLayer<F = EnvelopeFormat> {
    layers: Arc<Layers<F>>,
}

/// What was configured, outermost layer first. It stands behind one reference count.
#[derive(Clone, Debug)]
pub(crate) struct Layers<F> {
    cors: CorsContractLayer,
    error_body: ErrorBodyLayer<F>,
    methods: MethodGuardLayer,
    panics: PanicToErrorLayer,
    service_errors: CatchErrorLayer,
    timeout: TimeoutLayer,
    body_timeout: Option<BodyTimeoutLayer>,
}

impl<S, F> Layer<S> for ContractLayer<F> {
    type Service = Contract<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Contract::new(inner, Arc::clone(&self.layers))
    }
}

// ===== impl ContractLayer =====

impl ContractLayer {
    /// Creates the stack with the defaults of all its layers, and this policy, a handle through
    /// which it is replaced, or a source that chooses by path.
    pub fn new(policy: impl Into<CorsPolicySource>) -> Self {
        let layers = Layers {
            cors: CorsContractLayer::new(policy),
            error_body: ErrorBodyLayer::new(),
            methods: MethodGuardLayer::any(),
            panics: PanicToErrorLayer::new(),
            service_errors: CatchErrorLayer::new(),
            timeout: TimeoutLayer::unlimited(),
            body_timeout: None,
        };
        Self { layers: Arc::new(layers) }
    }
}

impl<F: Clone> ContractLayer<F> {
    /// Refuses methods that are not supported: a list of methods for the whole service, or a
    /// [`MethodGuardLayer`]. The list has values of [`http::Method`], not texts, unlike a CORS
    /// policy: `.methods([Method::GET, Method::POST])`.
    pub fn methods(self, methods: impl Into<MethodGuardLayer>) -> Self {
        self.with(|layers| layers.methods = methods.into())
    }

    /// Limits the time until the response's head: a `Duration`, or a [`TimeoutLayer`]. A later
    /// response is 503. Without this there is no limit. The wait for readiness is not counted.
    pub fn timeout(self, timeout: impl Into<TimeoutLayer>) -> Self {
        self.with(|layers| layers.timeout = timeout.into())
    }

    /// Limits the time of the service's response bodies: a `Duration` for the whole body, or a
    /// [`BodyTimeoutLayer`].
    ///
    /// A body that takes longer ends with an error, and never with a clean end; the stream of an
    /// rpc ends with its protocol's word for a deadline. Without this no body has a limit; with it
    /// each response that passes needs one allocation for its body's clock.
    pub fn body_timeout(self, limits: impl Into<BodyTimeoutLayer>) -> Self {
        self.with(|layers| layers.body_timeout = Some(limits.into()))
    }

    /// Changes what happens with panics: a hook, or what is answered.
    ///
    /// `change` gets the layer that is there, as each of these setters that take a closure, so that
    /// no order of calls loses a setting.
    pub fn panics(self, change: impl FnOnce(PanicToErrorLayer) -> PanicToErrorLayer) -> Self {
        self.with(|layers| layers.panics = change(layers.panics.clone()))
    }

    /// Changes how errors of the service are classified and answered; see [`CatchErrorLayer`].
    pub fn service_errors(self, change: impl FnOnce(CatchErrorLayer) -> CatchErrorLayer) -> Self {
        self.with(|layers| layers.service_errors = change(layers.service_errors.clone()))
    }

    /// Changes how error bodies are written, what of the service's own is kept, and who is told.
    pub fn error_body<G>(
        self,
        change: impl FnOnce(ErrorBodyLayer<F>) -> ErrorBodyLayer<G>,
    ) -> ContractLayer<G> {
        let Layers { cors, error_body, methods, panics, service_errors, timeout, body_timeout } =
            Arc::unwrap_or_clone(self.layers);
        let error_body = change(error_body);
        let layers =
            Layers { cors, error_body, methods, panics, service_errors, timeout, body_timeout };
        ContractLayer { layers: Arc::new(layers) }
    }

    /// Makes `uri` absolute: short for [`ErrorBodyLayer::public_url`].
    pub fn public_url(self, url: PublicUrl) -> Self {
        self.error_body(|layer| layer.public_url(url))
    }

    /// Writes error bodies in this format: short for [`ErrorBodyLayer::format`].
    pub fn format<G: ErrorFormat>(self, format: G) -> ContractLayer<G> {
        self.error_body(|layer| layer.format(format))
    }

    /// Calls `hook` for each error response: short for [`ErrorBodyLayer::on_error`].
    pub fn on_error<H>(self, hook: H) -> Self
    where
        H: Fn(&ErrorReport<'_>) + Send + Sync + 'static,
    {
        self.error_body(|layer| layer.on_error(hook))
    }

    fn with(mut self, change: impl FnOnce(&mut Layers<F>)) -> Self {
        change(Arc::make_mut(&mut self.layers));
        self
    }
}
