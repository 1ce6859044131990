//! Answers 500 when the service panics, and breaks a response whose body panics.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
    report::{Level, is_recorded},
    request_head::{RequestHead, method_text},
    unwind::{Hook, Panic, Panicked, catch},
};

/// Answers 500 when the service panics, and breaks a response whose body panics.
///
/// # What it promises
///
/// A panic in the service's `call`, in a poll of its future or in `poll_ready` becomes 500: one in
/// `poll_ready` is kept, and the next `call` answers it. A panic in a poll of the response body
/// ends the body with a [`BodyError`], never with a clean end: the peer sees a broken message, not
/// a complete-looking short one. A `size_hint` that panics is unknown, an `is_end_stream` that
/// panics is `false`. A panic in the drop of the future or of the body is contained, and a healthy
/// answer is never lost to it. Other requests on the connection go on.
///
/// The panic's message goes to [`on_panic`](PanicToErrorLayer::on_panic) and, as the source of the
/// [`ApiError`], to the layer that writes the error body: escaped, at most 1 KiB, never to the
/// client. Panics that end in no response, in bodies and in drops, leave an event of this layer's
/// own; of a body that panics whenever it is asked for its length, one.
///
/// # What it leaves alone
///
/// The panic hook of the process: it prints before anything is caught. A panic of a hook or of a
/// format, and of the drop of an error that the service returned, is contained and leaves an event,
/// but is told to no hook. Two panics in one frame, a stack overflow and `panic = "abort"` end the process. State that a panic left half
/// changed: a poisoned mutex stays poisoned.
///
/// # Where it goes
///
/// Outside everything that runs the application's code, inside the layer that writes the error
/// body.
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
#[doc(alias("CatchPanic", "CatchPanicLayer"))]
#[derive(Clone, Debug)]
#[must_use]
pub struct PanicToErrorLayer {
    pub(crate) on_panic: Hook<OnPanic>,
    pub(crate) answer: PanicAnswer,
}

/// The service that answers 500 when the one inside panics.
#[derive(Debug)]
pub struct PanicToError<S> {
    inner: S,
    on_panic: Hook<OnPanic>,
    answer: PanicAnswer,
    /// A panic of `poll_ready`, answered by the next `call`.
    kept: Option<Box<ApiError>>,
}

pin_project! {
    /// The service's response with its body guarded, or 500 after a panic.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Inner<F>,
        reporter: Option<Box<PanicReporter>>,
        answer: PanicAnswer,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            end(this.inner, this.reporter.as_deref());
        }
    }
}

pin_project! {
    #[project = InnerProj]
    #[derive(Debug)]
    enum Inner<F> {
        Called { #[pin] future: F },
        // In `poll_ready` or `call`: answered by the first poll.
        Panicked { error: Box<ApiError> },
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

    impl<B> PinnedDrop for GuardedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Err(panic) = catch(|| this.inner.set(None)) {
                PanicReporter::report(this.reporter.as_deref(), &panic, PanicPlace::Drop);
            }
        }
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
    /// File, line and column; `None` unless the process has installed
    /// [`panic_hook`](crate::panic_hook), and for a panic that ran no hook.
    pub location: Option<&'a str>,
}

/// What was running when the service panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicPlace {
    /// `Service::poll_ready`: the next request on it has got 500.
    Ready,
    /// `Service::call`: the client has got 500.
    Call,
    /// The service's future, an async handler: the client has got 500.
    Future,
    /// The response body: the client has got the head, and then a broken body; or the body was asked
    /// for its length or its end, and the client's answer is not touched by it.
    Body,
    /// The drop of the future or of the body: the client's answer is not touched by it.
    Drop,
}

