//! Refuses a request whose method the resource does not support.

mod resources;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response, StatusCode, header::ALLOW};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

pub use self::resources::MethodGuardError;
pub(crate) use self::resources::{Refusal, Resources};
use crate::{
    api_error::{ApiError, Cause},
    short_circuit::{ShortCircuit, instead_of_call},
};

/// Refuses a request whose method the resource does not support.
///
/// # What it promises
///
/// A registered method that is not listed is answered 405, one that no registry knows 501 (RFC
/// 9110, 9.1), each with `Allow` (10.2.1): the methods in the order given, HEAD directly after GET.
/// HEAD is allowed wherever GET is. Method tokens are case-sensitive. A refused request never
/// reaches the service, and the readiness that it had reserved is given back.
///
/// # What it leaves alone
///
/// A path that [`by_path`](MethodGuardLayer::by_path) does not list: the service answers 404
/// itself. OPTIONS goes to the service where it is listed, unless
/// [`answer_options`](MethodGuardLayer::answer_options) is on. `X-HTTP-Method-Override` is never
/// read: the method is the one on the wire. The content of a refused request is not read: over
/// HTTP/1.1 the connection then closes after the answer.
///
/// # Where it goes
///
/// Inside CORS, which answers preflights (they ask for a method and are none of its business) and
/// lets a page read the refusal; outside what costs something.
///
/// # Example
///
/// ```
/// use http::{Method, Request, Response, StatusCode};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_contract::MethodGuardLayer;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(MethodGuardLayer::new([Method::GET, Method::POST]))
///     .service(service_fn(async |_: Request<()>| {
///         Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
///     }));
/// let ask = |method| Request::builder().method(method).body(()).unwrap();
///
/// let healthy = service.clone().oneshot(ask("GET")).await.unwrap();
/// assert_eq!(healthy.body(), "hello");
///
/// let refused = service.oneshot(ask("DELETE")).await.unwrap();
/// assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
/// assert_eq!(refused.headers()["allow"], "GET, HEAD, POST");
/// # }
/// ```
#[doc(alias = "MethodNotAllowed")]
#[derive(Clone, Debug)]
#[must_use]
pub struct MethodGuardLayer {
    pub(crate) resources: Arc<Resources>,
}

/// The service that refuses unsupported methods.
#[derive(Clone, Debug)]
pub struct MethodGuard<S> {
    inner: S,
    resources: Arc<Resources>,
}

/// The resources of a service and their methods, while they are listed.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct MethodGuardBuilder {
    routes: Vec<(String, Vec<Method>)>,
}

pin_project! {
    /// The service's response, or the refusal.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: ShortCircuit<F, Refusal>,
    }
}

// ===== impl MethodGuardLayer =====

