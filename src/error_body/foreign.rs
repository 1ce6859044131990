//! What a body that someone else wrote says of the error.

use std::{borrow::Cow, str::from_utf8};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    api_error::{ApiError, Members},
    format::{Envelope, grpc::is_connect_code},
    report::TextOrigin,
};

/// Longest text: a rejection is a line, a page is not a description.
const MAX_TEXT: usize = 8 * 1024;
/// Longest JSON: an envelope of ours has at most 8 KiB, one with long texts some more.
pub(super) const MAX_JSON: usize = 64 * 1024;
/// Longest text without a type: a sentence.
const MAX_UNTYPED: usize = 512;

/// What the service's own error response says.
#[derive(Debug)]
pub(crate) enum Foreign {
    // Boxed, so that what is usual, a text or nothing, is moved in a few words.
    Envelope(Box<Envelope>),
    Problem(Box<Problem>),
    /// UTF-8, not empty.
    Text(Bytes),
    /// An error in Connect's own JSON, for a client that reads it.
    Connect(Bytes),
    /// What the application says that it is.
    Understood(Box<ApiError>),
    Nothing,
}

/// The members of problem details that an envelope can tell. One of another type than RFC 9457 says
/// is ignored (3.1).
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    title: Value,
    detail: Value,
    code: Value,
    /// They make it an object, too: serde takes an array of the values as well.
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Foreign {
    pub(super) fn title(&self) -> &str {
        match self {
            Self::Envelope(envelope) => &envelope.title,
            Self::Problem(problem) => problem.title.as_str().unwrap_or_default(),
            Self::Text(_) | Self::Connect(_) | Self::Understood(_) | Self::Nothing => "",
        }
    }

    pub(super) fn description(&self) -> &str {
        match self {
            Self::Envelope(envelope) => &envelope.description,
            Self::Problem(problem) => {
                problem.detail.as_str().or(problem.title.as_str()).unwrap_or_default()
            }
            Self::Text(text) => from_utf8(text).unwrap_or_default(),
            Self::Connect(_) | Self::Understood(_) | Self::Nothing => "",
        }
    }

    pub(super) fn code(&self) -> Option<u32> {
        match self {
            Self::Envelope(envelope) => Some(envelope.code),
            Self::Problem(problem) => problem.code.as_u64()?.try_into().ok(),
            Self::Text(_) | Self::Connect(_) | Self::Understood(_) | Self::Nothing => None,
        }
    }

    pub(super) const fn origin(&self) -> TextOrigin {
        match self {
            Self::Envelope(_) => TextOrigin::Envelope,
            Self::Problem(_) => TextOrigin::ProblemDetails,
            Self::Text(_) => TextOrigin::Text,
            Self::Understood(_) => TextOrigin::Understood,
            Self::Connect(_) | Self::Nothing => TextOrigin::Status,
        }
    }

    /// The members that it has beyond those that the envelope tells in its own words.
    pub(super) fn members(&self) -> Members {
        let (others, told): (_, &[&str]) = match self {
            Self::Envelope(envelope) => (&envelope.members, &[]),
            Self::Problem(problem) => (&problem.others, &["status", "instance", "http_method"]),
            _ => return Members::default(),
        };
        let mut members = Members::default();
        for (name, value) in others.iter().filter(|(name, _)| !told.contains(&name.as_str())) {
            members.insert(Cow::Owned(name.clone()), value.clone());
        }
        members
    }
}

impl Default for Problem {
    fn default() -> Self {
        Self { title: Value::Null, detail: Value::Null, code: Value::Null, others: Map::new() }
    }
}

/// The kinds of content that can describe an error, by which its bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Problem,
    Text,
    /// JSON that answers an rpc of Connect: an error of the service's own, whatever its status.
    Connect,
    /// Short content without a type, which services write by hand.
    Untyped,
    /// Content of any other type, which only the application may understand.
    Other,
}

impl Media {
    /// The kind of content that the head of an error response promises; `None`: nothing to read.
    ///
    /// A 5xx says nothing: its texts are for the people who run the service. Content of any type
    /// may be read where the application asks for it.
    pub(super) fn of_error(
        status: StatusCode,
        headers: &HeaderMap,
        any_type: bool,
    ) -> Option<Self> {
        if !status.is_client_error() {
            return None;
        }
        let Described { media_type, is_encoded } = Described::by(headers);
        if is_encoded {
            return None;
        }
        Self::named(media_type).or(any_type.then_some(Self::Other))
    }

