//! Writes the body of every error response: one envelope, whoever failed.

mod foreign;
mod head;
mod public_url;
mod rpc;
mod text;
mod uri;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

pub use self::{
    foreign::TextOrigin,
    public_url::{PublicUrl, PublicUrlError},
};
use self::{
    foreign::{Foreign, connect_error},
    head::{remove_old_headers, set_headers},
    rpc::{Rpc, is_answered},
    text::{MAX_DESCRIPTION, MAX_TITLE, sanitised},
    uri::UriRule,
};
use crate::{
    api_error::{ApiError, Cause},
    body::ResponseBody,
    format::{EnvelopeFormat, ErrorFormat, Occurrence},
    request_head::RequestHead,
    unwind::{Hook, catch},
};

/// Writes the body of every error response: one envelope, whoever failed.
///
/// # What it promises
///
/// Every response with a status of 400..=599 gets `content-type: application/json`, an exact
/// `content-length` and the five members of the envelope. The status is never changed, except for
/// calls of gRPC and its kin. What the body
/// says comes from the first of these:
///
/// 1. the [`ApiError`] in the response's extensions, at any status;
/// 2. for a 4xx, what the service wrote: an envelope, problem details (RFC 9457), plain text;
/// 3. the status. A 5xx that carries no [`ApiError`] says nothing else: not a byte of it is sent.
///
/// Texts are made safe: one line, no control or bidi characters, a title of at most 128 and a
/// description of at most 512 characters. `http_method` and `uri` are this layer's own. Headers that
/// speak of the old body are removed; `x-content-type-options: nosniff` and `cache-control: no-store`
/// are added where absent. To HEAD the head is the same, without `content-length` and body.
///
/// A call of gRPC, gRPC-Web or Connect gets its protocol's error instead: the code of the cause or of
/// the status, with a fixed text, where the client looks for it: in the head (gRPC), in the head and
/// in a frame of trailers (gRPC-Web), in a JSON object of Connect's (unary) or in an envelope that ends
/// the stream. A panic in a stream that has begun becomes trailers, or the last frame.
///
/// # What it leaves alone
///
/// Every other status: the body is not polled, not boxed, not copied. A response to a call that tells
/// its outcome already: `grpc-status`, or an error of Connect. A response whose
/// extensions hold [`KeepBody`]. `Accept`: the contract has one format. Of the service's error
/// body only what is ready at once is read, at most 8 KiB of text or 64 KiB of JSON: an answer never
/// waits for a body.
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
///         let mut response = Response::new(Full::<bytes::Bytes>::from("hello"));
///         if request.uri().path() != "/" {
///             *response.status_mut() = StatusCode::NOT_FOUND;
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
    settings: Arc<Settings<F>>,
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
    pub struct ResponseFuture<F, Fmt = EnvelopeFormat> {
        #[pin]
        inner: F,
        head: RequestHead,
        rpc: Option<Box<Rpc>>,
        settings: Arc<Settings<Fmt>>,
    }
}

/// A response extension: this response keeps the body that it has, whatever its status.
///
/// For a proxy that relays errors as they are. Headers of the CORS layer are still added.
///
/// ```
/// # use http::{Response, StatusCode};
/// use tower_contract::KeepBody;
///
/// let mut relayed = Response::new("<html>..</html>");
/// *relayed.status_mut() = StatusCode::BAD_GATEWAY;
/// relayed.extensions_mut().insert(KeepBody);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepBody;

/// An error body that was written, as [`ErrorBodyLayer::on_rewrite`] is told of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RewriteReport<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// The path of the request, percent-encoded, without the query.
    pub uri: &'a str,
    /// The status of the response.
    pub status: StatusCode,
    /// Where the texts came from.
    pub origin: TextOrigin,
}

#[derive(Clone, Debug)]
struct Settings<F> {
    format: F,
    uri: UriRule,
    on_rewrite: Hook<OnRewrite>,
}

