//! Answers 503 when the service takes too long to begin its response.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderValue, Request, Response, header::RETRY_AFTER, request::Parts};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    api_error::{ApiError, Cause},
    clock::{Clock, deadline_after},
    protocol::client_timeout,
    unwind::{Panic, catch},
};

/// Answers 503 when the service takes too long to begin its response.
///
/// # What it promises
///
/// The clock starts in `call` and ends with the response's head. A response that is ready when the
/// clock fires wins. When the limit has passed, the service's future is dropped before the answer
/// is returned: 503, or [another error](TimeoutLayer::answer), with `Retry-After` if configured
/// (RFC 9110, 10.2.3). The timer is registered only once the service is pending; a limit of zero
/// refuses unless the response is ready at once; one too long for the clock, as `Duration::MAX`,
/// never fires.
///
/// A call of gRPC, gRPC-Web or Connect may tell how long its client waits (`grpc-timeout`,
/// `connect-timeout-ms`): that shortens the limit, and never lengthens it. Where a limit chosen
/// [for each request](TimeoutLayer::per_request) is `None`, it is the limit. Without this layer it
/// is not read.
///
/// # What it leaves alone
///
/// The bodies: a slow upload counts against the limit, a slow download does not; a stream of gRPC
/// has no deadline. The wait for readiness, before `call`. A service that blocks its thread: no
/// timer fires until it yields; use `spawn_blocking`. Work that the service has spawned goes on
/// after its future is dropped.
///
/// # Where it goes
///
/// Innermost, so that only the service's own time counts. It needs tokio's timer: outside of a
/// tokio runtime with time enabled, a pending service panics.
///
/// # Example
///
/// ```
/// use std::{convert::Infallible, time::Duration};
///
/// use http::{Request, Response, StatusCode};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_contract::TimeoutLayer;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let limit = TimeoutLayer::new(Duration::from_millis(10)).retry_after(Duration::from_secs(5));
/// let service = ServiceBuilder::new().layer(limit).service(service_fn(
///     async |request: Request<()>| {
///         if request.uri().path() == "/slow" {
///             tokio::time::sleep(Duration::from_secs(60)).await;
///         }
///         Ok::<_, Infallible>(Response::new(String::from("done")))
///     },
/// ));
/// let ask = |path| Request::builder().uri(path).body(()).unwrap();
///
/// let healthy = service.clone().oneshot(ask("/")).await.unwrap();
/// assert_eq!(healthy.body(), "done");
///
/// let refused = service.oneshot(ask("/slow")).await.unwrap();
/// assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
/// assert_eq!(refused.headers()["retry-after"], "5");
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TimeoutLayer {
    pub(crate) settings: Arc<Settings>,
}

/// The service that answers 503 when the one inside takes too long.
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    settings: Arc<Settings>,
}

pin_project! {
    /// The service's response, or 503 when the limit has passed.
    pub struct ResponseFuture<F> {
        // `None` once it has answered or was given up.
        #[pin]
        inner: Option<F>,
        #[pin]
        clock: Clock,
        settings: Arc<Settings>,
    }
}

/// How long a request may take, and what a refused one is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) limit: Limit,
    answer: ApiError,
    retry_after: Option<HeaderValue>,
}

#[derive(Clone)]
pub(crate) enum Limit {
    None,
    Same(Duration),
    PerRequest(Arc<LimitOf>),
}

pub(crate) type LimitOf = dyn Fn(&Parts) -> Option<Duration> + Send + Sync;

// ===== impl TimeoutLayer =====

impl TimeoutLayer {
    /// Creates a layer with the same limit for every request, from `call` on. A later response is
    /// 503, unless [`answer`](Self::answer) says otherwise. `Duration::MAX` never passes.
    pub fn new(limit: Duration) -> Self {
        Self::with(Limit::Same(limit))
    }

    /// Creates a layer that asks for the limit of each request by its head; `None` means none.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_contract::TimeoutLayer;
    ///
    /// // Exports may take a minute, all else two seconds.
    /// let layer = TimeoutLayer::per_request(|head| {
    ///     let export = head.uri.path().starts_with("/export");
    ///     Some(Duration::from_secs(if export { 60 } else { 2 }))
    /// });
    /// # let _ = layer;
    /// ```
    pub fn per_request<L>(limit: L) -> Self
    where
        L: Fn(&Parts) -> Option<Duration> + Send + Sync + 'static,
    {
        Self::with(Limit::PerRequest(Arc::new(limit)))
    }

    /// No limit at all.
    pub(crate) fn unlimited() -> Self {
        Self::with(Limit::None)
    }

    fn with(limit: Limit) -> Self {
        Self { settings: Arc::new(Settings { limit, answer: EXPIRED, retry_after: None }) }
    }

