//! The recording API as a process of its own, and a client that checks the contract on every answer.

use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
    process::ExitStatus,
};

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use expect_test::Expect;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::example::{self, Example};
pub(super) use crate::example::{Folder, soon, without_times};

/// A running recording API.
#[derive(Debug)]
pub(super) struct Program(Example);

impl Deref for Program {
    type Target = Example;

    fn deref(&self) -> &Example {
        &self.0
    }
}

impl DerefMut for Program {
    fn deref_mut(&mut self) -> &mut Example {
        &mut self.0
    }
}

impl Program {
    /// Starts it on a free port, with a temporary folder of its own.
    pub(super) async fn start(options: &[&str]) -> Self {
        Self(Example::start("recording_api", options).await)
    }

    /// The same under a limit of the shell's `ulimit`.
    pub(super) async fn start_under(limit: &str, options: &[&str]) -> Self {
        Self(Example::start_under(limit, "recording_api", options).await)
    }

    /// The same as the user nobody, if this process may become that, and nobody may run it.
    pub(super) async fn start_as_nobody(options: &[&str]) -> Option<Self> {
        Example::start_as_nobody("recording_api", options).await.map(Self)
    }

    /// Kills it, and returns what it has written to standard error.
    pub(super) async fn into_log(self) -> String {
        self.0.into_log().await
    }

    /// Waits for its end, and returns what it has written to standard error.
    pub(super) async fn into_end_with_log(self) -> (ExitStatus, String) {
        self.0.end_with_log().await
    }

    pub(super) async fn connect(&self) -> Connection {
        Connection::http1(self.address).await
    }

    /// Asks on a connection of its own, and compares the answer.
    pub(super) async fn check(&self, request: Request<Full<Bytes>>, expected: Expect) {
        expected.assert_eq(&self.ask(request).await.as_text());
    }

    /// Asks on a connection of its own.
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>) -> Answer {
        self.connect().await.ask(request).await
    }
}

/// Runs the program until it ends by itself: exit code, standard output, standard error.
pub(super) async fn run(options: &[&str]) -> (Option<i32>, String, String) {
    example::run("recording_api", options).await
}

// ===== the client =====

/// `GET /ping`, `POST /server/mode {"mode":"production"}`: method, path and, perhaps, JSON.
pub(super) fn request(line: &str) -> Request<Full<Bytes>> {
    let mut parts = line.splitn(3, ' ');
    let (method, uri, json) = (parts.next().unwrap(), parts.next().unwrap(), parts.next());
    let request = Request::builder().method(method).uri(uri);
    let request = match json {
        Some(_) => request.header(header::CONTENT_TYPE, "application/json"),
        None => request,
    };
    request.body(Full::from(json.unwrap_or_default().to_owned())).unwrap()
}

pub(super) fn agent(line: &str) -> Request<Full<Bytes>> {
    with_login(request(line), "agent", "agent")
}

pub(super) fn supervisor(line: &str) -> Request<Full<Bytes>> {
    with_login(request(line), "supervisor", "supervisor")
}

pub(super) fn admin(line: &str) -> Request<Full<Bytes>> {
    with_login(request(line), "admin", "admin")
}

pub(super) fn with_login<B>(request: Request<B>, name: &str, password: &str) -> Request<B> {
    let credentials = BASE64_STANDARD.encode(format!("{name}:{password}"));
    with(request, header::AUTHORIZATION, &format!("Basic {credentials}"))
}

pub(super) fn with<B>(
    mut request: Request<B>,
    name: header::HeaderName,
    value: &str,
) -> Request<B> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

/// The id of each request here that has no other.
pub(super) const ID: &str = "7f-1";

/// One connection to a server.
#[derive(Debug)]
pub(super) enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    pub(super) async fn http1(address: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    pub(super) async fn http2(address: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    /// Asks, reads the whole answer and checks that it keeps the contract.
    pub(super) async fn ask(&mut self, request: Request<Full<Bytes>>) -> Answer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (head, body) = self.begin(request).await.into_parts();
        let body = soon("the body", body.collect()).await.unwrap().to_bytes();
        let answer = Answer { status: head.status, headers: head.headers, body };
        answer.check(&method, &uri);
        answer
    }

    /// Asks, and returns as soon as the head is there.
    pub(super) async fn begin(&mut self, mut request: Request<Full<Bytes>>) -> Response<Incoming> {
        request.headers_mut().entry("x-request-id").or_insert(HeaderValue::from_static(ID));
        let answer = match self {
            Self::Http1(sender) => {
                soon("the connection", sender.ready()).await.unwrap();
                request.headers_mut().insert(header::HOST, "elsewhere.example".parse().unwrap());
                soon("the head", sender.send_request(request)).await
            }
            Self::Http2(sender) => {
                let path = request.uri().path_and_query().unwrap().as_str();
                let uri = format!("http://elsewhere.example{path}");
                *request.uri_mut() = uri.parse().unwrap();
                soon("the head", sender.send_request(request)).await
            }
        };
        answer.unwrap()
    }
}

