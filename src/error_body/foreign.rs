//! What a body that someone else wrote says of the error.

use std::{
    borrow::Cow,
    pin::pin,
    str::from_utf8,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body::Body;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{
    format::{Envelope, grpc::is_connect_code},
    unwind::catch,
};

/// Longest text: a rejection is a line, a page is not a description.
const MAX_TEXT: usize = 8 * 1024;
/// Longest JSON: an envelope of ours has at most 8 KiB, one with long texts some more.
const MAX_JSON: usize = 64 * 1024;
/// Most frames: a body of empty frames that are always ready would never end.
const MAX_FRAMES: usize = 256;

/// Where the texts of an error body came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextOrigin {
    /// An [`ApiError`](crate::ApiError) of a layer or of the application.
    ApiError,
    /// An envelope that the service wrote.
    Envelope,
    /// Problem details (RFC 9457) that the service wrote.
    ProblemDetails,
    /// Plain text, as frameworks reject with.
    Text,
    /// The status alone: what the service wrote was not fit to be sent, or there was nothing.
    Status,
}

/// What the service's own error response says.
#[derive(Debug)]
pub(super) enum Foreign {
    Envelope(Envelope),
    Problem(Problem),
    /// UTF-8, not empty.
    Text(Bytes),
    Nothing,
}

/// The members of problem details that an envelope can tell. One of another type than RFC 9457 says
/// is ignored (3.1).
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    title: Value,
    detail: Value,
    code: Value,
    /// Makes it an object: serde takes an array of the values too.
    #[serde(flatten)]
    _others: IgnoredAny,
}

impl Foreign {
    /// Reads what the response says, as far as it may be told.
    ///
    /// A 5xx says nothing: its texts are for the people who run the service.
    pub(super) fn read<B>(
        status: StatusCode,
        headers: &HeaderMap,
        body: B,
        cx: &mut Context<'_>,
    ) -> Self
    where
        B: Body<Data = Bytes>,
    {
        let readable = status.is_client_error() && !headers.contains_key(CONTENT_ENCODING);
        let media = if readable { media_type(headers) } else { None };
        let said = media.and_then(|media| media.parse(ready_content(body, media.max_len(), cx)?));
        said.unwrap_or(Self::Nothing)
    }

    pub(super) fn title(&self) -> &str {
        match self {
            Self::Envelope(envelope) => &envelope.title,
            Self::Problem(problem) => problem.title.as_str().unwrap_or_default(),
            Self::Text(_) | Self::Nothing => "",
        }
    }

    pub(super) fn description(&self) -> &str {
        match self {
            Self::Envelope(envelope) => &envelope.description,
            Self::Problem(problem) => {
                problem.detail.as_str().or(problem.title.as_str()).unwrap_or_default()
            }
            Self::Text(text) => from_utf8(text).unwrap_or_default(),
            Self::Nothing => "",
        }
    }

    pub(super) fn code(&self) -> Option<u32> {
        match self {
            Self::Envelope(envelope) => Some(envelope.code),
            Self::Problem(problem) => problem.code.as_u64()?.try_into().ok(),
            Self::Text(_) | Self::Nothing => None,
        }
    }

    pub(super) const fn origin(&self) -> TextOrigin {
        match self {
            Self::Envelope(_) => TextOrigin::Envelope,
            Self::Problem(_) => TextOrigin::ProblemDetails,
            Self::Text(_) => TextOrigin::Text,
            Self::Nothing => TextOrigin::Status,
        }
    }
}

impl Default for Problem {
    fn default() -> Self {
        Self { title: Value::Null, detail: Value::Null, code: Value::Null, _others: IgnoredAny }
    }
}

/// The content of an error of a service that speaks Connect itself: JSON with one of its codes.
pub(super) fn connect_error<B>(headers: &HeaderMap, body: B, cx: &mut Context<'_>) -> Option<Bytes>
where
    B: Body<Data = Bytes>,
{
    #[derive(Deserialize)]
    struct ConnectError<'a> {
        #[serde(borrow)]
        code: Cow<'a, str>,
    }
    let is_json = media_type(headers)? == Media::Json && !headers.contains_key(CONTENT_ENCODING);
    let content = ready_content(is_json.then_some(body)?, MAX_JSON, cx)?;
    let error: ConnectError<'_> = serde_json::from_slice(&content).ok()?;
    is_connect_code(&error.code).then_some(content)
}

/// The kinds of content that can describe an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    Problem,
    Text,
}

/// The kind that `content-type` names; parameters do not count, that it is UTF-8 is checked later.
fn media_type(headers: &HeaderMap) -> Option<Media> {
    let value = headers.get(CONTENT_TYPE)?.as_bytes();
    let essence = value.split(|byte| *byte == b';').next()?.trim_ascii();
    let is = |media_type: &str| {
        essence == media_type.as_bytes() || essence.eq_ignore_ascii_case(media_type.as_bytes())
    };
    if is("text/plain") {
        Some(Media::Text)
    } else if is("application/json") {
        Some(Media::Json)
    } else {
        is("application/problem+json").then_some(Media::Problem)
    }
}

impl Media {
    const fn max_len(self) -> usize {
        match self {
            Self::Text => MAX_TEXT,
            Self::Json | Self::Problem => MAX_JSON,
        }
    }

    /// What the whole content says; `None` if it is not of the kind that its type names.
    fn parse(self, content: Bytes) -> Option<Foreign> {
        match self {
            Self::Json => serde_json::from_slice(&content).ok().map(Foreign::Envelope),
            Self::Problem => serde_json::from_slice(&content).ok().map(Foreign::Problem),
            Self::Text => {
                let is_text = !content.is_empty() && from_utf8(&content).is_ok();
                is_text.then_some(Foreign::Text(content))
            }
        }
    }
}

/// The whole content, if it is ready now and at most `max` bytes long.
///
/// `Pending` ends the reading, as do an error, a panic and a frame too many: the answer never waits
/// for a body. Trailers are dropped with it.
fn ready_content<B>(body: B, max: usize, cx: &mut Context<'_>) -> Option<Bytes>
where
    B: Body<Data = Bytes>,
{
    let least = catch(|| body.size_hint().lower()).ok()?;
    if least > max as u64 {
        return None;
    }
    let mut body = pin!(body);
    let mut content = Content::default();
    for _ in 0..MAX_FRAMES {
        let Ok(Poll::Ready(frame)) = catch(|| body.as_mut().poll_frame(cx)) else {
            return None;
        };
        match frame {
            None => return Some(content.into_bytes()),
            Some(Err(_)) => return None,
            Some(Ok(frame)) => content.push(frame.into_data().unwrap_or_default()),
        }
        if content.len() > max {
            return None;
        }
    }
    None
}

/// Collected content; the usual single frame is not copied.
#[derive(Default)]
struct Content {
    first: Bytes,
    joined: BytesMut,
}

impl Content {
    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() {
            self.first = data;
        } else if !data.is_empty() {
            if self.joined.is_empty() {
                self.joined.extend_from_slice(&self.first);
            }
            self.joined.extend_from_slice(&data);
        }
    }

    fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}
