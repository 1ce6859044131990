//! A gRPC server that keeps the contract: tonic services, gRPC-Web and a JSON API on one port.
//!
//! ```text
//! cargo run --example recording_grpc
//! ```
//!
//! [`contract`] is the part to copy, with the `layer` call in [`serve`]. Whatever fails below it is an
//! error that the client of that request can read: a code for gRPC, gRPC-Web and Connect, the JSON
//! envelope for everyone else.
//!
//! | file | what it tells |
//! |---|---|
//! | `main.rs` | the contract, and how the parts are put together |
//! | `options.rs`, `stop.rs` | the command line; Ctrl-C |
//! | `recordings.rs` | the gRPC service, and its few recordings |
//! | `json.rs` | the JSON API |
//! | `diagnostics.rs`, `outage.rs`, `connect.rs` | with `--diagnostics`: what fails to order |
//! | `recordings.proto`, `generated/` | the services, and the Rust code that is made from them |

#![expect(
    clippy::panic,
    unreachable_pub,
    reason = "in a program, `pub` says: for the other modules; some of them panic to order"
)]

mod connect;
mod diagnostics;
mod json;
mod options;
mod outage;
mod recordings;
mod stop;

use std::{error::Error, io::Write, net::SocketAddr, process::ExitCode};

use http::Method;
use tokio::net::TcpListener;
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_web::GrpcWebLayer;
use tower::{Layer, layer::layer_fn};
use tower_contract::{ContractLayer, CorsPolicy, MethodGuardLayer, PanicReport, TimeoutLayer};

use crate::{options::Options, outage::Outage, stop::StopSignals};

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::from_command_line() {
        Ok(options) => options,
        Err(code) => return code,
    };
    let contract = match contract(&options) {
        Ok(contract) => contract,
        Err(problems) => return stop::with_error(2, problems.as_ref()),
    };
    match serve(options, contract).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => stop::with_error(1, error.as_ref()),
    }
}

/// What every response of this server promises, whatever happens below.
fn contract(options: &Options) -> Result<ContractLayer, BoxError> {
    let policy = CorsPolicy::builder(&options.server_urls)
        // What the pages of gRPC-Web and Connect send ..
        .allow_headers([
            "Authorization",
            "Origin",
            "Content-Type",
            "X-Grpc-Web",
            "X-User-Agent",
            "Grpc-Timeout",
            "Connect-Protocol-Version",
            "Connect-Timeout-Ms",
        ])
        // .. and read. An error that has no body is told in these two.
        .expose_headers(["Grpc-Status", "Grpc-Message"])
        .build()?;
    let methods = MethodGuardLayer::by_path([
        ("/recordings", [Method::GET]),
        ("/recordings/{id}", [Method::GET]),
        ("/recordings.v1.Recordings/{method}", [Method::POST]),
        ("/recordings.v1.Diagnostics/{method}", [Method::POST]),
    ])?;
    Ok(ContractLayer::new(policy)
        .public_url(options.public_url.clone())
        .methods(methods)
        .timeout(TimeoutLayer::new(options.timeout))
        .panics(|layer| layer.on_panic(log_panic)))
}

/// The client is told nothing of it but the code.
fn log_panic(panic: &PanicReport<'_>) {
    eprintln!("{} {} panicked ({:?}): {}", panic.method, panic.uri, panic.place, panic.message);
}

async fn serve(options: Options, contract: ContractLayer) -> Result<(), BoxError> {
    let mut signals = StopSignals::listen()?;
    let listener = listen(options.listen).await?;
    let address = listener.local_addr()?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let (stopping, stopped) = stop::channel();
    // gRPC-Web comes over HTTP/1.1 too, and so does the JSON API.
    let server = Server::builder().accept_http1(true);
    let routes = routes(options.diagnostics);
    let outage = layer_fn(Outage::new);
    welcome(address);
    if options.bare {
        let server = server.layer(outage).add_routes(routes);
        let serving = server.serve_with_incoming_shutdown(incoming, stopped);
        signals.serve(serving, stopping).await?;
    } else {
        let server = server.layer(contract).layer(outage).add_routes(routes);
        let serving = server.serve_with_incoming_shutdown(incoming, stopped);
        signals.serve(serving, stopping).await?;
    }
    Ok(())
}

/// The gRPC services, each with gRPC-Web around it, and the JSON API.
///
/// Not `Server::layer(GrpcWebLayer::new())`: around everything, it refuses what is no gRPC-Web.
fn routes(with_diagnostics: bool) -> Routes {
    let web = GrpcWebLayer::new();
    let mut json = json::routes();
    if with_diagnostics {
        json = json.merge(connect::routes());
    }
    let routes = Routes::from(json).add_service(web.layer(recordings::service()));
    if with_diagnostics { routes.add_service(web.layer(diagnostics::service())) } else { routes }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, BoxError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| format!("cannot listen on {address}: {error}").into())
}

/// Nobody may be reading: a closed standard output is no reason to stop.
fn welcome(address: SocketAddr) {
    let _ = writeln!(
        std::io::stdout(),
        "listening on http://{address}\n\
         \n\
         try:\n\
         \x20 curl -i http://{address}/recordings\n\
         \x20 curl -i http://{address}/nowhere\n\
         \x20 curl -i -X DELETE http://{address}/recordings\n\
         \x20 curl -i --http2-prior-knowledge -X POST -H 'content-type: application/grpc' http://{address}/nowhere\n\
         \x20 grpcurl -plaintext -proto examples/recording_grpc/recordings.proto -d '{{\"text\":\"3312\"}}' {address} recordings.v1.Recordings/Search\n\
         \n\
         Ctrl-C stops; calls in flight finish."
    );
}
