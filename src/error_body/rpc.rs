//! Answers to rpcs of gRPC, gRPC-Web and Connect: whole heads, and the ends of broken streams.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE},
    response::Parts,
};
use http_body::Frame;
use tokio::time::Instant;

use crate::{
    api_error::Cause,
    body::{Broken, LastFrame},
    format::grpc::{Code, GRPC_STATUS},
    protocol::Protocol,
};

/// What is remembered of an rpc: how its client reads an error.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    protocol: Protocol,
    /// Sent back with the error. A GET of Connect has none.
    content_type: Option<HeaderValue>,
    /// When its client gives up, where a limit of bodies asks for it.
    pub(crate) client_deadline: Option<Instant>,
}

/// The most fields that the answer to an rpc adds.
const ROOM: usize = 5;

impl Rpc {
    /// `None`: a request of HTTP itself. Boxed, so that its future carries one word more.
    #[inline]
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Box<Self>> {
        Protocol::of(request).map(|protocol| Self::boxed(protocol, request.headers()))
    }

    fn boxed(protocol: Protocol, headers: &HeaderMap) -> Box<Self> {
        let content_type = headers.get(CONTENT_TYPE).cloned();
        Box::new(Self { protocol, content_type, client_deadline: None })
    }

    /// Whether the client reads an error of the service's own as JSON, which the service may write.
    pub(super) fn takes_json(&self) -> bool {
        self.protocol == Protocol::ConnectUnary
    }

    /// Ends a stream with this head in which the service panics or takes too long; `None`: it is
    /// broken off.
    ///
    /// The service's own media type says in which of its two encodings it writes gRPC-Web.
    pub(crate) fn end_of_broken(&self, headers: &HeaderMap) -> Option<LastFrame> {
        match self.protocol {
            Protocol::Grpc => Some(|broken| {
                let mut trailers = HeaderMap::with_capacity(2);
                code_of(broken).write_to(&mut trailers);
                Frame::trailers(trailers)
            }),
            Protocol::GrpcWeb { .. } => match Protocol::of_media_type(headers) {
                Some(Protocol::GrpcWeb { text: true }) => {
                    Some(|broken| Frame::data(code_of(broken).web_text_frame()))
                }
                _ => Some(|broken| Frame::data(code_of(broken).web_frame())),
            },
            Protocol::ConnectStream => Some(|broken| Frame::data(code_of(broken).connect_end())),
            // The content is the one message: nothing can follow it.
            Protocol::ConnectUnary => None,
        }
    }

    /// Makes the head say the error as the client reads it, and returns the content that follows;
    /// `None` where the head is all. Headers of the old body are removed already.
    pub(super) fn write(&self, method: &Method, cause: Cause, head: &mut Parts) -> Option<Bytes> {
        let (status, headers) = (head.status, &mut head.headers);
        headers.remove(CONTENT_TYPE);
        if headers.try_reserve(ROOM).is_err() {
            // The outcome stands in the head: a map that is full (32,768 lines) gives way to it.
            headers.clear();
        }
        if cause == Cause::Method && !self.protocol.allows(method) {
            // No rpc at all: whoever asks so is told in HTTP (RFC 9110, 15.5.6).
            let _ = headers.try_insert(ALLOW, HeaderValue::from_static("POST"));
            head.status = StatusCode::METHOD_NOT_ALLOWED;
            return None;
        }
        let code = Code::of(cause, status);
        self.write_head(code, headers);
        let content = self.content(code).filter(|_| *method != Method::HEAD);
        if let Some(content) = &content {
            let _ = headers.try_insert(CONTENT_LENGTH, HeaderValue::from(content.len()));
        }
        head.status = match self.protocol {
            Protocol::ConnectUnary => code.connect_status(status),
            // The rpc failed; the exchange in HTTP did not.
            _ => StatusCode::OK,
        };
        content
    }

    fn write_head(&self, code: Code, headers: &mut HeaderMap) {
        let content_type = match self.protocol {
            Protocol::ConnectUnary => Some(HeaderValue::from_static("application/json")),
            _ => self.content_type.clone(),
        };
        if let Some(content_type) = content_type {
            let _ = headers.try_insert(CONTENT_TYPE, content_type);
        }
        match self.protocol {
            Protocol::Grpc | Protocol::GrpcWeb { .. } => code.write_to(headers),
            Protocol::ConnectStream => {}
            Protocol::ConnectUnary => {
                // A GET's error could be kept by a cache (RFC 9111, 4.2.2).
                if !headers.contains_key(CACHE_CONTROL) {
                    let no_store = HeaderValue::from_static("no-store");
                    let _ = headers.try_insert(CACHE_CONTROL, no_store);
                }
            }
        }
    }

    /// The whole content of an rpc that failed; `None`: the head says it all.
    fn content(&self, code: Code) -> Option<Bytes> {
        match self.protocol {
            Protocol::Grpc => None,
            // A page cannot read the head's lines unless they are exposed to it (Fetch, 3.3.4).
            Protocol::GrpcWeb { text: false } => Some(code.web_frame()),
            Protocol::GrpcWeb { text: true } => Some(code.web_text_frame()),
            Protocol::ConnectUnary => Some(code.connect_error()),
            Protocol::ConnectStream => Some(code.connect_end()),
        }
    }
}

/// The code of a stream that ended so, as [`Code::of`] gives it for the cause.
const fn code_of(broken: Broken) -> Code {
    match broken {
        Broken::Panic => Code::Internal,
        Broken::Timeout => Code::DeadlineExceeded,
    }
}

/// Whether the response with this head tells the outcome of the rpc already.
pub(super) fn is_answered(headers: &HeaderMap) -> bool {
    headers.contains_key(GRPC_STATUS)
}