    /// The kind of content in which a service that speaks Connect itself tells an error.
    pub(super) fn of_connect_error(headers: &HeaderMap) -> Option<Self> {
        let is_json = Self::of_type(headers) == Some(Self::Json);
        (is_json && !headers.contains_key(CONTENT_ENCODING)).then_some(Self::Connect)
    }

    /// The kind that `content-type` names; parameters do not count, that it is UTF-8 is checked
    /// later.
    pub(super) fn of_type(headers: &HeaderMap) -> Option<Self> {
        Self::named(headers.get(CONTENT_TYPE))
    }

    fn named(media_type: Option<&HeaderValue>) -> Option<Self> {
        let Some(value) = media_type else { return Some(Self::Untyped) };
        // As nearly all services write it; the general way gives the same.
        match value.as_bytes() {
            b"text/plain" | b"text/plain; charset=utf-8" => return Some(Self::Text),
            b"application/json" => return Some(Self::Json),
            _ => {}
        }
        let essence = value.as_bytes().split(|byte| *byte == b';').next()?.trim_ascii();
        let is = |media_type: &str| {
            essence == media_type.as_bytes() || essence.eq_ignore_ascii_case(media_type.as_bytes())
        };
        if is("text/plain") {
            Some(Self::Text)
        } else if is("application/json") {
            Some(Self::Json)
        } else {
            is("application/problem+json").then_some(Self::Problem)
        }
    }

    pub(super) const fn max_len(self) -> usize {
        match self {
            Self::Untyped => MAX_UNTYPED,
            Self::Other => 0,
            Self::Text => MAX_TEXT,
            Self::Json | Self::Problem | Self::Connect => MAX_JSON,
        }
    }

    /// Whether content of this kind is worth a wait: what has no type is not.
    pub(super) const fn is_waited_for(self) -> bool {
        !matches!(self, Self::Untyped | Self::Other)
    }

    /// What the whole content says; `None` if it is not of its kind.
    pub(super) fn parse(self, content: Bytes) -> Option<Foreign> {
        match self {
            Self::Json => serde_json::from_slice(&content).ok().map(Foreign::Envelope),
            Self::Problem => serde_json::from_slice(&content).ok().map(Foreign::Problem),
            Self::Text => is_text(&content).then_some(Foreign::Text(content)),
            Self::Connect => is_connect_error(&content).then_some(Foreign::Connect(content)),
            Self::Other => None,
            // What begins so is markup or JSON, and would be a description that nobody can read.
            Self::Untyped => {
                let is_line = is_text(&content) && !content.starts_with(b"<");
                let is_line = is_line && !content.starts_with(b"{") && !content.starts_with(b"[");
                is_line.then_some(Foreign::Text(content))
            }
        }
    }
}

fn is_text(content: &[u8]) -> bool {
    !content.is_empty() && (content.is_ascii() || from_utf8(content).is_ok())
}

/// What a head says of its content.
struct Described<'a> {
    media_type: Option<&'a HeaderValue>,
    is_encoded: bool,
}

impl<'a> Described<'a> {
    /// By one look at the names where they are few: less than two lookups, which hash a name each.
    fn by(headers: &'a HeaderMap) -> Self {
        const FEW: usize = 8;
        if headers.len() > FEW {
            let is_encoded = headers.contains_key(CONTENT_ENCODING);
            return Self { media_type: headers.get(CONTENT_TYPE), is_encoded };
        }
        let mut described = Self { media_type: None, is_encoded: false };
        for (name, value) in headers {
            if *name == CONTENT_TYPE {
                // The first line counts, as in a lookup.
                described.media_type = described.media_type.or(Some(value));
            }
            described.is_encoded |= *name == CONTENT_ENCODING;
        }
        described
    }
}

/// Whether the content is JSON with one of Connect's codes (Connect, Error Codes).
fn is_connect_error(content: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct ConnectError<'a> {
        #[serde(borrow)]
        code: Cow<'a, str>,
    }
    serde_json::from_slice::<ConnectError<'_>>(content)
        .is_ok_and(|error| is_connect_code(&error.code))
}
