//! The contract inside Envoy: an external processor that calls the layers for each exchange, and the
//! configuration that makes Envoy ask it.
//!
//! ```text
//! cargo run --example envoy -- print-config full --upstream 127.0.0.1:9000 \
//!     --server-url https://app.example.com --public-url http://localhost:8080 >envoy.json
//! cargo run --example envoy -- \
//!     --server-url https://app.example.com --public-url http://localhost:8080 &
//! envoy -c envoy.json
//! ```
//!
//! `docs/guide/mesh.md` says which configuration is for whom, and what Envoy keeps to itself.
//!
//! | file | what it tells |
//! |---|---|
//! | `main.rs` | the program: a gRPC server, or a configuration on standard output |
//! | `options.rs`, `methods.rs`, `stop.rs` | the command line, the file that it names; Ctrl-C |
//! | `processor.rs` | one stream of messages: one exchange, one call of the stack |
//! | `conversation.rs` | what is said on a stream |
//! | `upstream.rs` | the service under the contract, as Envoy tells of it |
//! | `from_envoy.rs`, `to_envoy.rs` | messages as values of the crate `http`, and back |
//! | `configuration/` | Envoy's configuration, from what the layers answer |
//! | `external_processor.proto`, `generated/` | the few messages, and the Rust code that is made from them |

#![expect(unreachable_pub, reason = "in a program, `pub` says: for the other modules")]

mod configuration;
mod conversation;
mod from_envoy;
mod methods;
mod options;
mod processor;
mod stop;
mod to_envoy;
mod upstream;

/// Made from `external_processor.proto` by `.ci/generate`; `.ci/run` checks that it is up to date.
#[rustfmt::skip]
#[expect(
    clippy::pedantic,
    clippy::enum_variant_names,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    unnameable_types,
    reason = "nobody reads it"
)]
#[path = "generated/envoy.service.ext_proc.v3.rs"]
mod generated;

use std::{
    error::Error,
    fs,
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::FileTypeExt,
    path::Path,
    process::ExitCode,
};

use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Server, server::TcpIncoming};

use crate::{
    options::{Listen, Options, Task},
    processor::Processor,
    stop::StopSignals,
};

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::from_command_line() {
        Ok(options) => options,
        Err(code) => return code,
    };
    match &options.task {
        Task::Serve => match serve(&options).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => stop::with_error(1, error.as_ref()),
        },
        Task::PrintConfig(configuration, addresses) => {
            match configuration::text(&options, *configuration, addresses).await {
                Ok(text) => written(&text),
                Err(problem) => stop::with_error(2, problem.as_ref()),
            }
        }
    }
}

fn written(text: &str) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => stop::with_error(1, &error),
    }
}

/// Answers Envoy until the first signal, then until the exchanges in flight have ended.
async fn serve(options: &Options) -> Result<(), BoxError> {
    let mut signals = StopSignals::listen()?;
    let processor = Processor::new(options.contract(), options.responses());
    let server = Server::builder().add_service(processor.into_service());
    let (stopping, stopped) = stop::channel();
    match &options.listen {
        Listen::Address(address) => {
            let listener = listen(*address).await?;
            welcome(&format!("http://{}", listener.local_addr()?));
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            let serving = server.serve_with_incoming_shutdown(incoming, stopped);
            signals.serve(serving, stopping).await?;
        }
        Listen::Unix(path) => {
            let incoming = UnixListenerStream::new(listen_at(path)?);
            welcome(&format!("unix:{}", path.display()));
            let serving = server.serve_with_incoming_shutdown(incoming, stopped);
            let end = signals.serve(serving, stopping).await;
            let _ = fs::remove_file(path);
            end?;
        }
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, BoxError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| format!("cannot listen on {address}: {error}").into())
}

/// A socket of an earlier run, on which nobody listens any more, is replaced.
fn listen_at(path: &Path) -> Result<UnixListener, BoxError> {
    let is_socket = fs::metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path);
    listener.map_err(|error| format!("cannot listen on unix:{}: {error}", path.display()).into())
}

/// Nobody may be reading: a closed standard output is no reason to stop.
fn welcome(address: &str) {
    let _ = writeln!(io::stdout(), "listening on {address}");
}
