//! A twin of a good service behind a raw socket: it changes one thing in the recorded bytes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// A request as the twin has read it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    bytes: Vec<u8>,
}

/// The good service's answer, to be changed.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: String,
    pub lines: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// What is waited for before it is sent.
    pub delay: Duration,
    /// Nothing is sent, and the connection is closed.
    pub silent: bool,
    /// Sent before the answer.
    pub before: Vec<u8>,
    /// Sent after the answer, beyond its length.
    pub after: Vec<u8>,
}

impl Asked {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.target.split('?').next() == Some(path)
    }

    /// A plain GET, without `Origin` and without what makes the checks of an error special.
    pub fn is_plain(&self) -> bool {
        let special = ["origin", "accept", "accept-encoding"];
        special.iter().all(|name| self.field(name).is_none())
    }

    pub fn is_nowhere(&self) -> bool {
        self.target.starts_with("/tower-contract-")
    }

    pub fn is_preflight(&self) -> bool {
        self.field("access-control-request-method").is_some()
    }
}

impl Said {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn remove(&mut self, name: &str) {
        self.lines.retain(|(n, _)| n != name);
    }

    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.lines.push((name.to_owned(), value.into()));
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.add(name, value);
    }

    /// Another body, with its length.
    pub fn write(&mut self, body: impl Into<Vec<u8>>) {
        self.body = body.into();
        self.set("content-length", self.body.len().to_string());
    }

    /// Another text in the body, with its length.
    pub fn replace(&mut self, from: &str, to: &str) {
        let text = String::from_utf8(self.body.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        self.write(text.replace(from, to));
    }
}

/// Serves the answers of the service at `good`, each changed by `change`.
pub async fn twin(
    good: SocketAddr,
    change: impl Fn(&Asked, &mut Said) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let change = Arc::new(change);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let change = Arc::clone(&change);
            tokio::spawn(async move { serve(stream, good, &*change).await });
        }
    });
    address
}

async fn serve(
    mut client: TcpStream,
    good: SocketAddr,
    change: &(impl Fn(&Asked, &mut Said) + Sync),
) {
    let mut read = Vec::new();
    while let Some(asked) = next_request(&mut client, &mut read).await {
        let close = asked.field("connection") == Some("close");
        let Some(mut said) = ask(good, &asked).await else { return };
        change(&asked, &mut said);
        sleep(said.delay).await;
        if said.silent {
            return;
        }
        let mut bytes = said.before.clone();
        bytes.extend_from_slice(format!("HTTP/1.1 {}\r\n", said.status).as_bytes());
        for (name, value) in &said.lines {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&said.body);
        bytes.extend_from_slice(&said.after);
        if client.write_all(&bytes).await.is_err()
            || close
            || said.get("connection") == Some("close")
        {
            return;
        }
    }
}

async fn next_request(client: &mut TcpStream, read: &mut Vec<u8>) -> Option<Asked> {
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            // The preface of HTTP/2: this twin does not speak it.
            if head.starts_with("PRI ") {
                return None;
            }
            let mut lines = head.lines();
            let mut first = lines.next()?.split(' ');
            let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
            let fields = lines.filter_map(|line| line.split_once(": "));
            let fields: Vec<_> =
                fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
            let mut asked = Asked { method, target, fields, bytes: Vec::new() };
            let withheld = asked.field("expect").is_some();
            let length = match (asked.field("content-length"), asked.field("transfer-encoding")) {
                _ if withheld => end + 4,
                (Some(length), _) => end + 4 + length.parse::<usize>().ok()?,
                (None, Some(_)) => {
                    let rest = &read[end..];
                    let last = rest.windows(7).position(|window| window == b"\r\n0\r\n\r\n");
                    last.map_or(usize::MAX, |last| end + last + 7)
                }
                (None, None) => end + 4,
            };
            if read.len() >= length {
                let rest = read.split_off(length);
                asked.bytes = std::mem::replace(read, rest);
                return Some(asked);
            }
        }
        if client.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

/// The good service's answer, on a connection of its own.
async fn ask(good: SocketAddr, asked: &Asked) -> Option<Said> {
    let mut server = TcpStream::connect(good).await.ok()?;
    let mut bytes = asked.bytes.clone();
    if asked.field("connection").is_none() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        bytes.splice(end..end, *b"\r\nconnection: close");
    }
    server.write_all(&bytes).await.ok()?;
    let mut answer = Vec::new();
    // A broken body ends with an error, and is passed on as far as it came.
    let _ = server.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(answer[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.to_owned();
    let lines = lines.filter_map(|line| line.split_once(": "));
    let lines = lines.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(Said {
        status,
        lines: lines.filter(|(name, _)| name != "connection").collect(),
        body: answer.split_off(end + 4),
        delay: Duration::ZERO,
        silent: false,
        before: Vec::new(),
        after: Vec::new(),
    })
}
