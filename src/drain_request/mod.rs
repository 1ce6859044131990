//! Reads on what a service has left of a request's content, so that the answer is heard.

mod body;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use http::{
    HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, EXPECT},
};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

pub use self::body::DrainableBody;
use self::body::{Place, Unread};
use crate::clock::Clock;

/// Makes [`DrainRequest`] services: they read what the service has left of a request's content.
///
/// [`DrainRequest`]: crate::service::DrainRequest
///
/// # What it promises
///
/// An HTTP/1.1 server that answers before it has read the whole request closes the connection, and
/// a client that keeps connections then loses its next request. Where the service has answered and
/// left content unread, this layer reads on, at most 256 KiB and 500 ms, before it hands the answer
/// on: the connection then lives. Past these limits it adds `close` to the answer's `Connection`
/// (RFC 9112, 9.6), so that the client knows; a 101 and a 426 are left as they are. A client that
/// announced more than the limit is not waited for at all.
///
/// A client that waits for `100 Continue` (RFC 9110, 10.1.1) is never asked for content that the
/// service did not ask for: its answer comes at once, with `close`.
///
/// # What it leaves alone
///
/// HTTP/2 and HTTP/3, whose streams end one by one. Requests without content: nothing is allocated
/// for them, and one place for the rest of the body for those with content. Errors of the service,
/// and a body that is still being read while the answer is sent, as an echo does. A client that
/// stalls is answered after 500 ms, and one that sends more than the limit before it reads may
/// still lose the answer: `Lingering`, of feature `linger`, is the cure for that. A server over
/// HTTP/1.1 wants both.
///
/// # Where it goes
///
/// Outside the contract, so that every early answer is covered: a 405, a 413, a panic's 500. The
/// body of the request becomes a [`DrainableBody`], for the service inside to take; axum does. It
/// needs tokio's timer.
///
/// [`DrainableBody`]: crate::service::DrainableBody
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Request, Response, StatusCode};
/// use http_body_util::{BodyExt, Full};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_contract::{DrainRequestLayer, service::DrainableBody};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// type Upload = DrainableBody<Full<bytes::Bytes>>;
/// let service = ServiceBuilder::new().layer(DrainRequestLayer::new().max_bytes(1000)).service(
///     service_fn(async |request: Request<Upload>| {
///         let mut response = Response::new(());
///         match request.uri().path() {
///             "/upload" => drop(request.into_body().collect().await),
///             _ => *response.status_mut() = StatusCode::NOT_FOUND,
///         }
///         Ok::<_, Infallible>(response)
///     }),
/// );
/// let ask = |path, length| Request::post(path).body(Full::from(vec![0; length])).unwrap();
///
/// let read = service.clone().oneshot(ask("/upload", 5000)).await.unwrap();
/// assert_eq!(read.status(), StatusCode::OK);
///
/// // The layer reads a thousand bytes, and the connection lives.
/// let refused = service.clone().oneshot(ask("/nowhere", 1000)).await.unwrap();
/// assert!(!refused.headers().contains_key("connection"));
///
/// // More than that is not read, and the client is told.
/// let refused = service.oneshot(ask("/nowhere", 1001)).await.unwrap();
/// assert_eq!(refused.headers()["connection"], "close");
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct DrainRequestLayer {
    limits: Limits,
}

/// The service that reads what the one inside has left of a request's content.
#[derive(Clone, Debug)]
pub struct DrainRequest<S> {
    inner: S,
    limits: Limits,
}

