//! One answer, as it came: nothing is repaired, folded or decoded but the framing.

use std::{fmt, time::Duration};

use serde::Serialize;

/// The version of HTTP that a request is sent over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum Version {
    /// HTTP/1.1.
    #[serde(rename = "HTTP/1.1")]
    Http1,
    /// HTTP/2, without TLS by prior knowledge, over TLS by ALPN.
    #[serde(rename = "HTTP/2")]
    Http2,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        })
    }
}

/// A final response and what is known of how it came.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) version: Version,
    pub(super) status: u16,
    /// Names in lower case, lines in the order in which they came.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
    /// Trailers of HTTP/2.
    pub(super) trailers: Vec<(String, String)>,
    /// Bytes that came after the end of the message, where the connection was read to its end.
    pub(super) surplus: usize,
    /// Statuses 1xx that came before.
    pub(super) interim: Vec<u16>,
    /// From the first byte that was sent to the end of the head.
    pub(super) took: Duration,
}

/// How a message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As its framing says.
    Complete,
    /// The connection or the stream ended before the message did.
    Broken(String),
    /// The body passes what the tool reads.
    TooLarge,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection could be made.
    Connect(String),
    /// The connection ended without an answer.
    Closed(String),
    /// Nothing came in time.
    Late(Duration),
    /// What came is no HTTP.
    Garbage(String),
    /// The request could not be written to its end.
    Unsent(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Closed(why) => write!(f, "the connection ended without an answer: {why}"),
            Self::Late(limit) => write!(f, "no answer within {} s", limit.as_secs_f32()),
            Self::Garbage(why) => write!(f, "the answer is no valid HTTP: {why}"),
            Self::Unsent(why) => write!(f, "the answer was lost, the request cut off: {why}"),
        }
    }
}

impl Answer {
    /// The values of all lines of a field.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.fields.iter().filter(|(n, _)| n == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that has exactly one line.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        match self.all(name).as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(n, _)| n == name)
    }

    /// The members of a comma-separated list field, all its lines taken together.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let lines = self.all(name).into_iter().flat_map(|line| line.split(','));
        lines.map(str::trim).filter(|member| !member.is_empty()).collect()
    }

    pub(super) fn lists(&self, name: &str, member: &str) -> bool {
        self.list(name).iter().any(|m| m.eq_ignore_ascii_case(member))
    }

    /// The lines of a field as a finding shows them, at most 100 characters.
    pub(super) fn shown(&self, name: &str) -> String {
        match self.all(name).as_slice() {
            [] => format!("no {name}"),
            lines => excerpt(&format!("{name}: {}", lines.join(" | "))),
        }
    }

    pub(super) fn is_error(&self) -> bool {
        (400..=599).contains(&self.status)
    }

    pub(super) fn is_success(&self) -> bool {
        (200..=299).contains(&self.status)
    }

    /// Status, content type and the start of the body, on one line.
    pub(super) fn summary(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let kind = self.one("content-type").unwrap_or("no content-type");
        match text.trim() {
            "" => format!("{}, {kind}, no body", self.status),
            text => format!("{}, {kind}: {}", self.status, excerpt(text)),
        }
    }

    /// The whole answer as one text, to look for what must not be in it.
    pub(super) fn text(&self) -> String {
        let lines = self.fields.iter().chain(&self.trailers);
        let mut text: String = lines.flat_map(|(name, value)| [name, ": ", value, "\n"]).collect();
        text.push_str(&String::from_utf8_lossy(&self.body));
        text
    }
}

/// At most 100 characters on one line, what cannot be seen escaped.
pub(super) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    for (place, character) in text.chars().enumerate() {
        if place == 100 {
            shown.push('…');
            break;
        }
        match character {
            ' '..='~' => shown.push(character),
            _ if character.is_alphanumeric() => shown.push(character),
            _ => shown.extend(character.escape_default()),
        }
    }
    shown
}
