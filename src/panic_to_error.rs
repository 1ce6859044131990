//! Answers 500 when the service panics, and breaks a response whose body panics.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    api_error::{ApiError, Cause},
    body::{BodyError, BoxError},
    request_head::{RequestHead, method_text},
    unwind::{Hook, Panic, catch},
};

/// Answers 500 when the service panics, and breaks a response whose body panics.
///
/// # What it promises
///
/// A panic in the service's `call` or in a poll of its future becomes 500. A panic in a poll of the
/// response body ends the body with a [`BodyError`], never with a clean end: the peer sees a broken
/// message, not a complete-looking short one. Other requests on the connection go on. The panic's
/// message goes to [`on_panic`](PanicToErrorLayer::on_panic) and to the event, escaped, at most
/// 1 KiB; never to the client.
///
/// # What it leaves alone
///
/// The panic hook of the process: it prints before anything is caught. Panics in `poll_ready`, in a
/// drop of the future or body, in `size_hint` and `is_end_stream`. Two panics at once, a stack
/// overflow and `panic = "abort"` end the process. State that a panic left half changed: a poisoned
/// mutex stays poisoned.
///
/// # Where it goes
///
/// Outside everything that runs the application's code, inside the layer that writes the error body.
///
/// # Example
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_contract::PanicToErrorLayer;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(PanicToErrorLayer::new().on_panic(|panic| eprintln!("{panic}")))
///     .service(service_fn(async |request: Request<()>| {
///         assert_ne!(request.uri().path(), "/panic", "no such luck");
///         Ok::<_, std::convert::Infallible>(Response::new(Full::<bytes::Bytes>::from("hello")))
///     }));
/// let ask = |path| Request::builder().uri(path).body(()).unwrap();
///
/// let healthy = service.clone().oneshot(ask("/")).await.unwrap();
/// assert_eq!(healthy.status(), StatusCode::OK);
///
/// let broken = service.oneshot(ask("/panic")).await.unwrap();
/// assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PanicToErrorLayer {
    on_panic: Hook<OnPanic>,
}

/// The service that answers 500 when the one inside panics.
#[derive(Clone, Debug)]
pub struct PanicToError<S> {
    inner: S,
    on_panic: Hook<OnPanic>,
}

pin_project! {
    /// The service's response with its body guarded, or 500 after a panic.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Inner<F>,
        reporter: Option<Box<PanicReporter>>,
    }
}

pin_project! {
    #[project = InnerProj]
    #[derive(Debug)]
    enum Inner<F> {
        Called { #[pin] future: F },
        // In `call`: answered by the first poll.
        Panicked,
        Ended,
    }
}

pin_project! {
    /// The service's body; a panic in it is an error of the body.
    ///
    /// It is `Default` (empty) whatever `B` is; it is Send, Sync and Unpin where `B` is.
    #[derive(Debug)]
    pub struct GuardedBody<B> {
        // `None`: empty, or ended by an error.
        #[pin]
        inner: Option<B>,
        reporter: Option<Box<PanicReporter>>,
    }
}

/// A panic, as [`PanicToErrorLayer::on_panic`] is told of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PanicReport<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// The path of the request, percent-encoded, without the query.
    pub uri: &'a str,
    /// What the panic said: escaped, on one line, at most 1 KiB.
    pub message: &'a str,
    /// What was running.
    pub place: PanicPlace,
}

/// What was running when the service panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicPlace {
    /// `Service::call`: the client has got 500.
    Call,
    /// The service's future, an async handler: the client has got 500.
    Future,
    /// The response body: the client has got the head, and then a broken body.
    Body,
}