pub(crate) type OnPanic = dyn Fn(&PanicReport<'_>) + Send + Sync;

/// Who is told of a panic, and of which request; made only where someone is.
#[derive(Debug)]
pub(crate) struct PanicReporter {
    pub(crate) on_panic: Hook<OnPanic>,
    pub(crate) head: RequestHead,
    /// Whether a panic of a hint was told: servers ask for hints again and again.
    is_hint_told: AtomicBool,
}

// ===== the decision =====

/// The error that a panic becomes; `None` is the built-in one.
#[derive(Clone, Debug)]
pub(crate) struct PanicAnswer(Option<Arc<ApiError>>);

impl PanicAnswer {
    /// The error that a panic becomes; what it said is the source.
    #[cold]
    pub(crate) fn error_of(&self, panic: &Panic) -> ApiError {
        self.error().with_source(panic.told())
    }

    /// The same without a source.
    pub(crate) fn error(&self) -> ApiError {
        self.0.as_deref().cloned().unwrap_or(PANICKED)
    }
}

// ===== impl PanicToErrorLayer =====

impl PanicToErrorLayer {
    /// Creates a layer that tells no hook of panics.
    pub const fn new() -> Self {
        Self { on_panic: Hook::NONE, answer: PanicAnswer(None) }
    }

    /// Answers a panic with this error instead of the 500.
    ///
    /// Its cause becomes [`Cause::Panic`], its source what the panic said.
    ///
    /// ```
    /// use tower_contract::{ApiError, PanicToErrorLayer};
    ///
    /// let layer =
    ///     PanicToErrorLayer::new().answer(ApiError::internal().with_member("reason", "PANIC"));
    /// # let _ = layer;
    /// ```
    pub fn answer(mut self, error: ApiError) -> Self {
        self.answer = PanicAnswer(Some(Arc::new(error.with_cause(Cause::Panic))));
        self
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
        let (on_panic, answer) = (self.on_panic.clone(), self.answer.clone());
        PanicToError { inner, on_panic, answer, kept: None }
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
        if self.kept.is_some() {
            return Poll::Ready(Ok(()));
        }
        catch(|| self.inner.poll_ready(cx)).unwrap_or_else(|panic| {
            self.kept = Some(Box::new(self.answer.error_of(&panic)));
            Poll::Ready(Ok(()))
        })
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let reporter = PanicReporter::over(&request, &self.on_panic);
        if let Some(error) = self.kept.take() {
            PanicReporter::tell(reporter.as_deref(), &error, PanicPlace::Ready);
            if let Err(panic) = catch(|| drop(request)) {
                PanicReporter::report(reporter.as_deref(), &panic, PanicPlace::Drop);
            }
            let answer = PanicAnswer(None);
            return ResponseFuture { inner: Inner::Panicked { error }, reporter: None, answer };
        }
        let inner = match catch(|| self.inner.call(request)) {
            Ok(future) => Inner::Called { future },
            Err(panic) => {
                let error = Box::new(self.answer.error_of(&panic));
                PanicReporter::tell(reporter.as_deref(), &error, PanicPlace::Call);
                Inner::Panicked { error }
            }
        };
        ResponseFuture { inner, reporter, answer: self.answer.clone() }
    }
}

/// A clone starts with nothing kept: the panic was of this one's readiness.
impl<S: Clone> Clone for PanicToError<S> {
    fn clone(&self) -> Self {
        let (on_panic, answer) = (self.on_panic.clone(), self.answer.clone());
        Self { inner: self.inner.clone(), on_panic, answer, kept: None }
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
        let outcome = match this.inner.as_mut().project() {
            InnerProj::Called { future } => match catch(|| future.poll(cx)) {
                Ok(poll) => Ok(ready!(poll)),
                Err(panic) => Err(this.answer.error_of(&panic)),
            },
            InnerProj::Panicked { error } => {
                let error = ApiError::clone(error);
                this.inner.set(Inner::Ended);
                return Poll::Ready(Ok(error.into_http()));
            }
            InnerProj::Ended => return Poll::Pending,
        };
        let reporter = this.reporter.take();
        match &outcome {
            Err(error) => PanicReporter::tell(reporter.as_deref(), error, PanicPlace::Future),
            // A panic in the drop of what took too long: its answer is a 503 all the same.
            Ok(Ok(response)) if reporter.is_some() => {
                let late =
                    ApiError::of(response).filter(|error| ApiError::cause(error) == Cause::Timeout);
                if let Some(error) = late {
                    PanicReporter::tell(reporter.as_deref(), error, PanicPlace::Drop);
                }
            }
            Ok(_) => {}
        }
        end(this.inner, reporter.as_deref());
        Poll::Ready(match outcome {
            Ok(Ok(response)) => {
                Ok(response.map(|body| GuardedBody { inner: Some(body), reporter }))
            }
            Ok(Err(error)) => Err(error),
            Err(error) => Ok(error.into_http()),
        })
    }
}

/// Drops what is left of the service's future; a panic in its drop is told, and changes no answer.
fn end<F>(mut inner: Pin<&mut Inner<F>>, reporter: Option<&PanicReporter>) {
    if let Err(panic) = catch(|| inner.set(Inner::Ended)) {
        PanicReporter::report(reporter, &panic, PanicPlace::Drop);
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
        let failure = match catch(|| inner.poll_frame(cx)) {
            Ok(poll) => match ready!(poll) {
                // What an error becomes is the application's code too.
                Some(Err(error)) => catch(|| BodyError::inner(error)),
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                None => return Poll::Ready(None),
            },
            Err(panic) => Err(panic),
        };
        let error = match failure {
            Ok(mut error) => {
                if let Some(panicked) = error.take_dropped() {
                    let reporter = this.reporter.as_deref();
                    PanicReporter::report_told(reporter, &panicked, PanicPlace::Drop);
                }
                error
            }
            Err(panic) => {
                PanicReporter::report(this.reporter.as_deref(), &panic, PanicPlace::Body);
                BodyError::PANIC
            }
        };
        // Who has panicked or failed is not polled again.
        if let Err(panic) = catch(|| this.inner.set(None)) {
            PanicReporter::report(this.reporter.as_deref(), &panic, PanicPlace::Drop);
        }
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        let reporter = self.reporter.as_deref();
        self.inner.as_ref().is_none_or(|body| guarded_is_end_stream(body, reporter))
    }

    fn size_hint(&self) -> SizeHint {
        let (ended, reporter) = (SizeHint::with_exact(0), self.reporter.as_deref());
        self.inner.as_ref().map_or(ended, |body| guarded_size_hint(body, reporter))
    }
}

/// Whether a body has ended; one that panics when asked has not.
pub(crate) fn guarded_is_end_stream(body: &impl Body, reporter: Option<&PanicReporter>) -> bool {
    catch(|| body.is_end_stream()).unwrap_or_else(|panic| {
        PanicReporter::report_hint(reporter, &panic);
        false
    })
}

/// How long a body is; unknown of one that panics when asked.
pub(crate) fn guarded_size_hint(body: &impl Body, reporter: Option<&PanicReporter>) -> SizeHint {
    catch(|| body.size_hint()).unwrap_or_else(|panic| {
        PanicReporter::report_hint(reporter, &panic);
        SizeHint::default()
    })
}

// ===== impl PanicReporter =====

impl PanicReporter {
    /// Who is told of panics of `request`; `None` where nobody is, at no cost.
    #[inline]
    fn over<B>(request: &Request<B>, on_panic: &Hook<OnPanic>) -> Option<Box<Self>> {
        Self::is_needed(on_panic).then(|| Self::boxed(on_panic, RequestHead::of(request)))
    }

    #[inline]
    pub(crate) fn is_needed(on_panic: &Hook<OnPanic>) -> bool {
        on_panic.is_set() || is_recorded(Level::Error)
    }

    #[cold]
    fn boxed(on_panic: &Hook<OnPanic>, head: RequestHead) -> Box<Self> {
        Box::new(Self::new(on_panic, head))
    }

    pub(crate) fn new(on_panic: &Hook<OnPanic>, head: RequestHead) -> Self {
        Self { on_panic: on_panic.clone(), head, is_hint_told: AtomicBool::new(false) }
    }

    /// Tells the hook of a panic that became `error`, as [`tell`].
    fn tell(reporter: Option<&Self>, error: &ApiError, place: PanicPlace) {
        if let Some(Self { on_panic, head, .. }) = reporter {
            tell(on_panic, head, error, place);
        }
    }

    /// Tells hook and event of a panic that ends in no response, as [`report`].
    pub(crate) fn report(reporter: Option<&Self>, panic: &Panic, place: PanicPlace) {
        if reporter.is_some() {
            Self::report_told(reporter, &panic.told(), place);
        }
    }

    /// As [`report`](Self::report), of the first panic of a body that was asked for its length or
    /// its end.
    #[cold]
    fn report_hint(reporter: Option<&Self>, panic: &Panic) {
        if reporter.is_some_and(|reporter| !reporter.is_hint_told.swap(true, Ordering::Relaxed)) {
            Self::report(reporter, panic, PanicPlace::Body);
        }
    }

    /// As [`report`](Self::report), of a panic that a layer inside has caught.
    pub(crate) fn report_told(reporter: Option<&Self>, panicked: &Panicked, place: PanicPlace) {
        if let Some(Self { on_panic, head, .. }) = reporter {
            report(on_panic, head, panicked, place);
        }
    }
}

/// Tells the hook of a panic that became `error`; the event is that of the error response.
pub(crate) fn tell(
    on_panic: &Hook<OnPanic>,
    head: &RequestHead,
    error: &ApiError,
    place: PanicPlace,
) {
    let Some(panicked) = error.source().and_then(|source| source.downcast_ref::<Panicked>()) else {
        return;
    };
    on_panic.run(|hook| {
        let uri = head.report_uri();
        let (uri, message) = (uri.as_str(), &*panicked.message);
        let location = panicked.location.as_deref();
        hook(&PanicReport { method: head.method(), uri, message, place, location });
    });
}

/// Tells hook and event of a panic that ends in no response.
#[cold]
pub(crate) fn report(
    on_panic: &Hook<OnPanic>,
    head: &RequestHead,
    panicked: &Panicked,
    place: PanicPlace,
) {
    let uri = head.report_uri();
    let report = PanicReport {
        method: head.method(),
        uri: uri.as_str(),
        message: &panicked.message,
        place,
        location: panicked.location.as_deref(),
    };
    // A subscriber that panics hurts nobody.
    #[cfg(feature = "tracing")]
    let _ = catch(|| report.record());
    on_panic.run(|hook| hook(&report));
}

#[cfg(feature = "tracing")]
impl PanicReport<'_> {
    fn record(&self) {
        let Self { method, uri, message, place, location } = self;
        let method = method_text(method);
        tracing::error!(method, uri, panic = message, ?place, location, "panic");
    }
}

/// One line for a log: `GET /x panicked (future): the message`.
impl fmt::Display for PanicReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, uri, message, place, .. } = self;
        let method = method_text(method);
        write!(f, "{method} {uri} panicked ({place}): {message}")?;
        self.location.map_or(Ok(()), |location| write!(f, " ({location})"))
    }
}

impl fmt::Display for PanicPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Call => "call",
            Self::Future => "future",
            Self::Body => "body",
            Self::Drop => "drop",
        })
    }
}

/// 500: "an unexpected error occurred (for instance, a runtime exception)".
const PANICKED: ApiError = ApiError::internal().with_cause(Cause::Panic);
