//! One request to the upstream, and its answer back.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, MAX_FORWARDS, TRANSFER_ENCODING},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use tower_contract::{ApiError, Cause, CorsPolicy, service::DrainableBody};

use crate::{
    early_answer::{self, Connector},
    fields,
    options::{Options, Upstream},
    status_code, websocket,
};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The content of a request, of which the rest can still be read when it is dropped.
pub type Content = DrainableBody<Incoming>;

/// An answer that streams from the upstream, or one that was read already.
pub type AnswerBody = Either<Incoming, Full<Bytes>>;

/// The longest content of an upstream's error that is read: as much as an envelope is made from.
const MAX_ERROR_CONTENT: usize = 64 * 1024;
/// How long its reading may take. The status is known already, so this only decides on the text.
const MAX_ERROR_TIME: Duration = Duration::from_millis(500);

/// Idle connections are closed here before the usual upstream does it, after 60 seconds or more.
const POOL_IDLE_TIME: Duration = Duration::from_secs(30);
const POOL_IDLE_CONNECTIONS: usize = 64;

/// A gateway to one upstream; clones share its connections.
#[derive(Clone, Debug)]
pub struct Gateway {
    client: Client<Connector, Content>,
    rules: Arc<Rules>,
}

#[derive(Debug)]
struct Rules {
    upstream: Upstream,
    /// `http` or `https`, as clients see the gateway.
    scheme: HeaderValue,
    timeout: Duration,
    translate_status_code: bool,
    /// Who may open a WebSocket, if not every page.
    websocket_policy: Option<CorsPolicy>,
}

impl Gateway {
    pub fn new(options: &Options) -> Self {
        let is_https = options.public_url.to_string().starts_with("https:");
        Self {
            client: client(),
            rules: Arc::new(Rules {
                upstream: options.upstream.clone(),
                scheme: HeaderValue::from_static(if is_https { "https" } else { "http" }),
                timeout: options.timeout,
                translate_status_code: options.translate_status_code,
                websocket_policy: options.websocket_same_policy.then(|| options.policy.clone()),
            }),
        }
    }

    /// Passes a request to the upstream, and returns when the head of its answer is there.
    ///
    /// The time limit is for that head. The reading of an error's content has its own: were it
    /// counted, a slow text would make a 503 of a 404.
    pub async fn forward(
        self,
        client: IpAddr,
        mut request: Request<Content>,
    ) -> Result<Response<AnswerBody>, BoxError> {
        if let Some(answer) = own_answer(&mut request)? {
            return Ok(answer);
        }
        let to_head = request.method() == Method::HEAD;
        let upgrade = websocket::asked_for(&mut request);
        if let (Some(_), Some(policy)) = (&upgrade, &self.rules.websocket_policy) {
            websocket::admit(policy, request.headers())?;
        }
        let request = self.rules.to_upstream(client, upgrade.is_some(), request)?;
        let answer = timeout(self.rules.timeout, self.client.request(request)).await??;
        match (answer.status(), upgrade) {
            (StatusCode::SWITCHING_PROTOCOLS, Some(upgrade)) => websocket::join(upgrade, answer),
            (StatusCode::SWITCHING_PROTOCOLS, None) => Err(UNASKED_UPGRADE.into()),
            _ => self.rules.to_client(to_head, answer).await,
        }
    }
}

/// The pool of connections to the upstream.
///
/// No request is sent twice. What hyper-util calls a retry is none: when a pooled connection turns
/// out to be closed before a byte of the request was written to it, the request takes another one.
/// Without that, a request that comes just when the upstream closes an idle connection could be a 502
/// that says nothing of the upstream.
fn client() -> Client<Connector, Content> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIME)
        .pool_max_idle_per_host(POOL_IDLE_CONNECTIONS)
        .retry_canceled_requests(true)
        .build(early_answer::connector(connector))
}

/// What the gateway answers, or refuses, by itself.
fn own_answer(request: &mut Request<Content>) -> Result<Option<Response<AnswerBody>>, ApiError> {
    if fields::has_unknown_transfer_coding(request.headers()) {
        return Err(UNKNOWN_CODING);
    }
    match request.method().clone() {
        // A tunnel past the contract; and an echo of credentials.
        Method::CONNECT | Method::TRACE => Err(UNSUPPORTED_METHOD),
        Method::OPTIONS if is_for_the_gateway(request) => Ok(Some(Response::new(empty()))),
        _ => Ok(None),
    }
}

/// Whether an OPTIONS request ends here: `OPTIONS *`, or no `Max-Forwards` left (RFC 9110, 7.6.2).
fn is_for_the_gateway(request: &mut Request<Content>) -> bool {
    if request.uri() == "*" {
        return true;
    }
    let left = request.headers().get(MAX_FORWARDS);
    let left = left.and_then(|left| left.to_str().ok()?.parse::<u32>().ok());
    match left {
        Some(0) => true,
        Some(left) => {
            let fields = request.headers_mut();
            fields.insert(MAX_FORWARDS, HeaderValue::from(left - 1));
            false
        }
        None => false,
    }
}

pub fn empty() -> AnswerBody {
    Either::Right(Full::default())
}

// ===== impl Rules =====

