//! What becomes of a response: it passes, or its content is written, from its own words or not.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, response::Parts};
use http_body::Body;

use super::{
    KeepBody, Settings,
    foreign::{Foreign, Media},
    head::set_headers,
    rpc::{Rpc, is_answered},
};
use crate::{
    api_error::{ApiError, Cause, text::Texts},
    format::{EnvelopeFormat, ErrorFormat, Occurrence},
    report::{ErrorReport, TextOrigin, Told, Why, is_recorded, level},
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
    foreign: Foreign,
    /// The text of a 5xx that is not sent, for the people who run the service.
    masked: Option<String>,
}

// ===== the decision =====

/// Decides what becomes of `response` to a request with this head.
pub(crate) fn plan<B>(head: &RequestHead, rpc: Option<&Rpc>, response: &Response<B>) -> Plan
where
    B: Body,
{
    let (status, headers) = (response.status(), response.headers());
    if !is_error(status) || response.extensions().get::<KeepBody>().is_some() {
        return Plan::Pass;
    }
    if rpc.is_some() && is_answered(headers) {
        return Plan::Pass;
    }
    if ApiError::of(response).is_some() || *head.method() == Method::HEAD {
        return Plan::Write;
    }
    let media = match rpc {
        Some(rpc) if rpc.takes_json() => Media::of_connect_error(headers),
        Some(_) => None,
        None => Media::of_error(status, headers),
    };
    // A body that panics when asked is not read.
    let fits = |media: &Media| {
        let body = response.body();
        let hint = catch(|| (body.is_end_stream(), body.size_hint().lower()));
        hint.is_ok_and(|(is_empty, least)| !is_empty && least <= media.max_len() as u64)
    };
    media.filter(fits).map_or(Plan::Write, Plan::Read)
}

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
        let is_masked = is_masked && self.is_listened_to(Cause::Application, head.status);
        let mut body = pin!(Some(body));
        let text = body.as_mut().as_pin_mut().filter(|_| is_masked);
        let (masked, polled) = match text.map(|text| catch(|| ready_text(text, cx))) {
            None => (None, None),
            Some(Ok(text)) => (text, None),
            Some(Err(panic)) => (None, Some(panic)),
        };
        let dropped = catch(|| body.set(None)).err();
        (Unread { foreign: Foreign::Nothing, masked }, BodyPanics { polled, dropped })
    }

    /// Whether a hook wants to know of errors.
    pub(crate) fn has_hook(&self) -> bool {
        self.on_error.is_set()
    }

    /// Whether a hook or a subscriber wants to know of such an error.
    fn is_listened_to(&self, cause: Cause, status: StatusCode) -> bool {
        self.on_error.is_set() || is_recorded(level(cause, status.as_u16()))
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
        self.tell(request, head, unread);
        let status = head.status;
        if let Foreign::Connect(content) = &unread.foreign {
            return Some(content.clone());
        }
        let own = ApiError::of_head(status, &head.extensions);
        if let Some(rpc) = rpc {
            let cause = own.map_or(Cause::Application, ApiError::cause);
            super::head::remove_old_headers(&mut head.headers, status);
            return rpc.write(request.method(), cause, head);
        }
        let (content_type, content) = if let Some(error) = own {
            self.content(request, status, error.own_texts(), Ok(error))
        } else {
            let foreign = &unread.foreign;
            let code = foreign.code().unwrap_or(status.as_u16().into());
            let texts = (foreign.title(), foreign.description());
            self.content(request, status, texts, Err(code))
        };
        let content = Some(content).filter(|_| *request.method() != Method::HEAD);
        set_headers(&mut head.headers, status, content_type, content.as_ref().map(Bytes::len));
        content
    }

    /// The body that says these texts, made safe, with the code or all that `error` adds, and its
    /// `content-type`.
    fn content(
        &self,
        request: &RequestHead,
        status: StatusCode,
        (title, description): (&str, &str),
        told: Result<&ApiError, u32>,
    ) -> (HeaderValue, Bytes) {
        let texts = Texts::of(title, description);
        let uri = self.uri.show(request);
        let error = Occurrence::new(status, request.method_text(), uri.as_str()).with_texts(&texts);
        let error = match told {
            Ok(told) => error.with_error(told),
            Err(code) => error.with_code(code),
        };
        attempt(&self.format, error)
            .or_else(|| attempt(&EnvelopeFormat, error))
            .unwrap_or((HeaderValue::from_static("application/json"), FALLBACK))
    }

    /// One event and one call of the hook, unless an inner layer has told of this response.
    fn tell(&self, request: &RequestHead, head: &mut Parts, unread: &Unread) {
        let status = head.status;
        let own = ApiError::of_head(status, &head.extensions);
        let cause = own.map_or(Cause::Application, ApiError::cause);
        if !self.is_listened_to(cause, status) || head.extensions.get::<Told>().is_some() {
            return;
        }
        let error = own.and_then(std::error::Error::source);
        let why = Why::of(error);
        let uri = request.report_uri();
        let foreign = &unread.foreign;
        let report = ErrorReport {
            status,
            code: own.map(ApiError::code).or(foreign.code()).unwrap_or(status.as_u16().into()),
            cause,
            method: request.method(),
            uri: uri.as_str(),
            origin: own.map_or(foreign.origin(), |_| TextOrigin::ApiError),
            sources: why.sources.as_deref(),
            panic: why.panic.as_deref(),
            location: why.location.as_deref(),
            masked: unread.masked.as_deref(),
            error,
        };
        // A subscriber that panics hurts nobody.
        #[cfg(feature = "tracing")]
        let _ = catch(|| report.record());
        self.on_error.run(|hook| hook(&report));
        head.extensions.insert(Told);
    }
}

/// What `format` writes; `None` if it panics or writes nothing.
fn attempt(format: &impl ErrorFormat, error: Occurrence<'_>) -> Option<(HeaderValue, Bytes)> {
    let written = catch(|| {
        let mut out = Vec::new();
        format.write(&error.without(format.own_names()), &mut out);
        (format.content_type(), Bytes::from(out))
    });
    written.ok().filter(|(_, content)| !content.is_empty())
}

/// The first KiB of a text that is ready now, on one escaped line.
fn ready_text<B: Body<Data = Bytes>>(
    mut body: Pin<&mut B>,
    cx: &mut Context<'_>,
) -> Option<String> {
    const MAX_BYTES: usize = 1024;
    let mut text = Vec::new();
    while text.len() < MAX_BYTES {
        let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(cx) else { break };
        let data = frame.into_data().unwrap_or_default();
        if data.is_empty() {
            break;
        }
        let room = MAX_BYTES - text.len();
        text.extend_from_slice(data.get(..room).unwrap_or(&data));
    }
    // A character that was cut in two at the end is left out.
    let valid = text.utf8_chunks().next()?.valid();
    (!valid.is_empty()).then(|| escaped(valid))
}

/// Sent when no format could write: an envelope still, complete, that says nothing.
const FALLBACK: Bytes = Bytes::from_static(
    br#"{"http_method":"","title":"Error","description":"The request failed.","code":500,"uri":""}"#,
);
