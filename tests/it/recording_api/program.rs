//! The recording API as a process of its own, and a client that checks the contract on every answer.

use std::{
    env,
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{self, ExitStatus, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use expect_test::Expect;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

/// Everything here answers within milliseconds; this is for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let value = timeout(PATIENCE, future).await;
    value.unwrap_or_else(|_| panic!("{what} took longer than {PATIENCE:?}"))
}

// ===== the process =====

/// A running recording API. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    pub(super) address: SocketAddr,
    /// Kept, so that the program can go on writing.
    _stdout: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
    folder: Folder,
}

impl Program {
    /// Starts it on a free port, with a temporary folder of its own.
    pub(super) async fn start(options: &[&str]) -> Self {
        let folder = Folder::new();
        let mut child = command(options, &folder)
            .args(["--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        let line = soon("the program's start", stdout.next_line()).await;
        let line = line.unwrap().expect("the program says that it listens");
        let address = line.strip_prefix("listening on http://").unwrap();
        Self {
            address: address.parse().unwrap(),
            child,
            _stdout: stdout,
            stderr,
            folder,
        }
    }

    /// Sends a signal, by its name.
    pub(super) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("the program is running");
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid.to_string())
            .status();
        assert!(status.await.unwrap().success());
    }

    /// Waits for its end.
    pub(super) async fn end(&mut self) -> ExitStatus {
        soon("the program's end", self.child.wait()).await.unwrap()
    }

    /// Kills it, and returns what it has written to standard error.
    pub(super) async fn into_log(mut self) -> String {
        soon("the kill", self.child.kill()).await.unwrap();
        soon("the log", &mut self.stderr).await.unwrap()
    }

    /// What is left in the temporary folder that the program was given.
    pub(super) fn leftovers(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder.0).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
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
    let folder = Folder::new();
    let output = command(options, &folder).output();
    let output = soon("the program's end", output).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn command(options: &[&str], temporary: &Folder) -> Command {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(binary);
    let mut command = Command::new(&*BINARY);
    command
        .args(options)
        .env("TMPDIR", &temporary.0)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The example beside this test binary. `cargo test` has built it; `cargo test --test it` has not.
fn binary() -> PathBuf {
    let tests = env::current_exe().unwrap(); // target/debug/deps/it-0123
    let profile = tests.ancestors().nth(2).unwrap();
    let binary = profile
        .join("examples")
        .join("recording_api")
        .with_extension(env::consts::EXE_EXTENSION);
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["Cargo.toml", "Cargo.lock", "src", "examples/recording_api"];
    let newest = sources
        .iter()
        .map(|source| last_change(&package.join(source)))
        .max();
    if newest
        > fs::metadata(&binary)
            .and_then(|binary| binary.modified())
            .ok()
    {
        let mut build = process::Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--example",
            "recording_api",
            "--target-dir",
        ]);
        build.arg(profile.parent().unwrap()).current_dir(package);
        if profile.file_name() == Some(OsStr::new("release")) {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "{build:?}");
    }
    binary
}

/// When a file was changed, or the newest in a folder.
fn last_change(path: &Path) -> SystemTime {
    match fs::read_dir(path) {
        Err(_) => fs::metadata(path)
            .and_then(|file| file.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH),
        Ok(entries) => entries
            .map(|entry| last_change(&entry.unwrap().path()))
            .max()
            .unwrap_or(SystemTime::UNIX_EPOCH),
    }
}

/// A folder of one test's own.
#[derive(Debug)]
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-contract-test-{}-{number}", process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
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
    request
        .body(Full::from(json.unwrap_or_default().to_owned()))
        .unwrap()
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
    with(
        request,
        header::AUTHORIZATION,
        &format!("Basic {credentials}"),
    )
}

pub(super) fn with<B>(
    mut request: Request<B>,
    name: header::HeaderName,
    value: &str,
) -> Request<B> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

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
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            body,
        };
        answer.check(&method, &uri);
        answer
    }

    /// Asks, and returns as soon as the head is there.
    pub(super) async fn begin(&mut self, mut request: Request<Full<Bytes>>) -> Response<Incoming> {
        let answer = match self {
            Self::Http1(sender) => {
                soon("the connection", sender.ready()).await.unwrap();
                request
                    .headers_mut()
                    .insert(header::HOST, "elsewhere.example".parse().unwrap());
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
    (
        "access-control-allow-methods",
        "GET, POST, PUT, DELETE, OPTIONS",
    ),
    (
        "access-control-allow-headers",
        "Authorization, Origin, Content-Type",
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
            let exposed = ["Location, Content-Range"];
            assert_eq!(lines("access-control-expose-headers"), exposed, "{self:?}");
        }
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

    /// Exactly the five members.
    #[track_caller]
    fn check_envelope(&self, method: &Method, uri: &Uri) {
        let Value::Object(envelope) = self.json() else {
            panic!("{self:?}");
        };
        assert_eq!(envelope.len(), 5, "{self:?}");
        assert_eq!(envelope["http_method"], method.as_str());
        assert_eq!(
            envelope["uri"],
            format!("http://localhost:8080{}", uri.path())
        );
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
            let of_the_contract = name.as_str().starts_with("access-control-");
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
    soon("the answer", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    answer
}
