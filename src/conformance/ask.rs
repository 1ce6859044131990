//! What is sent: requests on one connection, and how they are told as `curl` lines.

use std::fmt::Write;

use crate::conformance::answer::{Answer, Trouble, Version};

/// Requests that share a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) version: Version,
    pub(super) manner: Manner,
    pub(super) messages: Vec<Message>,
}

/// How the requests of an [`Ask`] are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Each one after the answer before it; the last one asks HTTP/1.1 to close.
    InTurn,
    /// All are written before an answer is read (HTTP/1.1).
    Pipelined,
    /// All at once: streams of one HTTP/2 connection, or HTTP/1.1 connections.
    AtOnce,
    /// The head alone; the content is kept back until an answer or the limit comes.
    Withheld,
    /// Half of the content; then the connection is closed and no answer is read.
    HalfWay,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) chunked: bool,
    /// Bytes that are sent as they are, in place of a request that is written well.
    pub(super) raw: Option<Vec<u8>>,
    /// What the raw bytes are, in words.
    pub(super) about: &'static str,
}

/// What came back, one for each message.
pub(super) type Answers = Vec<Result<Answer, Trouble>>;

// ===== impl Message =====

impl Message {
    pub(super) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            fields: Vec::new(),
            body: None,
            chunked: false,
            raw: None,
            about: "",
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_preflight(&self) -> bool {
        self.method == "OPTIONS" && self.field("access-control-request-method").is_some()
    }

    /// The request as HTTP/1.1 sends it.
    pub(super) fn head(&self, authority: &str, close: bool) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if self.field("host").is_none() {
            let _ = write!(head, "host: {authority}\r\n");
        }
        let _ = write!(head, "user-agent: {USER_AGENT}\r\n");
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        match &self.body {
            Some(_) if self.chunked => head.push_str("transfer-encoding: chunked\r\n"),
            Some(body) => {
                let _ = write!(head, "content-length: {}\r\n", body.len());
            }
            None => {}
        }
        head.push_str(if close { "connection: close\r\n\r\n" } else { "\r\n" });
        head.into_bytes()
    }

    /// The content as HTTP/1.1 sends it.
    pub(super) fn content(&self) -> Vec<u8> {
        match &self.body {
            Some(body) if self.chunked => {
                let mut content = format!("{:x}\r\n", body.len()).into_bytes();
                content.extend_from_slice(body);
                content.extend_from_slice(b"\r\n0\r\n\r\n");
                content
            }
            Some(body) => body.clone(),
            None => Vec::new(),
        }
    }

    /// The request as a `curl` command.
    pub(super) fn curl(&self, origin: &str, version: Version) -> String {
        if self.raw.is_some() {
            return format!("({} to {origin}, by hand)", self.about);
        }
        let mut line = String::from("curl -i");
        match self.method.as_str() {
            "GET" => {}
            "HEAD" => line.push_str(" -I"),
            method => {
                let _ = write!(line, " -X {method}");
            }
        }
        match version {
            Version::Http1 => {}
            Version::Http2 if origin.starts_with("https:") => line.push_str(" --http2"),
            Version::Http2 => line.push_str(" --http2-prior-knowledge"),
        }
        for (name, value) in &self.fields {
            let value = if value.len() > 200 { "(a long value)" } else { value };
            let _ = write!(line, " -H {}", quoted(&format!("{name}: {value}")));
        }
        if let Some(body) = &self.body {
            if self.chunked {
                line.push_str(" -H 'transfer-encoding: chunked'");
            }
            match std::str::from_utf8(body) {
                Ok(text) if body.len() <= 200 => {
                    let _ = write!(line, " --data-binary {}", quoted(text));
                }
                _ => {
                    let _ = write!(line, " --data-binary @{}-bytes", body.len());
                }
            }
        }
        match self.target.as_str() {
            "*" => {
                let _ = write!(line, " --request-target '*' {origin}/");
            }
            target if target.len() > 300 => {
                let _ = write!(line, " '{origin}/(a path of {} bytes)'", target.len());
            }
            target => {
                let _ = write!(line, " {}", quoted(&format!("{origin}{target}")));
            }
        }
        line
    }
}

pub(super) const USER_AGENT: &str = concat!("tower-contract-check/", env!("CARGO_PKG_VERSION"));

/// One word of a shell's command line.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:=%+,@".contains(c);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

// ===== impl Ask =====

impl Ask {
    pub(super) fn new(method: &str, target: &str) -> Self {
        Self {
            version: Version::Http1,
            manner: Manner::InTurn,
            messages: vec![Message::new(method, target)],
        }
    }

    /// Bytes that no client library would send.
    pub(super) fn raw(about: &'static str, bytes: &[u8]) -> Self {
        let ask = Self::new("GET", "/");
        ask.each(|message| {
            message.about = about;
            message.raw = Some(bytes.to_vec());
        })
    }

    /// A CORS-preflight request: a browser sends no credentials with it.
    pub(super) fn preflight(target: &str, origin: &str, method: &str) -> Self {
        let ask = Self::new("OPTIONS", target).origin(origin);
        ask.with("access-control-request-method", method)
    }

    fn each(mut self, change: impl Fn(&mut Message)) -> Self {
        self.messages.iter_mut().for_each(change);
        self
    }

    /// Adds a field to every request.
    pub(super) fn with(self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.each(|message| message.fields.push((name.to_owned(), value.clone())))
    }

    pub(super) fn origin(self, origin: impl Into<String>) -> Self {
        self.with("origin", origin)
    }

    pub(super) fn content(self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let ask = self.each(|message| message.body = Some(body.clone()));
        match kind {
            "" => ask,
            kind => ask.with("content-type", kind),
        }
    }

    pub(super) fn chunked(self) -> Self {
        self.each(|message| message.chunked = true)
    }

    /// The requests of `next` follow on the same connection.
    pub(super) fn then(mut self, next: Self) -> Self {
        self.messages.extend(next.messages);
        self
    }

    pub(super) fn sent(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    pub(super) fn over(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// The same request `count` times, at once.
    pub(super) fn times(mut self, count: usize) -> Self {
        let messages = std::mem::take(&mut self.messages);
        self.messages = messages.iter().cycle().take(messages.len() * count).cloned().collect();
        self.sent(Manner::AtOnce)
    }
}
