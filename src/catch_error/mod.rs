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

use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use self::classify::{UNKNOWN, classify};
use crate::{
    api_error::ApiError,
    body::BoxError,
    request_head::RequestHead,
    unwind::{Hook, catch},
    uri_text::UriText,
};

/// Answers 500, 502, 503 or 413 when the service fails with an `Err`.
///
/// # What it promises
///
/// The error type becomes `Infallible`. The error and its sources, at most 16 deep, decide the status:
/// an [`ApiError`] is sent as it is; tower's and tokio's `Elapsed`, tower's `Overloaded` and (feature
/// `buffer`) a closed buffer are 503; `LengthLimitError` is 413; an `io::Error` of a connection and
/// (feature `hyper`) errors of hyper and of hyper-util's client are 502; anything else is 500. The
/// error's text goes to [`on_error`](CatchErrorLayer::on_error) and to the event, never to the client.
///
/// An error of `poll_ready` is answered too: it is kept, the service counts as ready, and the next
/// `call` takes it. Backpressure stays: a pending service is pending.
///
/// # What it leaves alone
///
/// Responses, whatever their status, and errors of bodies. A service that is broken for good (a closed
/// buffer) stays so: each request is answered 503.
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
///     .layer(CatchErrorLayer::new().on_error(|report| eprintln!("{}", report.error)))
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
#[derive(Clone, Debug)]
#[must_use]
pub struct CatchErrorLayer {
    settings: Arc<Settings>,
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
        head: Option<Box<RequestHead>>,
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

/// An error of the service, as [`CatchErrorLayer::on_error`] is told of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServiceErrorReport<'a> {
    /// The method of the request; `None` if the service failed before it took one.
    pub method: Option<&'a Method>,
    /// The path of the request, percent-encoded, without the query; `None` likewise.
    pub uri: Option<&'a str>,
    /// The error itself, for the log only.
    pub error: &'a (dyn Error + 'static),
    /// What the client is told.
    pub answered: &'a ApiError,
}

#[derive(Clone, Debug)]
struct Settings {
    classify: Hook<Classify>,
    on_error: Hook<OnError>,
}

type Classify = dyn Fn(&(dyn Error + 'static)) -> Option<ApiError> + Send + Sync;
type OnError = dyn Fn(&ServiceErrorReport<'_>) + Send + Sync;

// ===== impl CatchErrorLayer =====

impl CatchErrorLayer {
    /// With the built-in classification alone.
    pub fn new() -> Self {
        Self { settings: Arc::new(Settings { classify: Hook::NONE, on_error: Hook::NONE }) }
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

    /// Calls `hook` for each error, before the client is answered. A panic in it is swallowed.
    pub fn on_error<H>(mut self, hook: H) -> Self
    where
        H: Fn(&ServiceErrorReport<'_>) + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.settings).on_error = Hook::new(Arc::new(hook));
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
    /// Decides what `error` becomes, and tells who wants to know.
    fn answer(&self, error: &(dyn Error + 'static), head: Option<&RequestHead>) -> ApiError {
        let own = self.classify.run(|rule| rule(error)).flatten();
        // `source` is the error's own code, and may panic in a `poll_ready` that nobody guards.
        let answered = own.unwrap_or_else(|| catch(|| classify(error)).unwrap_or(UNKNOWN));
        let uri = head.map(RequestHead::report_uri);
        let report = ServiceErrorReport {
            method: head.map(RequestHead::method),
            uri: uri.as_ref().map(UriText::as_str),
            error,
            answered: &answered,
        };
        #[cfg(feature = "tracing")]
        report.record();
        self.on_error.run(|hook| hook(&report));
        answered
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
                let error = self.settings.answer(&*error.into(), None);
                self.kept = Some(Box::new(error));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let head = RequestHead::for_report(&request, self.settings.on_error.is_set());
        match self.kept.take() {
            None => ResponseFuture {
                inner: Inner::Called { future: self.inner.call(request) },
                settings: Arc::clone(&self.settings),
                head,
            },
            error => ResponseFuture {
                inner: Inner::Kept { error },
                settings: Arc::clone(&self.settings),
                head,
            },
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
                    let answer = this.settings.answer(&*error.into(), this.head.as_deref());
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

#[cfg(feature = "tracing")]
impl ServiceErrorReport<'_> {
    fn record(&self) {
        // Its text is made where someone subscribes.
        let error = self.error;
        let (method, uri) = (self.method.map(crate::request_head::method_text), self.uri);
        let status = self.answered.status().as_u16();
        tracing::error!(
            status,
            method,
            uri,
            error = crate::unwind::displayed(&error),
            "the service failed"
        );
    }
}