pin_project! {
    /// The service's response, once the rest of the request's content is read or given up.
    #[derive(Debug)]
    pub struct ResponseFuture<F, ReqBody, ResBody> {
        #[pin]
        state: State<F, ReqBody, ResBody>,
        limits: Limits,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F, ReqBody, ResBody> {
        // `place` is `None` where nothing needs to be read: no content, or not HTTP/1.
        Called { #[pin] inner: F, place: Option<Place<ReqBody>> },
        // The response waits; `None` at the end.
        Draining { #[pin] drain: Drain<ReqBody>, response: Option<Response<ResBody>> },
        Ended,
    }
}

pin_project! {
    /// Reads a body to its end: true, or up to a limit: false.
    #[derive(Debug)]
    struct Drain<B> {
        body: B,
        bytes: u64,
        #[pin]
        clock: Clock,
    }
}

/// How much of a request is read after its answer, and for how long.
#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes: u64,
    time: Duration,
}

// ===== the decision =====

/// What happens to an answer whose request was not read to its end.
#[derive(Debug)]
enum Rest<B> {
    None,
    Read(B),
    Refused,
}

impl Limits {
    const fn allow(self, announced: u64) -> bool {
        self.bytes > 0 && announced <= self.bytes
    }

    fn rest_of<B: Body>(self, unread: Option<Unread<B>>) -> Rest<B> {
        match unread {
            None => Rest::None,
            Some(Unread::Content(body)) if body.is_end_stream() => Rest::None,
            Some(Unread::Content(body)) if self.allow(body.size_hint().lower()) => Rest::Read(body),
            Some(Unread::Content(_) | Unread::NotAskedFor) => Rest::Refused,
        }
    }
}

/// Whether unread content of this request would end the connection: HTTP/1, and there is content.
fn ends_connection<B: Body>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_2 && !request.body().is_end_stream()
}

/// Tells the client that the connection ends with this answer, unless it already says so.
///
/// Not in a 101 or 426, whose `Connection: upgrade` speaks of the connection itself.
fn announce_close<B>(response: &mut Response<B>) {
    let upgrade = [StatusCode::SWITCHING_PROTOCOLS, StatusCode::UPGRADE_REQUIRED];
    let upgrades = upgrade.contains(&response.status());
    let headers = response.headers_mut();
    if upgrades || headers.get_all(CONNECTION).iter().any(says_close) {
        return;
    }
    // A full map has no room: the server then closes without saying so.
    let _ = headers.try_append(CONNECTION, HeaderValue::from_static("close"));
}

fn says_close(options: &HeaderValue) -> bool {
    let options = options.as_bytes().split(|&byte| byte == b',');
    options.into_iter().any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

// ===== impl DrainRequestLayer =====

impl DrainRequestLayer {
    /// Creates a layer that reads on at most 256 KiB and for at most 500 ms.
    pub const fn new() -> Self {
        Self { limits: Limits { bytes: 256 * 1024, time: Duration::from_millis(500) } }
    }

    /// Sets how many bytes of content are read after the answer: by default 256 KiB. Zero reads
    /// none: then the layer only says `close`.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// Sets for how long content is read after the answer, which waits as long: by default 500 ms.
    pub const fn max_time(mut self, time: Duration) -> Self {
        self.limits.time = time;
        self
    }
}

impl Default for DrainRequestLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DrainRequestLayer {
    type Service = DrainRequest<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DrainRequest { inner, limits: self.limits }
    }
}

// ===== impl DrainRequest =====

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for DrainRequest<S>
where
    S: Service<Request<DrainableBody<ReqBody>>, Response = Response<ResBody>>,
    ReqBody: Body + Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ReqBody, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let place = ends_connection(&request).then(Place::new);
        let awaits_continue = place.is_some() && request.headers().contains_key(EXPECT);
        let shared = place.as_ref().map(Place::share);
        let request = request.map(|body| DrainableBody::new(body, shared, awaits_continue));
        let inner = self.inner.call(request);
        ResponseFuture { state: State::Called { inner, place }, limits: self.limits }
    }
}

// ===== impl ResponseFuture =====

impl<F, ReqBody, ResBody, E> Future for ResponseFuture<F, ReqBody, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ReqBody: Body + Unpin,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let StateProj::Called { inner, place } = this.state.as_mut().project() else {
            return this.state.poll_draining(cx).map(Ok);
        };
        let mut response = ready!(inner.poll(cx))?;
        let place = place.take();
        // The service's future may hold the body still: its drop gives it back.
        this.state.set(State::Ended);
        match this.limits.rest_of(place.and_then(Place::into_unread)) {
            Rest::None => {}
            Rest::Refused => announce_close(&mut response),
            Rest::Read(body) => {
                let drain = Drain::new(body, *this.limits);
                this.state.set(State::Draining { drain, response: Some(response) });
                return this.state.poll_draining(cx).map(Ok);
            }
        }
        Poll::Ready(Ok(response))
    }
}

impl<F, ReqBody, ResBody> State<F, ReqBody, ResBody>
where
    ReqBody: Body + Unpin,
{
    fn poll_draining(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<ResBody>> {
        let StateProj::Draining { drain, response } = self.as_mut().project() else {
            // Polled after the end: nothing more will come.
            return Poll::Pending;
        };
        let whole = ready!(drain.poll(cx));
        let Some(mut response) = response.take() else {
            return Poll::Pending;
        };
        if !whole {
            announce_close(&mut response);
        }
        self.set(Self::Ended);
        Poll::Ready(response)
    }
}

// ===== impl Drain =====

impl<B> Drain<B> {
    fn new(body: B, limits: Limits) -> Self {
        Self { body, bytes: limits.bytes, clock: Clock::after(Some(limits.time)) }
    }
}

impl<B: Body + Unpin> Future for Drain<B> {
    type Output = bool;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let this = self.project();
        while let Poll::Ready(frame) = Pin::new(&mut *this.body).poll_frame(cx) {
            let Some(Ok(frame)) = frame else {
                return Poll::Ready(frame.is_none());
            };
            let length = frame.data_ref().map_or(0, Buf::remaining);
            let left = this.bytes.checked_sub(length as u64);
            // A body that is always ready must not outrun the clock.
            match left.filter(|_| !this.clock.has_passed()) {
                Some(left) => *this.bytes = left,
                None => return Poll::Ready(false),
            }
        }
        this.clock.poll_passed(cx).map(|()| false)
    }
}