impl MethodGuardLayer {
    /// Creates a layer for a service that supports `methods` at every path.
    pub fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        Self { resources: Arc::new(Resources::whole(methods)) }
    }

    /// Creates a layer for a service whose resources support different methods.
    ///
    /// Patterns are those of axum 0.8: `/recordings/{id}`, `/media/{*rest}`. They are matched
    /// against the path that this layer sees: inside `nest`, the rest of it.
    ///
    /// ```
    /// use http::Method;
    /// use tower_contract::MethodGuardLayer;
    ///
    /// let layer = MethodGuardLayer::by_path([
    ///     ("/recordings", vec![Method::GET]),
    ///     ("/recordings/{id}", vec![Method::GET, Method::DELETE]),
    /// ])?;
    /// # let _ = layer;
    ///
    /// let error = MethodGuardLayer::by_path([("/{a", [Method::GET]), ("/{b", [Method::GET])]);
    /// assert_eq!(error.unwrap_err().problems().len(), 2);
    /// # Ok::<(), tower_contract::MethodGuardError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Lists every pattern that is malformed (an unclosed or unnamed parameter, two in one segment,
    /// a catch-all before the end, `:id` for `{id}`, no leading `/`) or that conflicts with an
    /// earlier one.
    pub fn by_path<P, M>(routes: impl IntoIterator<Item = (P, M)>) -> Result<Self, MethodGuardError>
    where
        P: Into<String>,
        M: IntoIterator<Item = Method>,
    {
        Ok(Self { resources: Arc::new(Resources::by_path(routes)?) })
    }

    /// Starts a list of resources that support different methods: as [`by_path`](Self::by_path),
    /// for lists of unequal length.
    ///
    /// ```
    /// use http::Method;
    /// use tower_contract::MethodGuardLayer;
    ///
    /// let layer = MethodGuardLayer::resources()
    ///     .path("/echo", [Method::GET, Method::POST])
    ///     .path("/recordings/{id}", [Method::GET])
    ///     .build()?;
    /// # let _ = layer;
    ///
    /// let error = MethodGuardLayer::resources().path("/{a", []).path("b", []).build();
    /// assert_eq!(error.unwrap_err().problems().len(), 2);
    /// # Ok::<(), tower_contract::MethodGuardError>(())
    /// ```
    pub fn resources() -> MethodGuardBuilder {
        MethodGuardBuilder { routes: Vec::new() }
    }

    /// A service that answers every method itself.
    pub(crate) fn any() -> Self {
        Self { resources: Arc::new(Resources::Any) }
    }

    /// Answers plain OPTIONS with 200 and `Allow`, `OPTIONS *` with that of the whole service.
    ///
    /// OPTIONS then stands last in `Allow`. A CORS preflight is answered by the CORS layer outside.
    pub fn answer_options(mut self) -> Self {
        Arc::make_mut(&mut self.resources).answer_options();
        self
    }
}

impl MethodGuardBuilder {
    /// Adds the resources at `pattern`, which support `methods`.
    pub fn path(
        mut self,
        pattern: impl Into<String>,
        methods: impl IntoIterator<Item = Method>,
    ) -> Self {
        self.routes.push((pattern.into(), methods.into_iter().collect()));
        self
    }

    /// Makes the layer.
    ///
    /// # Errors
    ///
    /// Lists every pattern that cannot be used, as [`MethodGuardLayer::by_path`] does.
    pub fn build(self) -> Result<MethodGuardLayer, MethodGuardError> {
        MethodGuardLayer::by_path(self.routes)
    }
}

/// A layer for a whole service that supports these methods.
impl<I: IntoIterator<Item = Method>> From<I> for MethodGuardLayer {
    fn from(methods: I) -> Self {
        Self::new(methods)
    }
}

impl<S> Layer<S> for MethodGuardLayer {
    type Service = MethodGuard<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MethodGuard { inner, resources: Arc::clone(&self.resources) }
    }
}

// ===== impl MethodGuard =====

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for MethodGuard<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.resources.refusal(&request) {
            None => ResponseFuture { inner: ShortCircuit::inner(self.inner.call(request)) },
            Some(refusal) => {
                instead_of_call(&mut self.inner, request);
                ResponseFuture { inner: ShortCircuit::decided(refusal) }
            }
        }
    }
}

// ===== impl ResponseFuture =====

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}

impl<B: Default> From<Refusal> for Response<B> {
    fn from(refusal: Refusal) -> Self {
        let (mut response, allow) = match refusal {
            Refusal::NotAllowed(allow) => (NOT_ALLOWED.into_http(), allow),
            Refusal::NotImplemented(allow) => (NOT_IMPLEMENTED.into_http(), allow),
            Refusal::Options(allow) => (Response::new(B::default()), allow),
        };
        let _ = response.headers_mut().try_insert(ALLOW, allow);
        response
    }
}

/// 405: the method is one that HTTP knows; the resource does not support it (RFC 9110, 15.5.6).
const NOT_ALLOWED: ApiError = ApiError::method_not_allowed().with_cause(Cause::Method);

/// 501: the method is one that nobody registered (RFC 9110, 15.6.2).
const NOT_IMPLEMENTED: ApiError =
    ApiError::new(StatusCode::NOT_IMPLEMENTED).with_cause(Cause::Method);
