//! Answers 500, 502, 503 or 413 when the service fails with an `Err`.

mod classify;

use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use self::classify::{Known, UNKNOWN, classify};
use crate::{
    api_error::{ApiError, Cause},
    body::BoxError,
    unwind::{Hook, catch},
};

/// Answers 500, 502, 503 or 413 when the service fails with an `Err`.
///
/// # What it promises
///
/// The error type becomes `Infallible`. The error and its sources, at most 16 deep, decide the
/// status: an [`ApiError`] is sent as it is; tower's and tokio's `Elapsed`, tower's `Overloaded`
/// and (feature `buffer`) a closed buffer are 503; `LengthLimitError` is 413; an `io::Error` of a
/// connection and (feature `hyper`) errors of hyper and of hyper-util's client are 502; anything
/// else is 500. The error itself becomes the source of the [`ApiError`]: the layer that writes the
/// error body tells it to the people who run the service, and nothing of it reaches the client.
///
/// An error of `poll_ready` is answered too: it is kept, the service counts as ready, and the next
/// `call` takes it. Backpressure stays: a pending service is pending.
///
/// # What it leaves alone
///
/// Responses, whatever their status, and errors of bodies. It tells nobody: without an
/// [`ErrorBodyLayer`](crate::ErrorBodyLayer) outside, an error leaves no event. A service that is
/// broken for good (a closed buffer) stays so: each request is answered 503.
///
/// # Where it goes
///
/// Directly around the services that can fail, inside the layer that writes the error body.
///
/// # Example
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
/// use tower_contract::CatchErrorLayer;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(CatchErrorLayer::new())
///     .service(service_fn(async |request: Request<()>| match request.uri().path() {
///         "/" => Ok(Response::new(String::from("hello"))),
///         _ => Err(BoxError::from("the database password is wrong")),
///     }));
/// let ask = |path| Request::builder().uri(path).body(()).unwrap();
///
/// let healthy = service.clone().oneshot(ask("/")).await.unwrap();
/// assert_eq!(healthy.body(), "hello");
///
/// let failed = service.oneshot(ask("/fail")).await.unwrap();
/// assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// assert_eq!(failed.body(), "");
/// # }
/// ```
#[doc(alias("HandleError", "HandleErrorLayer"))]
#[derive(Clone, Debug)]
#[must_use]
pub struct CatchErrorLayer {
    pub(crate) settings: Arc<Settings>,
}

/// The service that never fails: an `Err` of the one inside is a response.
#[derive(Debug)]
pub struct CatchError<S> {
    inner: S,
    settings: Arc<Settings>,
    /// An error of `poll_ready`, answered by the next `call`.
    kept: Option<Box<ApiError>>,
}

pin_project! {
    /// The service's response, or the one that its error becomes.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Inner<F>,
        settings: Arc<Settings>,
    }
}

pin_project! {
    #[project = InnerProj]
    #[derive(Debug)]
    enum Inner<F> {
        Called { #[pin] future: F },
        // Not called: the error of `poll_ready`, until it is answered.
        Kept { error: Option<Box<ApiError>> },
    }
}

/// How errors are classified.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    classify: Hook<Classify>,
    /// At most one of each cause.
    answers: Vec<ApiError>,
}