impl Rules {
    /// The request as the upstream gets it.
    fn to_upstream(
        &self,
        client: IpAddr,
        to_websocket: bool,
        request: Request<Content>,
    ) -> Result<Request<Content>, BoxError> {
        let (mut head, body) = request.into_parts();
        fields::remove_hop_by_hop(&mut head.headers);
        fields::join_cookies(&mut head.headers);
        fields::add_via(&mut head.headers, head.version);
        fields::add_forwarded(&mut head, client, &self.scheme);
        if to_websocket {
            fields::ask_for_websocket(&mut head.headers);
        }
        if !body.is_end_stream() && body.size_hint().exact().is_none() {
            // hyper would do so by itself, but for GET and HEAD it would drop the content.
            let chunked = HeaderValue::from_static("chunked");
            head.headers.insert(TRANSFER_ENCODING, chunked);
        }
        let target = head.uri.path_and_query().cloned();
        let target = target.unwrap_or(PathAndQuery::from_static("/"));

        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = self.upstream.uri_of(target).map_err(|_| LONG_URI)?;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = head.headers;
        Ok(request)
    }

    /// The answer as the contract's layers get it, which write the body of every error.
    async fn to_client(
        &self,
        to_head: bool,
        answer: Response<Incoming>,
    ) -> Result<Response<AnswerBody>, BoxError> {
        let (head, body) = answer.into_parts();
        let (status, mut fields) = (head.status, head.headers);
        if fields::has_unknown_transfer_coding(&fields) {
            return Err(UNKNOWN_CODING_OF_UPSTREAM.into());
        }
        let asks_for_websocket = fields::upgrades_to_websocket(&fields);
        fields::remove_hop_by_hop(&mut fields);
        if status == StatusCode::UPGRADE_REQUIRED && asks_for_websocket {
            fields::ask_for_websocket(&mut fields);
        }
        leave_length_to_the_body(&mut fields, to_head);

        if !self.reads_content_of(status) {
            return Ok(answer_of(status, fields, Either::Left(body)));
        }
        let content = error_content(body).await;
        let translate = self.translate_status_code;
        let error = translate.then(|| status_code::translate(&content)).flatten();
        Ok(match error {
            Some(error) => error_of(error, fields),
            None => answer_of(status, fields, Either::Right(Full::new(content))),
        })
    }

    /// A 5xx is masked whatever it says; its content is read only for the number in it.
    fn reads_content_of(&self, status: StatusCode) -> bool {
        status.is_client_error() || (status.is_server_error() && self.translate_status_code)
    }
}

/// Lets hyper write the length of an answer, as it has read the body.
///
/// A `Content-Length` beside `Transfer-Encoding` is an error or an attack (RFC 9112, 6.3), and two
/// equal ones are one. In an answer to HEAD there is only the field.
fn leave_length_to_the_body(fields: &mut HeaderMap, to_head: bool) {
    let length = fields.remove(CONTENT_LENGTH);
    let is_number = |length: &HeaderValue| length.as_bytes().iter().all(u8::is_ascii_digit);
    if let Some(length) = length.filter(is_number).filter(|_| to_head) {
        fields.insert(CONTENT_LENGTH, length);
    }
}

/// The whole content of an error, in whatever pieces it comes; nothing, if it is too long, too slow
/// or breaks off. The contract's layers read only what is ready at once: after this, all of it is.
async fn error_content(body: Incoming) -> Bytes {
    let content = Limited::new(body, MAX_ERROR_CONTENT).collect();
    match timeout(MAX_ERROR_TIME, content).await {
        Ok(Ok(content)) => content.to_bytes(),
        Ok(Err(_)) | Err(_) => Bytes::new(),
    }
}

/// Made anew: the upstream's own reason phrase, for one, is as foreign as its 5xx bodies.
pub fn answer_of(status: StatusCode, fields: HeaderMap, body: AnswerBody) -> Response<AnswerBody> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = fields;
    answer
}

/// What the upstream says beside its error (a challenge, a cookie) stays with it.
fn error_of(error: ApiError, fields: HeaderMap) -> Response<AnswerBody> {
    let mut answer = error.into_http().map(|()| empty());
    *answer.headers_mut() = fields;
    answer
}

/// 501: the content has a transfer coding that the gateway does not know (RFC 9112, 6.1).
const UNKNOWN_CODING: ApiError = ApiError::new(StatusCode::NOT_IMPLEMENTED);
/// 501: the gateway passes no tunnels and no echoes.
const UNSUPPORTED_METHOD: ApiError =
    ApiError::new(StatusCode::NOT_IMPLEMENTED).with_cause(Cause::Method);
/// 414: with the upstream's path before it, the path is too long.
const LONG_URI: ApiError = ApiError::new(StatusCode::URI_TOO_LONG);
/// 502: the upstream answers in a coding that the gateway did not ask for.
const UNKNOWN_CODING_OF_UPSTREAM: ApiError = ApiError::bad_gateway().with_cause(Cause::Upstream);
/// 502: the upstream changes the protocol though nobody has asked it to.
const UNASKED_UPGRADE: ApiError = ApiError::bad_gateway().with_cause(Cause::Upstream);
