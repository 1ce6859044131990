//! A reverse proxy that puts the response contract in front of any HTTP service, Rust or not.
//!
//! ```text
//! cargo run --example gateway -- \
//!     --upstream http://127.0.0.1:9000 \
//!     --server-url https://app.example.com \
//!     --public-url https://api.example.com \
//!     --timeout 2s
//! ```
//!
//! Healthy answers stream through as they are; errors get the envelope, and a 5xx says nothing of
//! the upstream. An upstream that refuses, breaks off or does not speak HTTP is 502; one that is slow
//! to begin its answer is 503. Each request is sent once, and answered once.
//!
//! | file | what it tells |
//! |---|---|
//! | `main.rs` | the contract, and the server: HTTP/1.1 and HTTP/2 without TLS on one port |
//! | `options.rs`, `stop.rs` | the command line; Ctrl-C |
//! | `forward.rs` | one request to the upstream, and its answer back |
//! | `fields.rs` | the header fields that end at a gateway, and those that it adds |
//! | `websocket.rs` | the one upgrade that passes |
//! | `status_code.rs` | errors of an older API, with `--translate-status-code` |

#![expect(unreachable_pub, reason = "in a program, `pub` says: for the other modules")]

mod fields;
mod forward;
mod options;
mod status_code;
mod stop;
mod websocket;

use std::{
    error::Error,
    io::{self, Write},
    iter::successors,
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tower::{Layer, service_fn};
use tower_contract::{ApiError, Cause, ContractLayer, ErrorReport, PanicReport};

use crate::{forward::Gateway, options::Options, stop::StopSignals};

/// How long a client may take to send the head of a request.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::from_command_line() {
        Ok(options) => options,
        Err(code) => return code,
    };
    match serve(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What every answer of the gateway promises, whatever the upstream does.
///
/// The time limit is not here but in [`Gateway::forward`], which says why.
fn contract(options: &Options) -> ContractLayer {
    ContractLayer::new(options.policy.clone())
        .public_url(options.public_url.clone())
        .panics(|layer| layer.on_panic(log_panic))
        .service_errors(|layer| layer.classify(clients_fault))
        .on_error(log_error)
}

/// 400, if the content of the request was broken: to the client of the upstream it is an error of the
/// one who sends. Every other error is left to the built-in rules.
fn clients_fault(error: &(dyn Error + 'static)) -> Option<ApiError> {
    let mut causes = successors(Some(error), |error| (*error).source());
    let first = causes.find_map(|error| error.downcast_ref::<hyper::Error>())?;
    first.is_user().then(ApiError::bad_request)
}

/// Serves until the first signal, then until the answers in flight have ended, or until the second.
async fn serve(options: &Options) -> Result<(), io::Error> {
    let mut signals = StopSignals::listen()?;
    let listener = listen(options.listen).await?;
    let server = Server {
        contract: contract(options),
        gateway: Gateway::new(options),
        connections: GracefulShutdown::new(),
    };
    welcome(listener.local_addr()?);
    loop {
        tokio::select! {
            (stream, client) = accept(&listener) => server.connect(stream, client),
            () = signals.next() => break,
        }
    }
    drop(listener);
    eprintln!("stopping; requests in flight finish, a second Ctrl-C ends them");
    tokio::select! {
        () = server.connections.shutdown() => {}
        () = signals.next() => {}
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, io::Error> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| io::Error::other(format!("cannot listen on {address}: {error}")))
}

/// Nobody may be reading: a closed standard output is no reason to stop.
fn welcome(address: SocketAddr) {
    let _ = writeln!(io::stdout(), "listening on http://{address}");
}

/// The next connection. A failure to accept one is not the end: often files have run out, for now.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(connection) => return connection,
            Err(error) => {
                eprintln!("cannot accept a connection: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[derive(Debug)]
struct Server {
    contract: ContractLayer,
    gateway: Gateway,
    connections: GracefulShutdown,
}

impl Server {
    /// Serves one connection, in a task of its own. A layer costs it one reference count.
    fn connect(&self, stream: TcpStream, client: SocketAddr) {
        let gateway = self.gateway.clone();
        let service = service_fn(move |request| gateway.clone().forward(client.ip(), request));
        let service = TowerToHyperService::new(self.contract.layer(service));
        // Without it, the last bytes of an answer can wait for 40 ms.
        let _ = stream.set_nodelay(true);
        let connection =
            http().serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let connection = self.connections.watch(connection);
        tokio::spawn(async {
            // Ends with an error when the client breaks off, and when a body that has begun fails.
            let _ = connection.await;
        });
    }
}

/// HTTP/1.1 and HTTP/2, told apart by the first bytes. hyper's limits need a timer, or do nothing.
fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT);
    http.http2().timer(TokioTimer::new());
    http
}

// ===== the log: clients are told nothing of this =====

fn log_panic(panic: &PanicReport<'_>) {
    let PanicReport { method, uri, message, .. } = panic;
    eprintln!("{method} {uri} panicked: {message}");
}

/// What the upstream itself answers is its own to log.
fn log_error(report: &ErrorReport<'_>) {
    let ErrorReport { method, uri, status, cause, sources, .. } = report;
    if let Some(sources) = sources.filter(|_| *cause != Cause::Panic) {
        eprintln!("{method} {uri} {}: {sources}", status.as_u16());
    }
}
