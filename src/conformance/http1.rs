//! HTTP/1.1 over a raw connection: a client library would repair what is wrong.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::conformance::{
    answer::{Answer, End, Trouble, Version},
    ask::{Answers, Ask, Manner, Message},
    transport::{Connection, MAX_BODY, REQUEST_LIMIT},
};

/// More than any server sends, and little enough to hold.
const MAX_HEAD: usize = 256 * 1024;

/// How long a connection that should be closed is read for more.
const SURPLUS_WAIT: Duration = Duration::from_millis(100);

/// How long content is kept back, before the lack of an answer is one.
const WITHHELD_WAIT: Duration = Duration::from_secs(2);

/// Sends the requests of `ask` on `connection` and reads the answers.
pub(super) async fn converse(connection: Connection, authority: &str, ask: &Ask) -> Answers {
    let mut wire = Wire { connection, read: Vec::new(), unsent: None };
    let last = ask.messages.len().saturating_sub(1);
    if ask.manner == Manner::Pipelined {
        let all = ask.messages.iter().enumerate();
        let bytes: Vec<u8> = all.flat_map(|(at, m)| wire_bytes(m, authority, at == last)).collect();
        wire.write(&bytes).await;
    }
    let mut answers = Answers::new();
    for (at, message) in ask.messages.iter().enumerate() {
        let answer = match ask.manner {
            Manner::Pipelined => wire.answer(message, at == last, REQUEST_LIMIT).await,
            Manner::HalfWay => wire.half(message, authority).await,
            Manner::Withheld => {
                wire.write(&message.head(authority, false)).await;
                wire.answer(message, false, WITHHELD_WAIT).await
            }
            Manner::InTurn | Manner::AtOnce => {
                wire.write(&wire_bytes(message, authority, at == last)).await;
                wire.answer(message, at == last, REQUEST_LIMIT).await
            }
        };
        answers.push(answer);
    }
    answers
}

fn wire_bytes(message: &Message, authority: &str, close: bool) -> Vec<u8> {
    if let Some(raw) = &message.raw {
        return raw.clone();
    }
    let mut bytes = message.head(authority, close);
    bytes.extend_from_slice(&message.content());
    bytes
}

/// A connection, and what was read from it and not yet used.
struct Wire {
    connection: Connection,
    read: Vec<u8>,
    /// Why a request could not be written to its end.
    unsent: Option<String>,
}

/// The status line and the fields of a response.
struct Head {
    status: u16,
    fields: Vec<(String, String)>,
}

