//! What becomes of a response: it passes, or its content is written, from its own words or not.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, response::Parts};
use http_body::Body;

use super::{
    Settings,
    foreign::{Foreign, Media},
    head::{Old, Written, remove_old_headers, set_headers},
    keep_body::{KeepBody, keeps},
    rpc::{Rpc, is_answered},
};
use crate::{
    api_error::{ApiError, Cause, text::Texts},
    format::{EnvelopeFormat, ErrorFormat, Occurrence},
    report::{Level, is_recorded, is_told, level},
    request_head::RequestHead,
    unwind::{Panic, catch, escaped},
};

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It is no error, or keeps its body.
    Pass,
    /// Its content is written, and what it had is not read.
    Write,
    /// Its own content may say something, and is read first.
    Read(Media),
}

/// What is known of an error response before its content is written.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(super) foreign: Foreign,
    /// The text of a 5xx that is not sent, for the people who run the service.
    pub(super) masked: Option<String>,
}

// ===== the decision =====

/// Whether the status is one whose content this crate writes: 400..=599.
pub(crate) fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

impl Unread {
    /// Nothing but what the head says.
    pub(crate) const NOTHING: Self = Self { foreign: Foreign::Nothing, masked: None };

    /// What the content said, unless it panicked.
    pub(crate) fn of(read: Result<Foreign, Panic>) -> (Self, BodyPanics) {
        let (foreign, polled) = match read {
            Ok(foreign) => (foreign, None),
            Err(panic) => (Foreign::Nothing, Some(panic)),
        };
        (Self { foreign, masked: None }, BodyPanics { polled, dropped: None })
    }
}

/// Panics of a body that is not sent: what it said counts for nothing, and the answer stands.
#[derive(Default)]
pub(crate) struct BodyPanics {
    pub(crate) polled: Option<Panic>,
    pub(crate) dropped: Option<Panic>,
}

impl<F> Settings<F> {
    /// Decides what becomes of `response` to a request with this head, and tells of an error that
    /// keeps its body. `tell` is told of a panic of the body that was asked for its length.
    pub(crate) fn plan<B>(
        &self,
        head: &RequestHead,
        rpc: Option<&Rpc>,
        response: &mut Response<B>,
        tell: &dyn Fn(&Panic),
    ) -> Plan
    where
        B: Body,
    {
        let (status, headers) = (response.status(), response.headers());
        if !is_error(status) {
            return Plan::Pass;
        }
        let is_kept = response.extensions().get::<KeepBody>().is_some()
            || (rpc.is_some() && is_answered(headers));
        let has_error = ApiError::of(response).is_some();
        if is_kept || (!has_error && keeps(&self.others.keep_if, head, response)) {
            self.tell_kept(head, response);
            return Plan::Pass;
        }
        if has_error || *head.method() == Method::HEAD {
            return Plan::Write;
        }
        let headers = response.headers();
        let media = match rpc {
            Some(rpc) if rpc.takes_json() => Media::of_connect_error(headers),
            Some(_) => None,
            None => Media::of_error(status, headers, self.others.understand.is_set()),
        };
        // A body that panics when asked has not ended, and its length is unknown.
        let fits = |media: &Media| {
            let body = response.body();
            let is_empty = catch(|| body.is_end_stream());
            let least = catch(|| body.size_hint().lower());
            // Once: both speak of the same.
            let _ = is_empty.as_ref().err().or(least.as_ref().err()).map(tell);
            !is_empty.unwrap_or(false) && least.unwrap_or_default() <= self.max_len(*media) as u64
        };
        media.filter(fits).map_or(Plan::Write, Plan::Read)
    }
}

// ===== the content =====

impl<F> Settings<F> {
    /// What is known of a response whose content is not read. The text of a 5xx, as far as it is
    /// ready now, is for who listens.
    pub(crate) fn unread<B>(
        &self,
        head: &Parts,
        body: B,
        cx: &mut Context<'_>,
    ) -> (Unread, BodyPanics)
    where
        B: Body<Data = Bytes>,
    {
        let is_masked = head.status.is_server_error()
            && ApiError::of_head(head.status, &head.extensions).is_none()
            && Media::of_type(&head.headers).is_some();
        let is_masked = is_masked
            && self.is_listened_to(level(Cause::Application, head.status.as_u16()))
            && !is_told(&head.extensions);
        let mut body = pin!(Some(body));
        let mut text = Vec::new();
        let read = body.as_mut().as_pin_mut().filter(|_| is_masked);
        let polled = read.and_then(|body| catch(|| read_ready(body, &mut text, cx)).err());
        let masked = first_line(&text);
        let dropped = catch(|| body.set(None)).err();
        (Unread { foreign: Foreign::Nothing, masked }, BodyPanics { polled, dropped })
    }

