//! The limit: all that a healthy request needs, in one future, written by hand for nothing else.
//!
//! It checks the method, starts the clock, catches panics of `call`, `poll` and the body, looks at the
//! status and at the names of the inner headers, and inserts the five headers. Whatever is not healthy
//! it answers with an empty body: it is no layer to use, it is what layers are measured against.

use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{BoxError, Service};

#[derive(Clone)]
pub(crate) struct Fused<S> {
    inner: S,
    rules: Arc<Rules>,
}

struct Rules {
    methods: Vec<Method>,
    limit: Duration,
    origin: HeaderValue,
    allow_headers: HeaderValue,
    allow_methods: HeaderValue,
}

pin_project! {
    pub(crate) struct FusedFuture<F> {
        #[pin]
        inner: Option<F>,
        status: StatusCode,
        deadline: Option<Instant>,
        #[pin]
        timer: Option<Sleep>,
        rules: Arc<Rules>,
    }
}

pin_project! {
    pub(crate) struct FusedBody<B> {
        #[pin]
        inner: Option<B>,
    }
}

impl<S> Fused<S> {
    pub(crate) fn new(inner: S, origin: &str) -> Self {
        // Configuration is known when the program runs, not when it is compiled.
        let value = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            drop(value.clone());
            value
        };
        let rules = Rules {
            methods: vec![Method::GET, Method::HEAD, Method::POST],
            limit: Duration::from_secs(30),
            origin: value(origin),
            allow_headers: value("Authorization, Origin"),
            allow_methods: value("GET, POST, OPTIONS"),
        };
        let rules = Arc::new(rules);
        Self { inner, rules }
    }
}

impl<S, B, C> Service<Request<B>> for Fused<S>
where
    S: Service<Request<B>, Response = Response<C>, Error = Infallible>,
{
    type Response = Response<FusedBody<C>>;
    type Error = Infallible;
    type Future = FusedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (inner, status) = if self.rules.methods.contains(request.method()) {
            let called = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
            (called.ok(), StatusCode::INTERNAL_SERVER_ERROR)
        } else {
            (None, StatusCode::METHOD_NOT_ALLOWED)
        };
        FusedFuture {
            inner,
            status,
            deadline: Instant::now().checked_add(self.rules.limit),
            timer: None,
            rules: Arc::clone(&self.rules),
        }
    }
}

impl<F, B> Future for FusedFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<FusedBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = match this.inner.as_mut().as_pin_mut() {
            Some(inner) => catch_unwind(AssertUnwindSafe(|| inner.poll(cx))).ok(),
            None => None,
        };
        let mut response = match polled {
            Some(Poll::Ready(Ok(response))) => response.map(|body| FusedBody { inner: Some(body) }),
            Some(Poll::Pending) => {
                if let Some(deadline) = this.deadline.take() {
                    this.timer.set(Some(sleep_until(deadline)));
                }
                ready!(this.timer.as_pin_mut().unwrap().poll(cx));
                empty(StatusCode::SERVICE_UNAVAILABLE)
            }
            None => empty(*this.status),
        };
        this.inner.set(None);
        if response.status().as_u16() >= 400 {
            *response.body_mut() = FusedBody { inner: None };
        }
        write_headers(this.rules, response.headers_mut());
        Poll::Ready(Ok(response))
    }
}

fn empty<B>(status: StatusCode) -> Response<FusedBody<B>> {
    let mut response = Response::new(FusedBody { inner: None });
    *response.status_mut() = status;
    response
}

fn write_headers(rules: &Rules, headers: &mut http::HeaderMap) {
    let is_cors = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    while let Some(name) = headers.keys().find(is_cors).cloned() {
        headers.remove(name);
    }
    headers.reserve(5);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, rules.origin.clone());
    headers.insert(
        const { HeaderName::from_static("access-control-allow-origins") },
        rules.origin.clone(),
    );
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, rules.allow_headers.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, rules.allow_methods.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
}

impl<B> Body for FusedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut inner = self.project().inner;
        let Some(body) = inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let error = match catch_unwind(AssertUnwindSafe(|| body.poll_frame(cx))) {
            Ok(poll) => match ready!(poll) {
                Some(Err(error)) => error.into(),
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                None => return Poll::Ready(None),
            },
            Err(_) => BoxError::from("a panic"),
        };
        inner.set(None);
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
