//! Puts the contract's CORS headers on every response and answers preflights itself.

mod answer;
mod app_origin;
mod by_path;
mod challenge;
mod lists;
mod live;
mod names;
mod origin;
mod origins;
mod paths;
mod patterns;
mod policy;
mod problem;
mod public;
#[cfg(feature = "tracing")]
mod refused;
mod request;
mod server_urls;
mod source;
#[cfg(feature = "subdomains")]
mod subdomains;
mod write;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

pub(crate) use self::answer::CorsAnswer;
pub use self::{
    answer::{OriginHeader, RequestOrigin},
    by_path::{CorsPathError, CorsPathPolicy, CorsPolicyByPath},
    live::CorsPolicyHandle,
    policy::{CorsPolicy, CorsPolicyBuilder},
    problem::{CorsPolicyError, CorsPolicyProblem, CorsPolicyProblemKind, CorsPolicySetting},
    public::PublicCorsPolicyBuilder,
    source::CorsPolicySource,
};
use crate::short_circuit::{ShortCircuit, instead_of_call};

/// Puts the contract's CORS headers on every response and answers preflights itself.
///
/// # What it promises
///
/// - Every response carries `Access-Control-Allow-Origin` (and the contract's own spelling,
///   `Access-Control-Allow-Origins`), `-Allow-Headers`, `-Allow-Methods` and `-Allow-Credentials:
///   true`, one line each; errors too, so that a page can read them.
/// - The origin is the request's if it has exactly one `Origin` line, byte-equal to a configured
///   one or admitted by a rule of the policy; otherwise it is the first server url, and the browser
///   keeps the foreign page out. A [public](CorsPolicy::public) policy says `*` to everyone, and no
///   `-Allow-Credentials`.
/// - A CORS-preflight request (Fetch, 3.2.2: `OPTIONS` with `Origin` and
///   `Access-Control-Request-Method`) is answered 200 without body and does not reach the service.
/// - `Vary: Origin` on every response if more than one origin is admitted or the policy is live,
///   merged into the `Vary` of the service.
/// - One policy for each request, by its path if the source is [by
///   path](CorsPolicySource::by_path): preflight, 404 and panic of a path follow the same one.
/// - What the service says in `Access-Control-*` fields is removed: the policy is the whole truth.
/// - With feature `tracing`, one event at `debug` for each preflight that a browser will refuse.
///
/// # What it leaves alone
///
/// - Status, body and all other headers. Any other `OPTIONS` request reaches the service.
/// - It authorizes nobody: a client that is no browser ignores CORS, and a foreign page's simple
///   requests reach the service as they would without the layer.
/// - It guards no WebSocket and no form, for which browsers do not ask: see
///   [`origin_of_request`](CorsPolicy::origin_of_request).
/// - `Access-Control-Request-Private-Network` has no answer: browsers ask the user instead.
/// - An `Err` of the service passes, without headers: turn it into a response further in.
///
/// # Where it goes
///
/// Outermost: a page can read only the refusals and errors that are made inside it. Authentication
/// goes inside too, because browsers send no credentials with a preflight.
///
/// One of it: where one layer is around another, the outer one wins and the nested one never acts.
/// A second policy for some paths is one source:
///
/// ```
/// use tower_contract::{CorsContractLayer, CorsPolicy, CorsPolicySource};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = CorsPolicy::builder(["https://app.example.com"]).build()?;
/// let anyone = CorsPolicy::public().build()?;
/// let policies = CorsPolicySource::by_path(app).path("/public/{*rest}", anyone).build()?;
/// let layer = CorsContractLayer::new(policies);
/// # Ok(())
/// # }
/// ```
///
/// # Example
///
/// ```
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_contract::{CorsContractLayer, CorsPolicy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = CorsPolicy::builder(["https://app.example.com"]).build()?;
/// let inner = service_fn(async |_: Request<String>| {
///     Ok::<_, std::convert::Infallible>(Response::new("hello".to_owned()))
/// });
/// let service = CorsContractLayer::new(policy).layer(inner);
///
/// let request = Request::get("/").header("origin", "https://app.example.com");
/// let response = service.clone().oneshot(request.body(String::new())?).await?;
/// assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example.com");
/// assert_eq!(response.headers()["access-control-allow-credentials"], "true");
/// assert_eq!(response.body(), "hello");
///
/// let preflight = Request::options("/")
///     .header("origin", "https://app.example.com")
///     .header("access-control-request-method", "POST");
/// let response = service.oneshot(preflight.body(String::new())?).await?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.headers()["access-control-allow-methods"], "GET, POST, OPTIONS");
/// assert_eq!(response.body(), "");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "CorsLayer")]
#[derive(Clone, Debug)]
#[must_use]
pub struct CorsContractLayer {
    pub(crate) policy: CorsPolicySource,
}

/// The service that puts the contract's CORS headers on every response.
#[derive(Clone, Debug)]
pub struct CorsContract<S> {
    inner: S,
    policy: CorsPolicySource,
}

pin_project! {
    /// The service's response, or the answer to a preflight, with the contract's headers.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: ShortCircuit<F, Preflight>,
        answer: CorsAnswer,
    }
}

// ===== impl CorsContractLayer =====

impl CorsContractLayer {
    /// Creates a layer that follows this [`CorsPolicy`], or the one that a [`CorsPolicyHandle`] has
    /// when a request comes.
    pub fn new(policy: impl Into<CorsPolicySource>) -> Self {
        Self { policy: policy.into() }
    }
}

impl<S> Layer<S> for CorsContractLayer {
    type Service = CorsContract<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CorsContract { inner, policy: self.policy.clone() }
    }
}

// ===== impl CorsContract =====

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CorsContract<S>
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
        let answer = self.policy.decide_to_keep(&request);
        if answer.is_preflight() {
            instead_of_call(&mut self.inner, request);
            ResponseFuture { inner: ShortCircuit::decided(Preflight), answer }
        } else {
            ResponseFuture { inner: ShortCircuit::inner(self.inner.call(request)), answer }
        }
    }
}

// ===== impl ResponseFuture =====

impl<F, ResBody, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ResBody: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut output = this.inner.poll(cx);
        if let Poll::Ready(Ok(response)) = &mut output {
            if let Some(lines) = this.answer.kept() {
                let status = response.status();
                lines.write(this.answer, status, response.headers_mut());
            }
        }
        output
    }
}

/// The answer to a CORS-preflight request, to which the contract's lines are still to be written:
/// 200, as for every success of the contract, and no body.
#[derive(Debug)]
struct Preflight;

impl<B: Default> From<Preflight> for Response<B> {
    fn from(Preflight: Preflight) -> Self {
        Self::new(B::default())
    }
}
