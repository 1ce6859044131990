//! What a peer sees on a socket: hyper's server around the stack, asked over HTTP/1.1 and HTTP/2.
//!
//! Run in release too: hyper checks a response's length against its body in debug builds only.

mod connections;
mod framing;
mod uris;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{BoxError, Service};
use tower_contract::{ContractLayer, MethodGuardLayer};

use crate::support::{Script, Step, contract, response};

type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

/// The stack of these tests.
fn stack() -> ContractLayer {
    let methods = ["GET", "POST", "OPTIONS", "CONNECT", "FOOBAR"];
    let methods = methods.map(|name| Method::from_bytes(name.as_bytes()).unwrap());
    contract().methods(MethodGuardLayer::new(methods))
}

/// The service of these tests: its path says what it does.
async fn application(request: Request<Incoming>) -> Result<Response<AnyBody>, BoxError> {
    let answer = |text| Ok(response(text).map(any));
    let script = |steps: Vec<_>| Ok(Response::new(any(Script::new(steps))));
    match request.uri().path() {
        "/ok" => answer("200\n\nhello"),
        "/echo" => {
            let content = request.into_body().collect().await?.to_bytes();
            Ok(Response::new(any(Full::new(content))))
        }
        "/panic" => panic!("secret"),
        "/panic-in-body" => script(vec![Step::Data(b"begun"), Step::Wait, Step::Panic("secret")]),
        "/fail" => Err("secret".into()),
        "/fail-in-body" => script(vec![Step::Data(b"begun"), Step::Wait, Step::Fail("secret")]),
        "/stale" => answer("404\ncontent-length: 500\netag: \"a\"\n\n<p>not found"),
        "/stale-chunks" => answer("404\ntransfer-encoding: chunked\ntrailer: x"),
        path => match path.strip_prefix("/status/") {
            Some(status) => {
                let status: u16 = status.parse()?;
                let content = if status == 304 { "" } else { "hello" };
                let content = Full::from(content);
                Ok(Response::builder().status(status).body(any(content))?)
            }
            None => answer("404"),
        },
    }
}

fn any<B>(body: B) -> AnyBody
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

/// Serves on a port of loopback, HTTP/1.1 and HTTP/2, until the test ends.
pub async fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let io = TokioIo::new(stream);
                // An Err is what the test wants to see from the other side.
                let _ = server.serve_connection_with_upgrades(io, service).await;
            });
        }
    });
    address
}

/// A client's end of an HTTP/1.1 connection, as text.
struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    async fn to(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    /// Sends a text whose lines end with LF here and with CRLF on the wire.
    async fn send(&mut self, text: &str) {
        let text = text.replace('\n', "\r\n");
        // A server that refuses early may close before all is sent.
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// Reads more; false at the end.
    async fn more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.read);
        let read = tokio::time::timeout(Duration::from_secs(10), read);
        let read = read.await.unwrap_or_else(|_| panic!("silence after {self}"));
        read.is_ok_and(|length| length > 0)
    }

    /// The next `head` up to its empty line.
    async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                let head = String::from_utf8(head).unwrap().replace("\r\n", "\n");
                return head.trim_end().to_owned();
            }
            assert!(self.more().await, "closed after {self}");
        }
    }

    /// The next head, and the content that its `content-length` announces.
    async fn response(&mut self) -> (String, String) {
        let head = self.head().await;
        let length: usize = line(&head, "content-length").unwrap().parse().unwrap();
        while self.read.len() < length {
            assert!(self.more().await, "closed after {self}");
        }
        let content = self.read.drain(..length).collect();
        (head, String::from_utf8(content).unwrap())
    }

    /// All that comes until the server closes the connection.
    async fn rest(&mut self) -> String {
        while self.more().await {}
        self.to_string()
    }
}

impl std::fmt::Display for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.read))
    }
}

/// The value of a header's only line in a head.
#[track_caller]
fn line<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut values = lines.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let first = values.next();
    assert_eq!(values.next(), None, "{name} twice in {head}");
    first
}

type Http2 = http2::SendRequest<Empty<Bytes>>;

/// A client's end of an HTTP/2 connection.
async fn http2(address: SocketAddr) -> Http2 {
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    client
}

/// Asks over HTTP/2, and reads no more than the head.
async fn ask(client: &mut Http2, method: &str, uri: &str) -> Response<Incoming> {
    let request = Request::builder().method(method).uri(uri);
    let request = request.body(Empty::new()).unwrap();
    client.send_request(request).await.unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let content = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(content.into()).unwrap()
}

/// The content that a path has over HTTP/1.1, for tests of other servers.
pub async fn get(address: SocketAddr, path: &str) -> String {
    let mut wire = Wire::to(address).await;
    wire.send(&format!("GET {path} HTTP/1.1\nhost: a\n\n")).await;
    wire.response().await.1
}