impl Wire {
    /// Writes all of it before anything is read; what fails is told with the answer.
    async fn write(&mut self, bytes: &[u8]) {
        let written = async {
            self.connection.write_all(bytes).await?;
            self.connection.flush().await
        };
        let result = match timeout(REQUEST_LIMIT, written).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err("it takes no more".to_owned()),
        };
        self.unsent = result.err();
    }

    /// Breaks off in the middle of the content.
    async fn half(&mut self, message: &Message, authority: &str) -> Result<Answer, Trouble> {
        let mut bytes = message.head(authority, false);
        let content = message.content();
        bytes.extend(content.iter().take(content.len() / 2));
        self.write(&bytes).await;
        let _ = self.connection.shutdown().await;
        Err(Trouble::Closed("the upload was broken off on purpose".into()))
    }

    async fn answer(
        &mut self,
        message: &Message,
        last: bool,
        limit: Duration,
    ) -> Result<Answer, Trouble> {
        let answer = match timeout(limit, self.read_answer(message, last)).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::Late(limit)),
        };
        // A client that writes all before it reads never sees this answer.
        match (self.unsent.take(), answer) {
            (Some(why), _) => Err(Trouble::Unsent(why)),
            (None, answer) => answer,
        }
    }

    async fn read_answer(&mut self, message: &Message, last: bool) -> Result<Answer, Trouble> {
        let start = Instant::now();
        let mut interim = Vec::new();
        let head = loop {
            let head = self.head().await?;
            match head.status {
                100..=199 if head.status != 101 => interim.push(head.status),
                _ => break head,
            }
        };
        let took = start.elapsed();
        let (body, end) = self.body(&message.method, &head).await?;
        let surplus = if last && end == End::Complete { self.surplus().await } else { 0 };
        Ok(Answer {
            version: Version::Http1,
            status: head.status,
            fields: head.fields,
            body,
            end,
            trailers: Vec::new(),
            surplus,
            interim,
            took,
        })
    }

    /// Reads more; `false` at the end of the connection.
    async fn more(&mut self) -> Result<bool, std::io::Error> {
        Ok(self.connection.read_buf(&mut self.read).await? > 0)
    }

    async fn head(&mut self) -> Result<Head, Trouble> {
        loop {
            if let Some((length, head)) = parse_head(&self.read)? {
                self.read.drain(..length);
                return Ok(head);
            }
            if self.read.len() > MAX_HEAD {
                return Err(Trouble::Garbage(format!("a head of more than {MAX_HEAD} bytes")));
            }
            let empty = self.read.is_empty();
            match self.more().await {
                Ok(true) => {}
                Ok(false) if empty => return Err(Trouble::Closed("it was closed".into())),
                Ok(false) => return Err(Trouble::Garbage("the head is cut off".into())),
                Err(error) => return Err(Trouble::Closed(error.to_string())),
            }
        }
    }

    async fn body(&mut self, method: &str, head: &Head) -> Result<(Vec<u8>, End), Trouble> {
        if method == "HEAD" || matches!(head.status, 101 | 204 | 304) {
            return Ok((Vec::new(), End::Complete));
        }
        match framing(head)? {
            Framing::Chunked => self.chunks().await,
            Framing::Length(length) => {
                let wanted = usize::try_from(length).unwrap_or(usize::MAX);
                Ok(self.take(wanted).await)
            }
            Framing::ToTheEnd => Ok(match self.take(usize::MAX).await {
                (body, End::Broken(why)) if why == CLOSED => (body, End::Complete),
                other => other,
            }),
        }
    }

    /// The next `wanted` bytes, as far as they come and the tool reads.
    async fn take(&mut self, wanted: usize) -> (Vec<u8>, End) {
        loop {
            if self.read.len() >= wanted {
                let rest = self.read.split_off(wanted);
                return (std::mem::replace(&mut self.read, rest), End::Complete);
            }
            if self.read.len() > MAX_BODY {
                return (std::mem::take(&mut self.read), End::TooLarge);
            }
            let end = match self.more().await {
                Ok(true) => continue,
                Ok(false) => CLOSED.to_owned(),
                Err(error) => error.to_string(),
            };
            return (std::mem::take(&mut self.read), End::Broken(end));
        }
    }

    async fn chunks(&mut self) -> Result<(Vec<u8>, End), Trouble> {
        let mut body = Vec::new();
        loop {
            let (length, size) = match httparse::parse_chunk_size(&self.read) {
                Ok(httparse::Status::Complete(found)) => found,
                Ok(httparse::Status::Partial) => match self.more().await {
                    Ok(true) => continue,
                    Ok(false) => return Ok((body, End::Broken(CLOSED.into()))),
                    Err(error) => return Ok((body, End::Broken(error.to_string()))),
                },
                Err(_) => return Err(Trouble::Garbage("a chunk without a size".into())),
            };
            self.read.drain(..length);
            if size == 0 {
                return self.trailers(body).await;
            }
            let size = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(2);
            let (chunk, end) = self.take(size).await;
            body.extend_from_slice(chunk.strip_suffix(b"\r\n").unwrap_or(&chunk));
            match end {
                End::Complete if body.len() > MAX_BODY => return Ok((body, End::TooLarge)),
                End::Complete if !chunk.ends_with(b"\r\n") => {
                    return Err(Trouble::Garbage("a chunk longer than its size".into()));
                }
                End::Complete => {}
                end => return Ok((body, end)),
            }
        }
    }

    /// Reads the trailer section, to the empty line.
    async fn trailers(&mut self, body: Vec<u8>) -> Result<(Vec<u8>, End), Trouble> {
        loop {
            let line = self.read.windows(2).position(|pair| pair == b"\r\n");
            match line {
                Some(length) => {
                    self.read.drain(..length + 2);
                    if length == 0 {
                        return Ok((body, End::Complete));
                    }
                }
                None if self.read.len() > MAX_HEAD => {
                    return Err(Trouble::Garbage("trailers without an end".into()));
                }
                None => match self.more().await {
                    Ok(true) => {}
                    Ok(false) => return Ok((body, End::Broken(CLOSED.into()))),
                    Err(error) => return Ok((body, End::Broken(error.to_string()))),
                },
            }
        }
    }

    /// How many bytes come after the end of the last message.
    async fn surplus(&mut self) -> usize {
        let rest =
            async { while self.read.len() <= MAX_HEAD && matches!(self.more().await, Ok(true)) {} };
        let _ = timeout(SURPLUS_WAIT, rest).await;
        self.read.len()
    }
}