    /// Answers with this error instead of the 503, a gateway for example with 504.
    ///
    /// Its cause becomes [`Cause::Timeout`]. A `Retry-After` of its own wins over that of
    /// [`retry_after`](Self::retry_after).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_contract::{ApiError, TimeoutLayer};
    ///
    /// let late = ApiError::gateway_timeout().with_member("reason", "UPSTREAM_TIMEOUT");
    /// let layer = TimeoutLayer::new(Duration::from_secs(2)).answer(late);
    /// # let _ = layer;
    /// ```
    pub fn answer(mut self, error: ApiError) -> Self {
        Arc::make_mut(&mut self.settings).answer = error.with_cause(Cause::Timeout);
        self
    }

    /// Sends `Retry-After` with the 503: whole seconds, rounded up, at least 1. Not sent by
    /// default, because some intermediaries then repeat a POST. A page reads it where the CORS
    /// policy exposes it: `expose_headers(["Retry-After"])`.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0)).max(1);
        Arc::make_mut(&mut self.settings).retry_after = Some(HeaderValue::from(seconds));
        self
    }
}

// ===== the decision =====

impl Settings {
    /// When the service's time for `request`, which begins now, is over, by the limit `own` that was
    /// set for it. The client of an rpc can only shorten it; without any limit its own is not read.
    #[inline]
    pub(crate) fn deadline<B>(
        &self,
        own: Option<Duration>,
        request: &Request<B>,
        may_be_rpc: bool,
    ) -> Option<Instant> {
        let limit = match self.limit {
            Limit::None => None,
            _ if may_be_rpc => own.into_iter().chain(client_timeout(request)).min(),
            _ => own,
        };
        limit.and_then(deadline_after)
    }

    /// The answer to a request whose limit has passed; a panic in the drop of the service's future
    /// is its source, and takes nothing of the answer.
    #[cold]
    pub(crate) fn refuse<B: Default>(&self, dropped: Option<&Panic>) -> Response<B> {
        let mut error = self.answer.clone();
        if let Some(panic) = dropped {
            error = error.with_source(panic.told());
        }
        let mut response = error.into_http();
        if let Some(delay) = &self.retry_after {
            let own = response.headers_mut().try_entry(RETRY_AFTER);
            let _ = own.map(|own| own.or_insert_with(|| delay.clone()));
        }
        response
    }
}

/// What `limit_of` says of the request's head, and the request again.
#[cold]
pub(crate) fn chosen_limit<B>(
    limit_of: &LimitOf,
    request: Request<B>,
) -> (Option<Duration>, Request<B>) {
    let (parts, body) = request.into_parts();
    (limit_of(&parts), Request::from_parts(parts, body))
}

/// A layer with the same limit for every request.
impl From<Duration> for TimeoutLayer {
    fn from(limit: Duration) -> Self {
        Self::new(limit)
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout { inner, settings: Arc::clone(&self.settings) }
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Same(limit) => limit.fmt(f),
            Self::PerRequest(_) => f.write_str("per request"),
        }
    }
}

// ===== impl Timeout =====

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Timeout<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let own = match &self.settings.limit {
            Limit::None => None,
            Limit::Same(limit) => Some(*limit),
            Limit::PerRequest(limit_of) => {
                let (own, asked) = chosen_limit(limit_of.as_ref(), request);
                request = asked;
                own
            }
        };
        let clock = Clock::until(self.settings.deadline(own, &request, true));
        ResponseFuture {
            inner: Some(self.inner.call(request)),
            clock,
            settings: Arc::clone(&self.settings),
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
        let mut this = self.project();
        // The response first: work that is done is never thrown away.
        if let Some(inner) = this.inner.as_mut().as_pin_mut() {
            if let Poll::Ready(output) = inner.poll(cx) {
                this.clock.set(Clock::Off);
                return Poll::Ready(output);
            }
        }
        ready!(this.clock.as_mut().poll_passed(cx));
        this.clock.set(Clock::Off);
        let dropped = catch(|| this.inner.set(None)).err();
        Poll::Ready(Ok(this.settings.refuse(dropped.as_ref())))
    }
}

impl<F: fmt::Debug> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ResponseFuture");
        debug.field("inner", &self.inner).field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// 503: "the application is unable to process the given request", in time.
const EXPIRED: ApiError = ApiError::unavailable().with_cause(Cause::Timeout);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_rounded_up_and_at_least_one() {
        for (delay, expected) in [
            (Duration::ZERO, "1"),
            (Duration::from_millis(1), "1"),
            (Duration::from_millis(1001), "2"),
            (Duration::from_secs(30), "30"),
            (Duration::MAX, "18446744073709551615"),
        ] {
            let layer = TimeoutLayer::unlimited().retry_after(delay);
            assert_eq!(layer.settings.retry_after.as_ref().unwrap(), expected);
        }
    }
}
