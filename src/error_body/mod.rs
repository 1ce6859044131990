//! Writes the body of every error response: one envelope, whoever failed.

mod foreign;
mod head;
mod keep_body;
mod public_url;
mod reading;
mod rewrite;
mod rpc;
mod settings;
mod tell;
mod uri;

use std::{
    borrow::Cow,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE},
    response::Parts,
};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use self::settings::Others;
pub use self::{
    keep_body::{KeepBodies, KeepBody, KeepBodyLayer, ResponseFuture as KeepBodyFuture},
    public_url::{PublicUrl, PublicUrlError},
};
pub(crate) use self::{
    reading::Reading,
    rewrite::{BodyPanics, Plan, Unread, is_error},
    rpc::Rpc,
    settings::Settings,
};
use crate::{
    api_error::ApiError,
    body::ResponseBody,
    clock::Clock,
    format::{EnvelopeFormat, ErrorFormat},
    report::ErrorReport,
    request_head::{RequestHead, Wanted},
    unwind::{Hook, catch},
};

/// Writes the body of every error response: one envelope, whoever failed.
///
/// # What it promises
///
/// Every response with a status of 400..=599 gets `content-type: application/json`, an exact
/// `content-length` and the five members of the envelope. The status stays as it is; only an rpc of
/// gRPC, gRPC-Web or Connect gets the status of its protocol. What the body says comes from the
/// first of these:
///
/// 1. the [`ApiError`] in the response's extensions, at any status;
/// 2. for a 4xx, what [`understand`](Self::understand) makes of it;
/// 3. for a 4xx, what the service wrote: an envelope, problem details (RFC 9457), plain text;
/// 4. the status. A 5xx that carries no [`ApiError`] says nothing else to an HTTP client.
///
/// Content of the service's own that can say something is read to its end: at most 8 KiB of text or
/// 64 KiB of JSON, and what arrives within 1 second ([`read_time`](Self::read_time)). So the same
/// upstream gives the same answer, in however many pieces it comes; a 4xx may take that second
/// longer. Content that is larger, later or broken off is as if there were none.
///
/// Texts are made safe: one line, no control or bidi characters, a title of at most 128 and a
/// description of at most 512 characters. `http_method` and `uri` are this layer's own. Headers
/// that speak of the old body are removed; `x-content-type-options: nosniff` and `cache-control:
/// no-store` are added where absent. `content-language` stays where the description is the
/// service's own. To HEAD the head is the same, without `content-length` and body.
///
/// An rpc gets its protocol's error instead: the code of the cause or of the status, with a fixed
/// text, where the client looks for it: in the head (gRPC), in the head and in a frame of trailers
/// (gRPC-Web), in a JSON object of Connect's (unary) or in an envelope that ends the stream. A
/// panic in a stream that has begun becomes trailers, or the last frame; so does a limit of its
/// time.
///
/// It is the one teller: each error response gives one event (feature `tracing`) and one call of
/// [`on_error`](Self::on_error), whoever made it. Two of these layers, one inside the other, tell
/// once. A 5xx and a panic are told at the level error, a time limit and an overload at warn, a 4xx
/// and a body that is kept at debug. A refused method is told at debug too, a 501 as well: it is
/// the client's doing.
///
/// # What it leaves alone
///
/// Every other status: the body is not polled, not boxed, not copied. A response to an rpc that
/// tells its outcome already, `grpc-status` or an error of Connect: it is the service's own word,
/// and passes as an [`ApiError`] does. A response whose extensions hold [`KeepBody`], or that
/// [`keep_if`](Self::keep_if) keeps. `Accept`: the contract has one format. Outside of a tokio
/// runtime with time, only content that is ready at once is read.
///
/// # Where it goes
///
/// Inside CORS, so that a page can read what it writes; outside every layer that answers by itself,
/// and outside compression, which must not encode a body that is replaced.
///
/// # Example
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use http_body_util::{BodyExt, Full};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_contract::ErrorBodyLayer;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(ErrorBodyLayer::new().public_url("https://api.example.com".parse().unwrap()))
///     .service(service_fn(async |request: Request<()>| {
///         let mut response = Response::new(Full::<bytes::Bytes>::default());
///         match request.uri().path() {
///             "/" => *response.body_mut() = Full::from("hello"),
///             _ => *response.status_mut() = StatusCode::NOT_FOUND,
///         }
///         Ok::<_, std::convert::Infallible>(response)
///     }));
/// let ask = |path| Request::builder().uri(path).body(()).unwrap();
///
/// let healthy = service.clone().oneshot(ask("/")).await.unwrap();
/// assert_eq!(healthy.into_body().collect().await.unwrap().to_bytes(), "hello");
///
/// let missing = service.oneshot(ask("/nope")).await.unwrap();
/// assert_eq!(missing.headers()["content-type"], "application/json");
/// assert_eq!(
///     missing.into_body().collect().await.unwrap().to_bytes(),
///     r#"{"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"https://api.example.com/nope"}"#,
/// );
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ErrorBodyLayer<F = EnvelopeFormat> {
    pub(crate) settings: Arc<Settings<F>>,
}