type OnRewrite = dyn Fn(&RewriteReport<'_>) + Send + Sync;

// ===== impl ErrorBodyLayer =====

impl ErrorBodyLayer {
    /// Writes the contract's envelope; `uri` is the path alone.
    pub fn new() -> Self {
        let settings =
            Settings { format: EnvelopeFormat, uri: UriRule::default(), on_rewrite: Hook::NONE };
        Self { settings: Arc::new(settings) }
    }
}

impl<F: Clone> ErrorBodyLayer<F> {
    /// Makes `uri` absolute: this URL and the path. `Host` is never used, a client can send any.
    pub fn public_url(mut self, url: PublicUrl) -> Self {
        Arc::make_mut(&mut self.settings).uri.public_url = Some(url);
        self
    }

    /// Shows the query in `uri`: these keys with their values, the others as `key=***`.
    ///
    /// Without this the query is dropped: it may hold phone numbers and tokens.
    pub fn keep_query<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().map(Into::into).collect();
        Arc::make_mut(&mut self.settings).uri.keep_query = Some(keys);
        self
    }

    /// Writes error bodies in another format.
    pub fn format<G: ErrorFormat>(self, format: G) -> ErrorBodyLayer<G> {
        let Settings { uri, on_rewrite, format: _ } = Arc::unwrap_or_clone(self.settings);
        ErrorBodyLayer { settings: Arc::new(Settings { format, uri, on_rewrite }) }
    }

    /// Calls `hook` for each error body, before it is sent. A panic in it is swallowed.
    pub fn on_rewrite<H>(mut self, hook: H) -> Self
    where
        H: Fn(&RewriteReport<'_>) + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.settings).on_rewrite = Hook::new(Arc::new(hook));
        self
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

// ===== the decisions =====

/// Whether this layer writes the body of `response`.
fn is_ours<B>(response: &Response<B>) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error())
        && response.extensions().get::<KeepBody>().is_none()
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
    type Future = ResponseFuture<S::Future, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        ResponseFuture {
            head: RequestHead::of(&request),
            rpc: Rpc::of(&request),
            inner: self.inner.call(request),
            settings: Arc::clone(&self.settings),
        }
    }
}

// ===== impl ResponseFuture =====

impl<F, Fmt, B, E> Future for ResponseFuture<F, Fmt>
where
    F: Future<Output = Result<Response<B>, E>>,
    Fmt: ErrorFormat,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let settings = &*this.settings;
        match this.inner.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(match this.rpc.as_deref() {
                None if is_ours(&response) => settings.rewrite(this.head, response, cx),
                None => response.map(ResponseBody::inner),
                Some(rpc) => settings.finish_rpc(rpc, this.head, response, cx),
            })),
        }
    }
}

// ===== impl Settings =====

impl<F: ErrorFormat> Settings<F> {
    /// The response with its body written, or, to HEAD, left out.
    fn rewrite<B>(
        &self,
        head: &RequestHead,
        response: Response<B>,
        cx: &mut Context<'_>,
    ) -> Response<ResponseBody<B>>
    where
        B: Body<Data = Bytes>,
    {
        let (parts, body) = response.into_parts();
        let mut response = Response::from_parts(parts, ());
        let status = response.status();
        let (origin, (content_type, bytes)) = if let Some(error) = ApiError::of(&response) {
            let texts = (error.title(), error.description(), error.code());
            (TextOrigin::ApiError, self.write(head, status, texts))
        } else {
            let foreign = Foreign::read(status, response.headers(), body, cx);
            let code = foreign.code().unwrap_or(status.as_u16().into());
            let texts = (foreign.title(), foreign.description(), code);
            (foreign.origin(), self.write(head, status, texts))
        };
        self.report(head, status, origin);
        let to_head = head.method() == Method::HEAD;
        let length = (!to_head).then_some(bytes.len());
        remove_old_headers(response.headers_mut(), status);
        set_headers(response.headers_mut(), content_type, length);
        let body =
            if to_head { ResponseBody::without_length() } else { ResponseBody::written(bytes) };
        response.map(|()| body)
    }

