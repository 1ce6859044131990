//! Answers 500 when the service panics, and breaks a response whose body panics.

mod guarded_body;
mod report;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use self::report::OnPanic;
pub use self::{
    guarded_body::GuardedBody,
    report::{PanicPlace, PanicReport},
};
pub(crate) use self::{
    guarded_body::{guarded_is_end_stream, guarded_size_hint},
    report::{PanicReporter, report, tell},
};
use crate::{
    api_error::{ApiError, Cause},
    unwind::{Hook, Panic, catch},
};

/// Answers 500 when the service panics, and breaks a response whose body panics.
///
/// # What it promises
///
/// A panic in the service's `call`, in a poll of its future or in `poll_ready` becomes 500: one
/// in `poll_ready` is kept, and the next `call` answers it. A panic in a poll of the response
/// body ends the body with a [`BodyError`](crate::BodyError), never with a clean end: the peer
/// sees a broken message, not a complete-looking short one. A `size_hint` that panics is
/// unknown, an `is_end_stream` that panics is `false`. A panic in the drop of the future or of
/// the body is contained, and a healthy answer is never lost to it. Other requests on the
/// connection go on.
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
            Ok(Ok(response)) => Ok(response.map(|body| GuardedBody::new(body, reporter))),
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

/// 500: "an unexpected error occurred (for instance, a runtime exception)".
const PANICKED: ApiError = ApiError::internal().with_cause(Cause::Panic);