const CLOSED: &str = "the connection was closed";

// ===== what the bytes say =====

/// The head at the start of `bytes` and its length, once it is whole.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Head)>, Trouble> {
    if let [0x15 | 0x16, 0x03, ..] = bytes {
        return Err(Trouble::Garbage("it speaks TLS: use https://".into()));
    }
    let mut lines = [httparse::EMPTY_HEADER; 512];
    let mut response = httparse::Response::new(&mut lines);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(Trouble::Garbage(error.to_string())),
    };
    let head = bytes.get(..length).unwrap_or_default();
    if head.windows(2).any(|pair| matches!(pair, [before, b'\n'] if *before != b'\r')) {
        return Err(Trouble::Garbage("a line of the head ends without CR".into()));
    }
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let fields = response.headers.iter().map(|h| (h.name.to_ascii_lowercase(), text(h.value)));
    let head = Head { status: response.code.unwrap_or(0), fields: fields.collect() };
    Ok(Some((length, head)))
}

/// How long the content is (RFC 9112, 6.3).
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Chunked,
    Length(u64),
    ToTheEnd,
}

fn framing(head: &Head) -> Result<Framing, Trouble> {
    let all = |name: &str| {
        let lines = head.fields.iter().filter(|(n, _)| n == name);
        lines.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>()
    };
    let (codings, lengths) = (all("transfer-encoding"), all("content-length"));
    match (codings.as_slice(), lengths.as_slice()) {
        ([], []) => Ok(Framing::ToTheEnd),
        ([coding], []) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        ([], [length]) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            match length.parse() {
                Ok(length) => Ok(Framing::Length(length)),
                Err(_) => Err(Trouble::Garbage(format!("content-length: {length}"))),
            }
        }
        ([_, ..], [_, ..]) => {
            Err(Trouble::Garbage("content-length and transfer-encoding together".into()))
        }
        (codings, lengths) => {
            let lines = codings.iter().chain(lengths).cloned().collect::<Vec<_>>();
            Err(Trouble::Garbage(format!("framed by {}", lines.join(" | "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<(usize, Head)>, Trouble> {
        parse_head(text.as_bytes())
    }

    #[test]
    fn a_head_is_taken_as_it_came_or_refused() {
        let (length, whole) =
            head("HTTP/1.1 200 OK\r\nA:  b \r\na: c\r\n\r\nrest").unwrap().unwrap();
        assert_eq!((length, whole.status), (33, 200));
        let lines = [("a", "b"), ("a", "c")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(whole.fields, lines);
        assert!(head("HTTP/1.1 200 OK\r\na: b\r\n").unwrap().is_none());
        for refused in [
            "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
            "HTTP/1.1 200 OK\na: b\n\n",
            "HTTP/1.1 OK\r\n\r\n",
            "SSH-2.0-OpenSSH_9.6\r\n\r\n",
            "\u{15}\u{3}\u{1}",
        ] {
            assert!(head(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn only_one_way_to_tell_the_length_is_taken() {
        let framing = |lines: &str| {
            framing(&head(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")).unwrap().unwrap().1).ok()
        };
        assert_eq!(framing(""), Some(Framing::ToTheEnd));
        assert_eq!(framing("content-length: 12\r\n"), Some(Framing::Length(12)));
        assert_eq!(framing("transfer-encoding: Chunked\r\n"), Some(Framing::Chunked));
        assert_eq!(framing("content-length: 12\r\ncontent-length: 12\r\n"), None);
        assert_eq!(framing("content-length: 12\r\ntransfer-encoding: chunked\r\n"), None);
        assert_eq!(framing("content-length: +12\r\n"), None);
        assert_eq!(framing("transfer-encoding: gzip\r\n"), None);
    }
}
