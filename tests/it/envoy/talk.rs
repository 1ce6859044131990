//! Envoy's end of a stream: messages in, what comes back as text.

use std::{collections::HashMap, convert::Infallible, fmt::Write, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use expect_test::Expect;
use http::{Method, Request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tower::ServiceExt;
use tower_contract::{ContractLayer, CorsPolicy, MethodGuardLayer};

use super::{
    generated::{
        Attribute, Attributes, HeaderMap, HeaderMutation, HeaderValue, HttpBody, HttpHeaders,
        ProcessingRequest, ProcessingResponse, attribute, processing_request::Request as Said,
        processing_response::Response as Heard,
    },
    processor::Processor,
};

/// The contract's limit in these tests.
pub const LIMIT: Duration = Duration::from_secs(5);

/// One stream to a processor.
pub struct Talk {
    messages: mpsc::Sender<Result<Frame<Bytes>, Infallible>>,
    replies: tonic::body::Body,
    pending: BytesMut,
}

pub fn processor() -> Processor {
    let policy = CorsPolicy::builder(["https://app.example.com", "https://admin.example.com"]);
    let responses = ContractLayer::new(policy.build().unwrap())
        .public_url("http://localhost:8080".parse().unwrap());
    let resources =
        [("/server/mode", vec![Method::POST]), ("/{*rest}", vec![Method::GET, Method::POST])];
    let methods = MethodGuardLayer::by_path(resources).unwrap().answer_options();
    Processor::new(responses.clone().methods(methods).timeout(LIMIT), responses)
}

impl Talk {
    pub async fn begin() -> Self {
        let (messages, receiver) = mpsc::channel(8);
        let request = Request::post("/envoy.service.ext_proc.v3.ExternalProcessor/Process")
            .header("content-type", "application/grpc")
            .body(tonic::body::Body::new(StreamBody::new(ReceiverStream::new(receiver))))
            .unwrap();
        let response = processor().into_service().oneshot(request).await.unwrap();
        Self { messages, replies: response.into_body(), pending: BytesMut::new() }
    }

    pub async fn says(&self, message: ProcessingRequest) {
        let message = message.encode_to_vec();
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).unwrap());
        frame.put_slice(&message);
        self.messages.send(Ok(Frame::data(frame.freeze()))).await.unwrap();
    }

    /// Envoy has nothing more to say.
    pub fn ends(&mut self) {
        self.messages = mpsc::channel(1).0;
    }

    /// The next reply, or the status with which the replies end.
    pub async fn hears(&mut self) -> Result<ProcessingResponse, String> {
        loop {
            if let Some(mut head) = self.pending.get(..5) {
                head.advance(1);
                let length = head.get_u32() as usize;
                if self.pending.len() >= 5 + length {
                    let mut message = self.pending.split_to(5 + length);
                    message.advance(5);
                    return Ok(ProcessingResponse::decode(message).unwrap());
                }
            }
            match self.replies.frame().await.unwrap().unwrap().into_data() {
                Ok(data) => self.pending.extend_from_slice(&data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap();
                    return Err(trailers["grpc-status"].to_str().unwrap().to_owned());
                }
            }
        }
    }

    pub async fn hears_that(&mut self, expected: Expect) {
        expected.assert_eq(&match self.hears().await {
            Ok(reply) => shown(&reply),
            Err(status) => format!("ends with status {status}\n"),
        });
    }
}

// ===== what Envoy says =====

/// A request's head: `"GET /x"`, then a line for each header.
pub fn request(text: &str) -> ProcessingRequest {
    let (first, more) = text.split_once('\n').unwrap_or((text, ""));
    let (method, path) = first.split_once(' ').unwrap();
    said(Said::RequestHeaders(head(&[(":method", method), (":path", path)], more)))
}

/// A response's head: `"404"`, then a line for each header.
pub fn response(text: &str) -> ProcessingRequest {
    let (status, more) = text.split_once('\n').unwrap_or((text, ""));
    said(Said::ResponseHeaders(head(&[(":status", status)], more)))
}

/// A response, told beside what Envoy knows of the request.
pub fn response_to(attributes: &[(&str, &str)], text: &str) -> ProcessingRequest {
    let fields = attributes.iter().map(|(name, value)| {
        let kind = Some(attribute::Kind::StringValue((*value).into()));
        ((*name).into(), Attribute { kind })
    });
    let group = Attributes { fields: fields.collect() };
    let attributes = HashMap::from([("envoy.filters.http.ext_proc".into(), group)]);
    ProcessingRequest { attributes, ..response(text) }
}

pub fn content(text: &str, is_whole: bool) -> ProcessingRequest {
    let body = Bytes::copy_from_slice(text.as_bytes());
    said(Said::ResponseBody(HttpBody { body, end_of_stream: is_whole }))
}

fn head(first: &[(&str, &str)], more: &str) -> HttpHeaders {
    let lines = more.lines().map(|line| line.split_once(": ").unwrap());
    let lines = first.iter().copied().chain(lines);
    let headers = lines.map(|(name, value)| HeaderValue {
        key: name.into(),
        raw_value: Bytes::copy_from_slice(value.as_bytes()),
    });
    HttpHeaders { headers: Some(HeaderMap { headers: headers.collect() }), end_of_stream: false }
}

fn said(request: Said) -> ProcessingRequest {
    ProcessingRequest { request: Some(request), attributes: HashMap::new() }
}

// ===== what Envoy hears =====

fn shown(reply: &ProcessingResponse) -> String {
    let mut text = String::new();
    match reply.response.as_ref().unwrap() {
        Heard::RequestHeaders(headers) => {
            text.push_str("the request goes on\n");
            if let Some(change) = &headers.response {
                write_changes(&mut text, change.header_mutation.as_ref());
                text.push_str(if change.clear_route_cache { "is routed again\n" } else { "" });
            }
        }
        Heard::ResponseHeaders(headers) => {
            text.push_str(match reply.mode_override {
                Some(mode) if mode.response_body_mode == 3 => "the content is asked for\n",
                Some(_) => "another mode\n",
                None => "the response goes on\n",
            });
            if let Some(change) = &headers.response {
                write_changes(&mut text, change.header_mutation.as_ref());
            }
        }
        Heard::ResponseBody(_) => text.push_str("the content goes on\n"),
        Heard::ImmediateResponse(answer) => {
            let status = answer.status.as_ref().unwrap().code;
            writeln!(text, "answer {status} ({})", answer.details).unwrap();
            write_changes(&mut text, answer.headers.as_ref());
            writeln!(text, "\n{}", String::from_utf8_lossy(&answer.body)).unwrap();
        }
    }
    text
}

/// `name = value` sets, `name + value` adds a line, `- name` removes.
fn write_changes(text: &mut String, changes: Option<&HeaderMutation>) {
    for set in changes.iter().flat_map(|changes| &changes.set_headers) {
        let header = set.header.as_ref().unwrap();
        let does = if set.append.unwrap() { '+' } else { '=' };
        let value = String::from_utf8_lossy(&header.raw_value);
        // The policy's lines are the same everywhere.
        if !header.key.starts_with("access-control-") || header.key.ends_with("-origin") {
            writeln!(text, "{} {does} {value}", header.key).unwrap();
        }
    }
    for name in changes.iter().flat_map(|changes| &changes.remove_headers) {
        writeln!(text, "- {name}").unwrap();
    }
}