type Classify = dyn Fn(&(dyn Error + 'static)) -> Option<ApiError> + Send + Sync;

// ===== impl CatchErrorLayer =====

impl CatchErrorLayer {
    /// Creates a layer with the built-in classification alone, and the default sentence of each
    /// status.
    pub fn new() -> Self {
        Self { settings: Arc::new(Settings { classify: Hook::NONE, answers: Vec::new() }) }
    }

    /// Asks `classify` first, with the outermost error; `None` leaves it to the built-in rules.
    ///
    /// What it says is sent: 504, for example, for a deadline of an upstream. If it panics, the
    /// built-in rules decide.
    ///
    /// ```
    /// use http::StatusCode;
    /// use tower_contract::{ApiError, CatchErrorLayer, Cause};
    ///
    /// let layer = CatchErrorLayer::new().classify(|error| {
    ///     error.is::<tokio::time::error::Elapsed>().then(|| {
    ///         ApiError::new(StatusCode::GATEWAY_TIMEOUT).with_cause(Cause::Timeout)
    ///     })
    /// });
    /// # let _ = layer;
    /// ```
    pub fn classify<C>(mut self, classify: C) -> Self
    where
        C: Fn(&(dyn Error + 'static)) -> Option<ApiError> + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.settings).classify = Hook::new(Arc::new(classify));
        self
    }

    /// Answers errors of one cause with this error instead of the built-in one.
    ///
    /// The causes are [`Timeout`](Cause::Timeout), [`Overload`](Cause::Overload),
    /// [`Upstream`](Cause::Upstream) and [`Service`](Cause::Service); the built-in rules find no
    /// other. The answer's cause becomes the given one. An [`ApiError`] of the service, and what
    /// [`classify`](Self::classify) says, is sent as it is.
    ///
    /// So a client can tell an overload, after which nothing was done, from a time limit, after
    /// which something may have been. A page reads `Retry-After` where the CORS policy exposes it:
    /// `expose_headers(["Retry-After"])`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use tower_contract::{ApiError, CatchErrorLayer, Cause};
    ///
    /// let busy = ApiError::unavailable()
    ///     .with_member("reason", "OVERLOADED")
    ///     .with_retry_after(Duration::from_secs(5));
    /// let late = ApiError::gateway_timeout().with_member("reason", "TIMEOUT");
    /// let layer =
    ///     CatchErrorLayer::new().answer(Cause::Overload, busy).answer(Cause::Timeout, late);
    /// # let _ = layer;
    /// ```
    pub fn answer(mut self, cause: Cause, error: ApiError) -> Self {
        let answers = &mut Arc::make_mut(&mut self.settings).answers;
        answers.retain(|answer| answer.cause() != cause);
        answers.push(error.with_cause(cause));
        self
    }
}

impl Default for CatchErrorLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CatchErrorLayer {
    type Service = CatchError<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchError { inner, settings: Arc::clone(&self.settings), kept: None }
    }
}

// ===== the decision =====

impl Settings {
    /// Decides what `error` becomes, and keeps it as the source: the layer that writes the error
    /// body tells it.
    pub(crate) fn answer(&self, error: BoxError) -> ApiError {
        let own = self.classify.run(|rule| rule(&*error)).flatten();
        // `source` is the error's own code, and may panic in a `poll_ready` that nobody guards.
        let answer = own.unwrap_or_else(|| {
            let known = catch(|| classify(&*error)).unwrap_or(Known::Kind(UNKNOWN));
            self.answer_to(known)
        });
        // An error that says it all itself is its own whole story.
        if error.is::<ApiError>() || answer.source().is_some() {
            if let Err(panic) = catch(|| drop(error)) {
                panic.tell("Drop");
            }
            answer
        } else {
            answer.with_source(error)
        }
    }

    /// What is answered to an error of a kind: what was set for its cause, if anything was.
    fn answer_to(&self, known: Known) -> ApiError {
        match known {
            Known::Own(error) => error,
            Known::Kind(error) => {
                let is_set = |answer: &&ApiError| ApiError::cause(answer) == error.cause();
                let set = self.answers.iter().find(is_set);
                set.cloned().unwrap_or(error)
            }
        }
    }
}

// ===== impl CatchError =====

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CatchError<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
    ResBody: Default,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.kept.is_none() {
            if let Err(error) = ready!(self.inner.poll_ready(cx)) {
                let error = self.settings.answer(error.into());
                self.kept = Some(Box::new(error));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.kept.take() {
            None => ResponseFuture {
                inner: Inner::Called { future: self.inner.call(request) },
                settings: Arc::clone(&self.settings),
            },
            error => {
                if let Err(panic) = catch(|| drop(request)) {
                    panic.tell("Drop");
                }
                ResponseFuture {
                    inner: Inner::Kept { error },
                    settings: Arc::clone(&self.settings),
                }
            }
        }
    }
}

/// A clone starts with nothing kept: the error was of this one's readiness.
impl<S: Clone> Clone for CatchError<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), settings: Arc::clone(&self.settings), kept: None }
    }
}

// ===== impl ResponseFuture =====

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Default,
{
    type Output = Result<Response<B>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.inner.project() {
            InnerProj::Called { future } => match future.poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(error)) => {
                    let answer = this.settings.answer(error.into());
                    Poll::Ready(Ok(answer.into_http()))
                }
            },
            InnerProj::Kept { error } => match error.take() {
                Some(error) => Poll::Ready(Ok(error.into_http())),
                None => Poll::Pending,
            },
        }
    }
}