/// The service that writes the error bodies of the one inside.
#[derive(Clone, Debug)]
pub struct ErrorBody<S, F = EnvelopeFormat> {
    inner: S,
    settings: Arc<Settings<F>>,
}

pin_project! {
    /// The service's response; an error response with its body written.
    #[derive(Debug)]
    pub struct ResponseFuture<F, B, Fmt = EnvelopeFormat> {
        #[pin]
        state: State<F, B>,
        head: RequestHead,
        rpc: Option<Box<Rpc>>,
        settings: Arc<Settings<Fmt>>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F, B> {
        Called { #[pin] inner: F },
        // The service answered with an error of its own that may say something.
        Reading { #[pin] reading: Reading<B>, #[pin] clock: Clock },
        Ended,
    }
}

// ===== impl ErrorBodyLayer =====

impl ErrorBodyLayer {
    /// Creates a layer that writes the contract's envelope; `uri` is the path alone.
    pub fn new() -> Self {
        Self { settings: Arc::default() }
    }
}

impl<F: Clone> ErrorBodyLayer<F> {
    /// Makes `uri` absolute: this URL and the path. `Host` is never used, a client can send any.
    pub fn public_url(mut self, url: PublicUrl) -> Self {
        self.others_mut().uri.public_url = Some(url);
        self
    }

    /// Shows the query in `uri`: these keys with their values, the others as `key=***`.
    ///
    /// Without this the query is dropped: it may hold phone numbers and tokens.
    pub fn keep_query<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().map(Into::into).collect();
        self.others_mut().uri.keep_query = Some(keys);
        self
    }

    /// Sets how long content of the service's own is waited for, instead of 1 second, in an error
    /// response that can say something. With zero only what is ready at once is read.
    pub fn read_time(mut self, read_time: Duration) -> Self {
        self.others_mut().read_time = read_time;
        self
    }

    /// Writes error bodies in another format than [`EnvelopeFormat`](crate::EnvelopeFormat).
    pub fn format<G: ErrorFormat>(self, format: G) -> ErrorBodyLayer<G> {
        ErrorBodyLayer { settings: Arc::new(self.settings.with_format(format)) }
    }

    /// Calls `hook` for each error response, before it is sent. A panic in it is swallowed.
    pub fn on_error<H>(mut self, hook: H) -> Self
    where
        H: Fn(&ErrorReport<'_>) + Send + Sync + 'static,
    {
        self.others_mut().on_error = Hook::new(Arc::new(hook));
        self
    }

    /// Shows what the application wrote to `redact` before it is told: each text of an error and of
    /// its sources, a panic's message, and the text of a 5xx that is not sent.
    ///
    /// The texts are escaped, on one line, and at most 1 KiB long. Method, path, route and request
    /// id are told as they are. Where it panics, the text is not told. What [`PanicToErrorLayer`]
    /// tells of a panic, to its own hook or of one that ends in no response, is not shown to it.
    ///
    /// [`PanicToErrorLayer`]: crate::PanicToErrorLayer
    ///
    /// ```
    /// use tower_contract::ErrorBodyLayer;
    ///
    /// let layer = ErrorBodyLayer::new().redact(|text| text.replace("hunter2", "***").into());
    /// # let _ = layer;
    /// ```
    pub fn redact<R>(mut self, redact: R) -> Self
    where
        R: for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync + 'static,
    {
        self.others_mut().redact = Hook::new(Arc::new(redact));
        self
    }

    /// Keeps the bodies of error responses of which `keep` says so, from the method and the path of
    /// the request and the head of the response.
    ///
    /// It is not asked of a response that reports an [`ApiError`], which has no body of its own.
    /// Where it panics, the envelope is written. [`KeepBody`] and [`KeepBodyLayer`] do the same for
    /// one response and for one route.
    ///
    /// ```
    /// use tower_contract::ErrorBodyLayer;
    ///
    /// let layer = ErrorBodyLayer::new().keep_if(|_method, path, _head| path == "/ready");
    /// # let _ = layer;
    /// ```
    pub fn keep_if<K>(mut self, keep: K) -> Self
    where
        K: Fn(&Method, &str, &Parts) -> bool + Send + Sync + 'static,
    {
        self.others_mut().keep_if = Hook::new(Arc::new(keep));
        self
    }

    /// Asks `understand` first what a 4xx of the service's own says: from its status, its headers
    /// and its content, whatever its type.
    ///
    /// It is asked of content that is not encoded and has at most 64 KiB, read to its end as all
    /// content is. What it returns is told as an error of the application: texts, code, members,
    /// header lines. The status of the response stays. With `None`, or where it panics, the content
    /// is read as without it. Rpcs of gRPC and Connect are not shown to it.
    ///
    /// ```
    /// use serde_json::Value;
    /// use tower_contract::{ApiError, ErrorBodyLayer};
    ///
    /// // `{"detail": "Not enough permissions"}`, as FastAPI writes it.
    /// let layer = ErrorBodyLayer::new().understand(|status, _headers, content| {
    ///     let content: Value = serde_json::from_slice(content).ok()?;
    ///     Some(ApiError::new(status).with_description(content["detail"].as_str()?.to_owned()))
    /// });
    /// # let _ = layer;
    /// ```
    pub fn understand<U>(mut self, understand: U) -> Self
    where
        U: Fn(StatusCode, &HeaderMap, &[u8]) -> Option<ApiError> + Send + Sync + 'static,
    {
        self.others_mut().understand = Hook::new(Arc::new(understand));
        self
    }

    /// Keeps further members of an envelope or of problem details that the service wrote with a
    /// 4xx, such as `errors` and `traceId`: at most 16 KiB of JSON, as
    /// [`with_member`](ApiError::with_member) says.
    ///
    /// Without it only what the five members say is told.
    pub fn keep_members(mut self) -> Self {
        self.others_mut().keeps_members = true;
        self
    }

    /// Tells the id of a request in the member `request_id` of each error body, and in the event
    /// and the report.
    ///
    /// It is the line of this header of the request, or, where the request has no such id, of the
    /// response: exactly one line, of 1 to 128 bytes of visible ASCII. Who sets the header stands
    /// outside of this layer, `SetRequestIdLayer` of tower-http for example. `Authorization`,
    /// `Cookie`, `Proxy-Authorization` and `Set-Cookie` are no ids: with one of them none is told.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_contract::ErrorBodyLayer;
    ///
    /// let layer = ErrorBodyLayer::new().request_id(HeaderName::from_static("x-request-id"));
    /// # let _ = layer;
    /// ```
    pub fn request_id(mut self, name: HeaderName) -> Self {
        let is_secret = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE].contains(&name);
        self.wanted_mut().request_id = (!is_secret).then_some(name);
        self
    }

    /// Remembers the first line of each of these headers of a request, for
    /// [`Occurrence::header`](crate::Occurrence::header). Nothing is remembered otherwise.
    ///
    /// Names of several calls add up.
    ///
    /// ```
    /// use http::header::ACCEPT_LANGUAGE;
    /// use tower_contract::ErrorBodyLayer;
    ///
    /// let layer = ErrorBodyLayer::new().remember([ACCEPT_LANGUAGE]);
    /// # let _ = layer;
    /// ```
    pub fn remember(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.wanted_mut().headers.extend(names);
        self
    }

    fn others_mut(&mut self) -> &mut Others {
        &mut Arc::make_mut(&mut self.settings).others
    }

    fn wanted_mut(&mut self) -> &mut Wanted {
        Arc::make_mut(self.others_mut().wanted.get_or_insert_default())
    }
}

impl Default for ErrorBodyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, F> Layer<S> for ErrorBodyLayer<F> {
    type Service = ErrorBody<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        ErrorBody { inner, settings: Arc::clone(&self.settings) }
    }
}

// ===== impl ErrorBody =====

impl<S, F, ReqBody, ResBody> Service<Request<ReqBody>> for ErrorBody<S, F>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
    F: ErrorFormat,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        ResponseFuture {
            head: self.settings.head_of(&request),
            rpc: Rpc::of(&request),
            state: State::Called { inner: self.inner.call(request) },
            settings: Arc::clone(&self.settings),
        }
    }
}