/// A whole answer, which keeps the contract.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// On every response, errors and preflights included.
const MANDATORY: [(&str, &str); 5] = [
    ("access-control-allow-origin", "http://localhost:3000"),
    ("access-control-allow-origins", "http://localhost:3000"),
    ("access-control-allow-methods", "GET, POST, OPTIONS, PUT, DELETE"),
    (
        "access-control-allow-headers",
        "Authorization, Origin, Content-Type, Range, If-Range, If-None-Match",
    ),
    ("access-control-allow-credentials", "true"),
];

/// On every error of 400 to 599, beside the length of the envelope.
const ON_ERRORS: [(&str, &str); 3] = [
    ("content-type", "application/json"),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
];

impl Answer {
    /// What every answer of this API promises.
    #[track_caller]
    fn check(&self, method: &Method, uri: &Uri) {
        let lines = |name: &str| self.headers.get_all(name).iter().collect::<Vec<_>>();
        for (name, value) in MANDATORY {
            assert_eq!(lines(name), [value], "{name} on {self:?}");
        }
        if method != Method::OPTIONS {
            let exposed = [
                "Location, Retry-After, X-Request-Id, ETag, Accept-Ranges, Content-Range, X-WWW-Authenticate",
            ];
            assert_eq!(lines("access-control-expose-headers"), exposed, "{self:?}");
        }
        assert_eq!(lines("x-request-id"), [ID], "{self:?}");
        if method == Method::HEAD {
            assert!(self.body.is_empty(), "{self:?}");
        } else if let [length] = lines("content-length").as_slice() {
            assert_eq!(**length, self.body.len().to_string(), "{self:?}");
        }
        if self.status.as_u16() < 400 {
            return;
        }
        for (name, value) in ON_ERRORS {
            assert_eq!(lines(name), [value], "{name} on {self:?}");
        }
        if method != Method::HEAD {
            assert_eq!(lines("content-length").len(), 1, "{self:?}");
            self.check_envelope(method, uri);
        }
        match self.status.as_u16() {
            // Bare errors to order; nothing that knew more has made them.
            _ if uri.path().starts_with("/diagnostics/") => {}
            401 => assert_eq!(lines("www-authenticate").len(), 1, "{self:?}"),
            405 => assert_eq!(lines("allow").len(), 1, "{self:?}"),
            _ => {}
        }
    }

    /// The five members, and nothing else but the errors of a search and the id of a failure.
    #[track_caller]
    fn check_envelope(&self, method: &Method, uri: &Uri) {
        let Value::Object(envelope) = self.json() else {
            panic!("{self:?}");
        };
        let is_failure = self.status.is_server_error();
        assert_eq!(envelope.get("request_id"), is_failure.then_some(&ID.into()), "{self:?}");
        let members = 5 + usize::from(envelope.contains_key("errors")) + usize::from(is_failure);
        assert_eq!(envelope.len(), members, "{self:?}");
        assert_eq!(envelope["http_method"], method.as_str());
        assert_eq!(envelope["uri"], format!("http://localhost:8080{}", uri.path()));
        assert!(envelope["code"].is_u64(), "{self:?}");
        assert_ne!(envelope["title"].as_str().unwrap(), "");
        assert_ne!(envelope["description"].as_str().unwrap(), "");
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The answer as it was on the wire, without the date and what [`check`](Self::check) has seen.
    fn as_text(&self) -> String {
        let is_error = self.status.as_u16() >= 400;
        let mut lines = vec![self.status.to_string()];
        for (name, value) in &self.headers {
            let of_an_error =
                ON_ERRORS.iter().any(|(known, _)| name == known) || name == header::CONTENT_LENGTH;
            let of_the_contract =
                name.as_str().starts_with("access-control-") || name == "x-request-id";
            let seen = of_the_contract || (is_error && of_an_error);
            if !seen && name != header::DATE {
                lines.push(format!("{name}: {}", value.to_str().unwrap()));
            }
        }
        if !self.body.is_empty() {
            lines.push(String::new());
            lines.push(String::from_utf8_lossy(&self.body).into_owned());
        }
        lines.join("\n") + "\n"
    }
}

/// Sends these bytes on a connection of their own, and reads what comes until the server closes.
pub(super) async fn on_the_wire(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("the answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}