    /// Whether a hook or a subscriber wants to know of an error of this level.
    fn is_listened_to(&self, level: Level) -> bool {
        self.has_hook() || is_recorded(level)
    }
}

impl<F: ErrorFormat> Settings<F> {
    /// Makes the head speak of the content that is written, and returns that; `None` where the head
    /// is all, as to HEAD. Tells who wants to know.
    pub(crate) fn write(
        &self,
        request: &RequestHead,
        rpc: Option<&Rpc>,
        head: &mut Parts,
        unread: &Unread,
    ) -> Option<Bytes> {
        let status = head.status;
        if let Foreign::Understood(error) = &unread.foreign {
            // From here on it is the application's own error, for who is outside too.
            let error = ApiError::clone(error).at_status(status);
            error.append_headers(&mut head.headers);
            head.extensions.insert(error);
        }
        let members = self.others.keeps_members.then(|| unread.foreign.members());
        self.tell(request, head, unread, members.as_ref());
        if let Foreign::Connect(content) = &unread.foreign {
            return Some(content.clone());
        }
        let own = ApiError::of_head(status, &head.extensions);
        let mut old = Old { status, keeps_words: false };
        if let Some(rpc) = rpc {
            let cause = own.map_or(Cause::Application, ApiError::cause);
            remove_old_headers(&mut head.headers, old);
            return rpc.write(request.method(), cause, head);
        }
        let foreign = &unread.foreign;
        let texts = own.map_or((foreign.title(), foreign.description()), ApiError::own_texts);
        let texts = Texts::of(texts.0, texts.1);
        let uri = self.others.uri.show(request);
        let mut error =
            Occurrence::new(status, request.method_text(), uri.as_str()).with_texts(&texts);
        if let Some(own) = own {
            error = error.with_error(own);
        } else if let Some(code) = foreign.code() {
            error = error.with_code(code);
        }
        if let Some(members) = members.as_ref().filter(|_| own.is_none()) {
            error = error.with_members(members);
        }
        if self.others.wanted.is_some() {
            error = error.with_request_id(self.request_id(request, &head.headers));
            error = request.headers().map_or(error, |headers| error.with_remembered(headers));
        }
        old.keeps_words = !error.has_default_description();
        let (mut written, content) = self.content(error);
        let content = Some(content).filter(|_| *request.method() != Method::HEAD);
        written.length = content.as_ref().map(Bytes::len);
        set_headers(&mut head.headers, old, written);
        content
    }

    /// The content that tells this error, and what the head says of it.
    fn content(&self, error: Occurrence<'_>) -> (Written, Bytes) {
        attempt(&self.format, error).or_else(|| attempt(&EnvelopeFormat, error)).unwrap_or_else(
            || {
                let content_type = HeaderValue::from_static("application/json");
                (Written { content_type, language: None, length: None }, FALLBACK)
            },
        )
    }
}

/// What `format` writes; `None` if it panics or writes nothing.
fn attempt(format: &impl ErrorFormat, error: Occurrence<'_>) -> Option<(Written, Bytes)> {
    let written = catch(|| {
        let mut out = Vec::new();
        let error = error.without(format.own_names());
        format.write(&error, &mut out);
        let (content_type, language) = (format.content_type(), format.content_language(&error));
        (Written { content_type, language, length: None }, Bytes::from(out))
    });
    let written = written.inspect_err(|panic| panic.tell("Format"));
    written.ok().filter(|(_, content)| !content.is_empty())
}

/// Reads the first KiB of a text, as far as it is ready now. What was read before a panic counts.
fn read_ready<B: Body<Data = Bytes>>(
    mut body: Pin<&mut B>,
    text: &mut Vec<u8>,
    cx: &mut Context<'_>,
) {
    const MAX_BYTES: usize = 1024;
    while text.len() < MAX_BYTES {
        let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(cx) else { break };
        let data = frame.into_data().unwrap_or_default();
        if data.is_empty() {
            break;
        }
        let room = MAX_BYTES - text.len();
        text.extend_from_slice(data.get(..room).unwrap_or(&data));
    }
}

/// The text on one escaped line; a character that was cut in two at the end is left out.
fn first_line(text: &[u8]) -> Option<String> {
    let valid = text.utf8_chunks().next()?.valid();
    (!valid.is_empty()).then(|| escaped(valid))
}

/// Sent when no format could write: an envelope still, complete, that says nothing.
const FALLBACK: Bytes = Bytes::from_static(
    br#"{"http_method":"","title":"Error","description":"The request failed.","code":500,"uri":""}"#,
);
