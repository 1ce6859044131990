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
//! | `options.rs` | the command line |
//! | `recordings.rs` | the gRPC service, and its few recordings |
//! | `json.rs` | the JSON API |
//! | `diagnostics.rs`, `outage.rs`, `connect.rs` | with `--diagnostics`: what fails to order |
//! | `../shared/` | what the examples share: the server, HTTP/1.1 and HTTP/2 on one port |
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
#[path = "../shared/mod.rs"]
mod shared;

use std::{error::Error, net::SocketAddr, process::ExitCode, time::Duration};

use axum::Router;
use http::Method;
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;
use tower::{Layer, ServiceBuilder};
use tower_contract::{
    ContractLayer, CorsPolicy, DrainRequestLayer, MethodGuardLayer, TimeoutLayer,
};

use crate::{
    options::Options,
    outage::Outage,
    shared::{Server, announce, command_line, listen},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// How long a browser need not ask again before it sends what it has asked for.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() -> ExitCode {
    let options = match command_line::options::<Options>() {
        Ok(options) => options,
        Err(code) => return code,
    };
    options.log.start();
    let contract = match contract(&options) {
        Ok(contract) => contract,
        Err(problems) => return command_line::ended_by(2, &problems),
    };
    match serve(options, contract).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => command_line::ended_by(1, &error),
    }
}

/// What every response of this server promises, whatever happens below.
fn contract(options: &Options) -> Result<ContractLayer, BoxError> {
    let policy = CorsPolicy::builder(&options.server_urls)
        .grpc_web_pages()
        .connect_pages()
        .max_age(PREFLIGHT_MAX_AGE)
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
        .timeout(TimeoutLayer::new(options.timeout)))
}

/// Not on tonic's own `Server`: it has no limit for heads and connections, and its stop waits for
/// ever. Where it is used, the contract goes into its `layer`, outermost.
async fn serve(options: Options, contract: ContractLayer) -> Result<(), BoxError> {
    let server = Server::new(&options.limits)?;
    let listener = listen(options.listen).await?;
    let services = Outage::new(routes(options.diagnostics));
    welcome(listener.local_addr()?, options.diagnostics);
    if options.bare {
        server.accept(listener, move |_client| services.clone());
    } else {
        let layers = ServiceBuilder::new()
            // What a refusal leaves unread is read on, so that the client hears it.
            .layer(DrainRequestLayer::new())
            .layer(contract);
        let services = layers.service(services);
        server.accept(listener, move |_client| services.clone());
    }
    server.until_stopped().await;
    Ok(())
}

/// The gRPC services, each with gRPC-Web around it, and the JSON API.
///
/// `GrpcWebLayer` is not around everything: there it refuses what is no gRPC-Web.
fn routes(with_diagnostics: bool) -> Router {
    let web = GrpcWebLayer::new();
    let mut json = json::routes();
    if with_diagnostics {
        json = json.merge(connect::routes());
    }
    let mut routes = Routes::from(json).add_service(web.layer(recordings::service()));
    if with_diagnostics {
        routes = routes.add_service(web.layer(diagnostics::service()));
    }
    routes.prepare().into_axum_router()
}

fn welcome(address: SocketAddr, diagnostics: bool) {
    announce(format_args!(
        "listening on http://{address}\n\
         \n\
         try:\n\
         \x20 curl -i http://{address}/recordings\n\
         \x20 curl -i http://{address}/nowhere\n\
         \x20 curl -i -X DELETE http://{address}/recordings\n\
         \x20 curl -i --http2-prior-knowledge -X POST -H 'content-type: application/grpc' http://{address}/nowhere\n\
         \x20 grpcurl -plaintext -proto examples/recording_grpc/recordings.proto -d '{{\"text\":\"3312\"}}' {address} recordings.v1.Recordings/Search"
    ));
    if diagnostics {
        let failures = connect::METHODS.map(|method| {
            format!(
                "  curl -i -H 'content-type: application/json' -d '{{}}' http://{address}{}\n",
                connect::path(method)
            )
        });
        announce(format_args!(
            "\nwhat fails for real, also as calls of gRPC:\n{}",
            failures.concat().trim_end()
        ));
    }
    announce("\nCtrl-C stops; calls in flight finish.");
}
