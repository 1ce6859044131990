//! The honest floor: all that a healthy request needs, in one future, written by hand for nothing
//! else.
//!
//! It looks for a preflight and for a protocol, checks the method, remembers the method and the target
//! that an envelope would tell, starts the clock, catches panics of `call`, `poll` and the body, looks
//! at the status and at the names of the inner headers, and appends the five headers. Whatever is not
//! healthy it answers with an empty body, and panics in drops it lets through: it is no layer to use,
//! it is what layers are measured against.

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
    uri::PathAndQuery,
};
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
        // What an envelope would tell, and whether it would be one.
        method: Method,
        target: Option<PathAndQuery>,
        is_rpc: bool,
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
        let (method, target) = (request.method().clone(), request.uri().path_and_query().cloned());
        let is_rpc = is_rpc(&request);
        let (inner, status) = if is_preflight(&request) {
            (None, StatusCode::OK)
        } else if self.rules.methods.contains(request.method()) {
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
            method,
            target,
            is_rpc,
            rules: Arc::clone(&self.rules),
        }
    }
}

fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    *request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn is_rpc<B>(request: &Request<B>) -> bool {
    if let Some(media) = request.headers().get(header::CONTENT_TYPE) {
        return media.as_bytes().starts_with(b"application/grpc");
    }
    let query = request.uri().query().filter(|query| query.len() >= 10);
    *request.method() == Method::GET && query.is_some_and(|query| query.contains("connect=v1"))
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
        if response.status().as_u16() >= 400 || *this.is_rpc {
            black_box((&*this.method, &*this.target));
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

fn write_headers(rules: &Rules, headers: &mut HeaderMap) {
    let is_cors = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    while let Some(name) = headers.keys().find(is_cors).cloned() {
        headers.remove(name);
    }
    headers.reserve(5);
    let mut append = |name, value| drop(headers.try_append(name, value));
    append(header::ACCESS_CONTROL_ALLOW_ORIGIN, rules.origin.clone());
    append(const { HeaderName::from_static("access-control-allow-origins") }, rules.origin.clone());
    append(header::ACCESS_CONTROL_ALLOW_HEADERS, rules.allow_headers.clone());
    append(header::ACCESS_CONTROL_ALLOW_METHODS, rules.allow_methods.clone());
    append(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
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
