//! Answers to calls of gRPC, gRPC-Web and Connect: whole heads, and the ends of broken streams.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Frame;

use crate::{
    api_error::Cause,
    body::{LastFrame, ResponseBody},
    format::grpc::{Code, GRPC_STATUS},
    protocol::Protocol,
};

/// What is remembered of a call: how its client reads an error.
#[derive(Clone, Debug)]
pub(super) struct Rpc {
    protocol: Protocol,
    /// Sent back with the error. A GET of Connect has none.
    content_type: Option<HeaderValue>,
}

impl Rpc {
    /// `None`: a request of HTTP itself. Boxed, so that its future carries one word more.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Box<Self>> {
        let protocol = Protocol::of(request)?;
        Some(Box::new(Self {
            protocol,
            content_type: request.headers().get(CONTENT_TYPE).cloned(),
        }))
    }

    /// Whether the client reads an error of the service's own as JSON, which the service may write.
    pub(super) fn takes_json(&self) -> bool {
        self.protocol == Protocol::ConnectUnary
    }

    /// Ends a stream with this head in which the service panics; `None`: it is broken off.
    ///
    /// The service's own media type says in which of its two encodings it writes gRPC-Web.
    pub(super) fn end_of_panic(&self, headers: &HeaderMap) -> Option<LastFrame> {
        const PANIC: Code = Code::Internal;
        match self.protocol {
            Protocol::Grpc => Some(|| {
                let mut trailers = HeaderMap::with_capacity(2);
                PANIC.write_to(&mut trailers);
                Frame::trailers(trailers)
            }),
            Protocol::GrpcWeb { .. } => match Protocol::of_media_type(headers) {
                Some(Protocol::GrpcWeb { text: true }) => {
                    Some(|| Frame::data(PANIC.web_text_frame()))
                }
                _ => Some(|| Frame::data(PANIC.web_frame())),
            },
            Protocol::ConnectStream => Some(|| Frame::data(PANIC.connect_end())),
            // The content is the one message: nothing can follow it.
            Protocol::ConnectUnary => None,
        }
    }

    /// The error as the client reads it, in a head from which the old body's headers were removed.
    pub(super) fn answer<B>(
        &self,
        method: &Method,
        cause: Cause,
        mut response: Response<()>,
    ) -> Response<ResponseBody<B>> {
        let status = response.status();
        let headers = response.headers_mut();
        headers.remove(CONTENT_TYPE);
        if cause == Cause::Method && !self.protocol.allows(method) {
            // Not a call: whoever asks so is told in HTTP (RFC 9110, 15.5.6).
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return response.map(|()| ResponseBody::without_length());
        }
        let code = Code::of(cause, status);
        self.write_head(code, headers);
        let body = self.content(code).filter(|_| *method != Method::HEAD).map_or_else(
            ResponseBody::without_length,
            |content| {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(content.len()));
                ResponseBody::written(content)
            },
        );
        *response.status_mut() = match self.protocol {
            Protocol::ConnectUnary => code.connect_status(status),
            // The call failed; the exchange in HTTP did not.
            _ => StatusCode::OK,
        };
        response.map(|()| body)
    }

    fn write_head(&self, code: Code, headers: &mut HeaderMap) {
        let content_type = match self.protocol {
            Protocol::ConnectUnary => Some(HeaderValue::from_static("application/json")),
            _ => self.content_type.clone(),
        };
        headers.extend(content_type.map(|content_type| (CONTENT_TYPE, content_type)));
        match self.protocol {
            Protocol::Grpc | Protocol::GrpcWeb { .. } => code.write_to(headers),
            Protocol::ConnectStream => {}
            Protocol::ConnectUnary => {
                // A GET's error could be kept by a cache (RFC 9111, 4.2.2).
                let no_store = HeaderValue::from_static("no-store");
                headers.entry(CACHE_CONTROL).or_insert(no_store);
            }
        }
    }

    /// The whole body of a call that failed; `None`: the head says it all.
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

/// Whether the response with this head tells the outcome of the call already.
pub(super) fn is_answered(headers: &HeaderMap) -> bool {
    headers.contains_key(GRPC_STATUS)
}
