//! Clients that ask for everything in turn, and look at each answer.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, time::timeout};
use tower_contract::Envelope;

use super::service::{FRONT_END, SECRET};

/// Much longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked, with how many bytes of content, and what must come of it.
pub struct Asked {
    pub line: &'static str,
    content: usize,
    expected: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Answer(u16),
    /// A body that breaks off after it has begun.
    Broken,
    /// The status of an rpc, in its head or its trailers.
    Rpc(&'static str),
}

use Expected::{Answer, Broken, Rpc};

/// The rpcs, which need HTTP/2, stand last.
pub const ASKED: [Asked; 24] = [
    asked("GET /ok", 0, Answer(200)),
    asked("GET /frames", 0, Answer(200)),
    asked("POST /echo", 64 * 1024, Answer(200)),
    asked("POST /count", 1024 * 1024, Answer(200)),
    asked("OPTIONS /ok", 0, Answer(200)),
    asked("GET /nowhere", 0, Answer(404)),
    asked("DELETE /ok", 0, Answer(405)),
    asked("BREW /ok", 0, Answer(501)),
    asked("POST /nowhere", 100 * 1024, Answer(404)),
    asked("POST /invalid", 1024 * 1024, Answer(422)),
    asked("GET /text", 0, Answer(400)),
    asked("GET /foreign", 0, Answer(502)),
    asked("GET /fail", 0, Answer(500)),
    asked("GET /panic", 0, Answer(500)),
    asked("POST /panic-later", 100 * 1024, Answer(500)),
    asked("GET /slow", 0, Answer(503)),
    asked("GET /panic-in-body", 0, Broken),
    asked("GET /fail-in-body", 0, Broken),
    asked("GET /hang-in-body", 0, Broken),
    asked("POST /rpc", 100, Rpc("0")),
    asked("POST /rpc-panic", 100, Rpc("13")),
    asked("POST /rpc-slow", 100, Rpc("4")),
    asked("POST /rpc-panic-in-stream", 100, Rpc("13")),
    asked("POST /rpc-hang-in-stream", 100, Rpc("4")),
];

pub const RPCS: usize = 5;

const fn asked(line: &'static str, content: usize, expected: Expected) -> Asked {
    Asked { line, content, expected }
}

impl Asked {
    fn request(&self, authority: &str) -> Request<Full<Bytes>> {
        static CONTENT: [u8; 1024 * 1024] = [b'c'; 1024 * 1024];
        let (method, path) = self.line.split_once(' ').unwrap();
        let request = Request::builder().method(method).header("host", "a.example");
        let mut request = request.uri(format!("{authority}{path}?token={SECRET}"));
        request = request.header("origin", FRONT_END);
        if method == "OPTIONS" {
            request = request.header("access-control-request-method", "GET");
        }
        if let Rpc(_) = self.expected {
            request = request.header("content-type", "application/grpc+proto");
            request = request.header("te", "trailers");
        }
        request.body(Full::from(&CONTENT[..self.content])).unwrap()
    }

    /// What is wrong about an answer.
    async fn fault(&self, response: Response<Incoming>) -> Option<String> {
        let (head, body) = response.into_parts();
        let origins: Vec<_> = head.headers.get_all("access-control-allow-origin").iter().collect();
        if origins != [FRONT_END] {
            return Some(format!("origins: {origins:?}"));
        }
        let content = match (body.collect().await, self.expected) {
            (Err(_), Broken) => return None,
            (Err(error), _) => return Some(format!("{error:?}")),
            (Ok(_), Broken) => return Some("a whole body".to_owned()),
            (Ok(content), _) => content,
        };
        let trailers = content.trailers().cloned().unwrap_or_default();
        let content = content.to_bytes();
        let text = String::from_utf8_lossy(&content);
        if text.contains(SECRET) || shows(&head.headers) || shows(&trailers) {
            return Some(format!("the secret is in {:?} {text} {trailers:?}", head.headers));
        }
        let status = head.status.as_u16();
        match self.expected {
            Rpc(code) => {
                let is = [&head.headers, &trailers]
                    .iter()
                    .any(|at| at.get("grpc-status").is_some_and(|is| is == code));
                (!is || status != 200).then(|| format!("{status} {:?} {trailers:?}", head.headers))
            }
            Answer(expected) if expected != status => Some(format!("{status} {text}")),
            Answer(400..) => match serde_json::from_slice::<Envelope>(&content) {
                Ok(envelope) if envelope.code == u32::from(status) => None,
                _ => Some(format!("{status} {text}")),
            },
            _ => None,
        }
    }
}

fn shows(headers: &HeaderMap) -> bool {
    let has = |value: &[u8]| value.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    headers.values().any(|value| has(value.as_bytes()))
}

#[derive(Clone)]
pub struct Http2(http2::SendRequest<Full<Bytes>>);

pub enum Client {
    Http1(SocketAddr, Option<http1::SendRequest<Full<Bytes>>>),
    Http2(Http2),
}

impl Http2 {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(socket));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }
}

impl Client {
    /// Asks, and returns what is wrong about what has come of it.
    pub async fn ask(&mut self, asked: &Asked) -> Option<String> {
        let asking = async {
            match self.send(asked).await {
                Ok(response) => asked.fault(response).await,
                // Over HTTP/2 a reset overtakes what was not yet written, the head too.
                Err(_) if asked.expected == Broken => None,
                Err(error) => Some(format!("{error:?}")),
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| Some("no answer".to_owned()))
    }

    async fn send(&mut self, asked: &Asked) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http2(Http2(sender)) => {
                sender.ready().await?;
                sender.send_request(asked.request("http://a.example")).await
            }
            Self::Http1(address, kept) => {
                // A connection that was closed, as one is whose last body broke, is replaced.
                let mut sender = match kept.take().filter(|sender| !sender.is_closed()) {
                    Some(sender) => sender,
                    None => http1_connection(*address).await?,
                };
                sender.ready().await?;
                let answer = sender.send_request(asked.request("")).await;
                *kept = Some(sender);
                answer
            }
        }
    }
}

async fn http1_connection(address: SocketAddr) -> hyper::Result<http1::SendRequest<Full<Bytes>>> {
    let socket = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