type OnPanic = dyn Fn(&PanicReport<'_>) + Send + Sync;

/// Who is told of a panic, and of which request; made only where someone is.
#[derive(Clone, Debug)]
struct PanicReporter {
    on_panic: Hook<OnPanic>,
    head: RequestHead,
}

// ===== impl PanicToErrorLayer =====

impl PanicToErrorLayer {
    /// Without a hook, the process's panic hook and the event are the only trace of a panic.
    pub const fn new() -> Self {
        Self { on_panic: Hook::NONE }
    }

    /// Calls `hook` for each panic, before the client is answered. A panic in it is swallowed.
    pub fn on_panic<H>(mut self, hook: H) -> Self
    where
        H: Fn(&PanicReport<'_>) + Send + Sync + 'static,
    {
        self.on_panic = Hook::new(Arc::new(hook));
        self
    }
}

impl Default for PanicToErrorLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for PanicToErrorLayer {
    type Service = PanicToError<S>;

    fn layer(&self, inner: S) -> Self::Service {
        PanicToError { inner, on_panic: self.on_panic.clone() }
    }
}

// ===== impl PanicToError =====

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for PanicToError<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<GuardedBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let reporter = PanicReporter::over(&request, &self.on_panic);
        match catch(|| self.inner.call(request)) {
            Ok(future) => ResponseFuture { inner: Inner::Called { future }, reporter },
            Err(panic) => {
                PanicReporter::report(reporter.as_deref(), &panic, PanicPlace::Call);
                ResponseFuture { inner: Inner::Panicked, reporter: None }
            }
        }
    }
}

// ===== impl ResponseFuture =====

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<GuardedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = match this.inner.as_mut().project() {
            InnerProj::Called { future } => future,
            InnerProj::Ended => return Poll::Pending,
            InnerProj::Panicked => {
                this.inner.set(Inner::Ended);
                return Poll::Ready(Ok(PANICKED.into_http()));
            }
        };
        match catch(|| future.poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Err(error))) => {
                this.inner.set(Inner::Ended);
                Poll::Ready(Err(error))
            }
            Ok(Poll::Ready(Ok(response))) => {
                this.inner.set(Inner::Ended);
                let reporter = this.reporter.take();
                Poll::Ready(Ok(response.map(|body| GuardedBody { inner: Some(body), reporter })))
            }
            Err(panic) => {
                PanicReporter::report(this.reporter.as_deref(), &panic, PanicPlace::Future);
                this.inner.set(Inner::Ended);
                Poll::Ready(Ok(PANICKED.into_http()))
            }
        }
    }
}

// ===== impl GuardedBody =====

impl<B> Default for GuardedBody<B> {
    fn default() -> Self {
        Self { inner: None, reporter: None }
    }
}

impl<B> Body for GuardedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let error = match catch(|| inner.poll_frame(cx)) {
            Ok(poll) => match ready!(poll) {
                Some(Err(error)) => BodyError::inner(error),
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                None => return Poll::Ready(None),
            },
            Err(panic) => {
                PanicReporter::report(this.reporter.as_deref(), &panic, PanicPlace::Body);
                BodyError::PANIC
            }
        };
        // Who has panicked or failed is not polled again.
        this.inner.set(None);
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

// ===== impl PanicReporter =====

impl PanicReporter {
    fn over<B>(request: &Request<B>, on_panic: &Hook<OnPanic>) -> Option<Box<Self>> {
        let head = RequestHead::for_report(request, on_panic.is_set())?;
        Some(Box::new(Self { on_panic: on_panic.clone(), head: *head }))
    }

    fn report(reporter: Option<&Self>, panic: &Panic, place: PanicPlace) {
        let Some(Self { on_panic, head }) = reporter else {
            return;
        };
        let (uri, message) = (head.report_uri(), panic.message());
        let report =
            PanicReport { method: head.method(), uri: uri.as_str(), message: &message, place };
        #[cfg(feature = "tracing")]
        report.record();
        on_panic.run(|hook| hook(&report));
    }
}

#[cfg(feature = "tracing")]
impl PanicReport<'_> {
    fn record(&self) {
        let Self { method, uri, message, place } = self;
        let method = method_text(method);
        tracing::error!(method, uri, message, ?place, "panic");
    }
}

/// One line for a log: `GET /x panicked (future): the message`.
impl fmt::Display for PanicReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, uri, message, place } = self;
        let method = method_text(method);
        write!(f, "{method} {uri} panicked ({place}): {message}")
    }
}

impl fmt::Display for PanicPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Call => "call",
            Self::Future => "future",
            Self::Body => "body",
        })
    }
}

/// 500: "an unexpected error occurred (for instance, a runtime exception)".
const PANICKED: ApiError = ApiError::internal().with_cause(Cause::Panic);
