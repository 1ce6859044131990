//! Breaks a response body that takes too long.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    body::{BodyError, BoxError},
    clock::deadline_after,
    protocol::client_timeout,
    unwind::catch,
};

/// Breaks a response body that takes too long: in all, or between two frames.
///
/// # What it promises
///
/// A body that passes a limit ends with a [`BodyError`] that [`is_timeout`](BodyError::is_timeout),
/// never with a clean end: the client sees a broken message and not a complete-looking short one.
/// The service's body is dropped in the same poll. [`total`](Self::total) is the time from the
/// response's head to the body's end, [`between_frames`](Self::between_frames) how long the body
/// may be pending before its next frame. An end or trailers that are ready when the limit passes
/// win.
///
/// A call of gRPC, gRPC-Web or Connect may tell how long its client waits (`grpc-timeout`,
/// `connect-timeout-ms`), from the request on: that is a limit too, and shortens `total`.
///
/// Size hint, end and trailers pass through. One timer serves both limits, and is allocated when
/// the body is first pending; of a body that is always ready only `total` asks, for the time.
///
/// # What it leaves alone
///
/// The time to the response's head, which is [`TimeoutLayer`](crate::TimeoutLayer)'s. What the
/// client does: a body is only looked at when the server wants to send more, so one that waits for
/// a client that reads nothing is broken when the client reads on. `total` counts a slow client's
/// time, `between_frames` does not. Protocols that take over the connection, after a 101, have no
/// body.
///
/// # Where it goes
///
/// Around the service, inside `PanicToError`; [`ContractLayer::body_timeout`] puts it there. It
/// needs tokio's timer: outside of a runtime with time enabled, a pending body panics.
///
/// [`ContractLayer::body_timeout`]: crate::ContractLayer::body_timeout
///
/// # Example
///
/// ```
/// use std::{convert::Infallible, time::Duration};
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Channel};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_contract::BodyTimeoutLayer;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let limit = BodyTimeoutLayer::new().between_frames(Duration::from_millis(10));
/// let service = limit.layer(service_fn(async |request: Request<()>| {
///     let (mut sender, body) = Channel::<Bytes>::new(1);
///     tokio::spawn(async move {
///         let _ = sender.send_data("begun".into()).await;
///         if request.uri().path() == "/hangs" {
///             tokio::time::sleep(Duration::from_secs(60)).await;
///         }
///     });
///     Ok::<_, Infallible>(Response::new(body))
/// }));
/// let ask = |path| Request::builder().uri(path).body(()).unwrap();
///
/// let healthy = service.clone().oneshot(ask("/")).await.unwrap();
/// assert_eq!(healthy.into_body().collect().await.unwrap().to_bytes(), "begun");
///
/// let hangs = service.oneshot(ask("/hangs")).await.unwrap();
/// let error = hangs.into_body().collect().await.unwrap_err();
/// assert!(error.is_timeout());
/// # }
/// ```
#[doc(alias = "ResponseBodyTimeoutLayer")]
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct BodyTimeoutLayer {
    limits: Limits,
}

/// The service that breaks the bodies of the one inside when they take too long.
#[derive(Clone, Debug)]
pub struct BodyTimeout<S> {
    inner: S,
    limits: BodyTimeoutLayer,
}

pin_project! {
    /// The service's response, its body under the limits.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        limits: BodyTimeoutLayer,
        client_deadline: Option<Instant>,
    }
}