// ===== impl ResponseFuture =====

impl<F, Fmt, B, E> Future for ResponseFuture<F, B, Fmt>
where
    F: Future<Output = Result<Response<B>, E>>,
    Fmt: ErrorFormat,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let rpc = this.rpc.as_deref();
        if let StateProj::Called { inner } = this.state.as_mut().project() {
            let mut response = ready!(inner.poll(cx))?;
            // A guarded body inside has told of its panics.
            match this.settings.plan(this.head, rpc, &mut response, &|_| {}) {
                Plan::Pass => return Poll::Ready(Ok(passed(rpc, response))),
                Plan::Write => {
                    let (mut parts, body) = response.into_parts();
                    // A guarded body inside has told of its panics.
                    let (unread, _) = this.settings.unread(&parts, body, cx);
                    let content = this.settings.write(this.head, rpc, &mut parts, &unread);
                    return Poll::Ready(Ok(written(parts, content)));
                }
                Plan::Read(media) => {
                    let reading = Reading::new(response, media);
                    this.state.set(State::Reading { reading, clock: Clock::Off });
                }
            }
        }
        let StateProj::Reading { mut reading, clock } = this.state.as_mut().project() else {
            return Poll::Pending;
        };
        let read = ready!(this.settings.poll_read(reading.as_mut(), clock, cx));
        let (unread, _) = Unread::of(read);
        let parts = reading.take_head();
        // Its body is dropped with what is left of it.
        let _ = catch(|| this.state.set(State::Ended));
        let Some(mut parts) = parts else { return Poll::Pending };
        let content = this.settings.write(this.head, rpc, &mut parts, &unread);
        Poll::Ready(Ok(written(parts, content)))
    }
}

/// The service's response as it is; the stream of an rpc with its end prepared.
fn passed<B>(rpc: Option<&Rpc>, response: Response<B>) -> Response<ResponseBody<B>> {
    let last = rpc.and_then(|rpc| rpc.end_of_broken(response.headers()));
    response.map(|body| ResponseBody::inner_or(body, last))
}

/// The response whose content was written; without content, one that is its head alone.
fn written<B>(head: Parts, content: Option<Bytes>) -> Response<ResponseBody<B>> {
    let body = content.map_or_else(ResponseBody::without_length, ResponseBody::written);
    Response::from_parts(head, body)
}