    /// The response to a call: a healthy one with its end prepared, an error in the call's protocol.
    fn finish_rpc<B>(
        &self,
        rpc: &Rpc,
        head: &RequestHead,
        response: Response<B>,
        cx: &mut Context<'_>,
    ) -> Response<ResponseBody<B>>
    where
        B: Body<Data = Bytes>,
    {
        if !is_ours(&response) || is_answered(response.headers()) {
            let last = rpc.end_of_panic(response.headers());
            return response.map(|body| ResponseBody::inner_or(body, last));
        }
        let (parts, body) = response.into_parts();
        let mut response = Response::from_parts(parts, ());
        let status = response.status();
        let (origin, cause) = match ApiError::of(&response) {
            Some(error) => (TextOrigin::ApiError, error.cause()),
            None => (TextOrigin::Status, Cause::Application),
        };
        if origin == TextOrigin::Status && rpc.takes_json() {
            if let Some(content) = connect_error(response.headers(), body, cx) {
                return response.map(|()| ResponseBody::written(content));
            }
        }
        self.report(head, status, origin);
        remove_old_headers(response.headers_mut(), status);
        rpc.answer(head.method(), cause, response)
    }

    /// The body that says this title, description and code, made safe, and its `content-type`.
    fn write(
        &self,
        head: &RequestHead,
        status: StatusCode,
        (title, description, code): (&str, &str, u32),
    ) -> (HeaderValue, Bytes) {
        let default = ApiError::new(status);
        let title = sanitised(title, MAX_TITLE);
        let description = sanitised(description, MAX_DESCRIPTION);
        let uri = self.uri.show(head);
        let error = Occurrence {
            status,
            http_method: head.method_text(),
            title: non_empty(&title).unwrap_or(default.title()),
            description: non_empty(&description).unwrap_or(default.description()),
            code,
            uri: uri.as_str(),
        };
        attempt(&self.format, &error)
            .or_else(|| attempt(&EnvelopeFormat, &error))
            .unwrap_or((HeaderValue::from_static("application/json"), FALLBACK))
    }

    fn report(&self, head: &RequestHead, status: StatusCode, origin: TextOrigin) {
        #[cfg(feature = "tracing")]
        record(head, status, origin);
        self.on_rewrite.run(|hook| {
            let uri = head.report_uri();
            hook(&RewriteReport { method: head.method(), uri: uri.as_str(), status, origin });
        });
    }
}

fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// What `format` writes; `None` if it panics or writes nothing.
fn attempt(format: &impl ErrorFormat, error: &Occurrence<'_>) -> Option<(HeaderValue, Bytes)> {
    let written = catch(|| {
        let mut out = Vec::new();
        format.write(error, &mut out);
        (format.content_type(), Bytes::from(out))
    });
    written.ok().filter(|(_, content)| !content.is_empty())
}

/// One event for an error that no layer of this crate decided; they have told theirs.
#[cfg(feature = "tracing")]
fn record(head: &RequestHead, status: StatusCode, origin: TextOrigin) {
    if origin == TextOrigin::ApiError {
        return;
    }
    let status = status.as_u16();
    // The fields are made where someone subscribes.
    if status >= 500 {
        tracing::warn!(
            status,
            method = head.method_text(),
            uri = head.report_uri().as_str(),
            ?origin,
            "the service answered with an error"
        );
    } else {
        tracing::debug!(
            status,
            method = head.method_text(),
            uri = head.report_uri().as_str(),
            ?origin,
            "the service answered with an error"
        );
    }
}

/// Sent when no format could write: an envelope still, complete, that says nothing.
const FALLBACK: Bytes = Bytes::from_static(
    br#"{"http_method":"","title":"Error","description":"The request failed.","code":500,"uri":""}"#,
);