pin_project! {
    /// The service's body; it ends with an error where it takes too long.
    ///
    /// It is `Default` (empty) whatever `B` is; it is Send, Sync and Unpin where `B` is.
    #[derive(Debug)]
    pub struct TimedBody<B> {
        // `None`: empty, or ended by an error.
        #[pin]
        inner: Option<B>,
        clock: BodyClock,
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    total: Option<Duration>,
    between_frames: Option<Duration>,
}

// ===== the decision =====

/// The deadlines of one body, and the timer that waits for them.
#[derive(Debug, Default)]
pub(crate) struct BodyClock {
    between_frames: Option<Duration>,
    /// Of the whole body.
    deadline: Option<Instant>,
    /// Of the next frame; `None` until the body is pending.
    frame_deadline: Option<Instant>,
    /// In a box, made when the body is first pending: a body that is Unpin stays so.
    timer: Option<Pin<Box<Sleep>>>,
}

impl BodyClock {
    /// Whether the body is over its time, now that polling it gave `polled`. Where it is not and is
    /// pending, the task is woken when it will be.
    ///
    /// An end, trailers and an error of the body's own are never too late.
    pub(crate) fn is_over<D, E>(
        &mut self,
        polled: &Poll<Option<Result<Frame<D>, E>>>,
        cx: &mut Context<'_>,
    ) -> bool {
        match polled {
            Poll::Pending => self.poll_passed(cx).is_ready(),
            Poll::Ready(Some(Ok(frame))) => {
                self.frame_deadline = None;
                !frame.is_trailers() && self.deadline.is_some_and(|end| end <= Instant::now())
            }
            Poll::Ready(Some(Err(_)) | None) => false,
        }
    }

    /// Ready once the body, which is pending, has passed one of its deadlines.
    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.frame_deadline.is_none() {
            self.frame_deadline = self.between_frames.and_then(deadline_after);
        }
        let Some(deadline) = earlier(self.deadline, self.frame_deadline) else {
            return Poll::Pending;
        };
        while deadline > Instant::now() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.is_elapsed() {
                // It was set for an earlier frame.
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
        }
        Poll::Ready(())
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// When the client of a call gives up; `None` where it does not tell.
pub(crate) fn client_deadline<B>(request: &Request<B>) -> Option<Instant> {
    client_timeout(request).and_then(deadline_after)
}

// ===== impl BodyTimeoutLayer =====

impl BodyTimeoutLayer {
    /// Creates a layer whose only limit is the one that the client of a call tells.
    pub const fn new() -> Self {
        Self { limits: Limits { total: None, between_frames: None } }
    }

    /// Sets how long the whole body may take, from the response's head on. `Duration::MAX` never
    /// passes.
    pub const fn total(mut self, limit: Duration) -> Self {
        self.limits.total = Some(limit);
        self
    }

    /// Sets how long the body may be pending before its next frame or its end.
    pub const fn between_frames(mut self, limit: Duration) -> Self {
        self.limits.between_frames = Some(limit);
        self
    }

    /// Starts the clock of a body whose head is there.
    pub(crate) fn start(self, client_deadline: Option<Instant>) -> BodyClock {
        BodyClock {
            between_frames: self.limits.between_frames,
            deadline: earlier(self.limits.total.and_then(deadline_after), client_deadline),
            frame_deadline: None,
            timer: None,
        }
    }
}

/// A limit for the whole body.
impl From<Duration> for BodyTimeoutLayer {
    fn from(total: Duration) -> Self {
        Self::new().total(total)
    }
}

impl<S> Layer<S> for BodyTimeoutLayer {
    type Service = BodyTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BodyTimeout { inner, limits: *self }
    }
}

// ===== impl BodyTimeout =====

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for BodyTimeout<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<TimedBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let client_deadline = client_deadline(&request);
        ResponseFuture { inner: self.inner.call(request), limits: self.limits, client_deadline }
    }
}

// ===== impl ResponseFuture =====

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<TimedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let clock = this.limits.start(*this.client_deadline);
        Poll::Ready(Ok(response.map(|body| TimedBody { inner: Some(body), clock })))
    }
}

// ===== impl TimedBody =====

impl<B> Default for TimedBody<B> {
    fn default() -> Self {
        Self { inner: None, clock: BodyClock::default() }
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BodyError>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let polled = inner.poll_frame(cx);
        let mut error = BodyError::TIMEOUT;
        if !this.clock.is_over(&polled, cx) {
            match ready!(polled) {
                Some(Err(own)) => error = BodyError::inner(own),
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                None => return Poll::Ready(None),
            }
        }
        // Who has failed or is late is not polled again.
        if let Err(panic) = catch(|| this.inner.set(None)) {
            error = error.dropped_with(&panic);
        }
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
