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
//! | `main.rs` | the contract, and how the parts are put together |
//! | `options.rs` | the command line |
//! | `forward.rs` | one request to the upstream, and its answer back |
//! | `fields.rs` | the header fields that end at a gateway, and those that it adds |
//! | `early_answer.rs` | an answer that comes while content is still being sent |
//! | `websocket.rs` | the one upgrade that passes |
//! | `status_code.rs` | errors of an older API, with `--translate-status-code` |
//! | `../shared/` | what the examples share: the server, HTTP/1.1 and HTTP/2 on one port |

#![expect(unreachable_pub, reason = "in a program, `pub` says: for the other modules")]

mod early_answer;
mod fields;
mod forward;
mod options;
#[path = "../shared/mod.rs"]
mod shared;
mod status_code;
mod websocket;

use std::{error::Error, io, iter::successors, net::SocketAddr, process::ExitCode};

use tower::{ServiceBuilder, service_fn};
use tower_contract::{ApiError, ContractLayer, DrainRequestLayer};

use crate::{
    forward::Gateway,
    options::Options,
    shared::{Server, announce, command_line, listen},
};

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::from_command_line() {
        Ok(options) => options,
        Err(code) => return code,
    };
    options.log.start();
    match serve(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => command_line::ended_by(1, &error),
    }
}

/// What every answer of the gateway promises, whatever the upstream does.
///
/// The time limit is not here but in [`Gateway::forward`], which says why.
fn contract(options: &Options) -> ContractLayer {
    ContractLayer::new(options.policy.clone())
        .public_url(options.public_url.clone())
        .service_errors(|layer| layer.classify(clients_fault))
}

/// 400, if the content of the request was broken: to the client of the upstream it is an error of the
/// one who sends. Every other error is left to the built-in rules.
fn clients_fault(error: &(dyn Error + 'static)) -> Option<ApiError> {
    let mut causes = successors(Some(error), |error| (*error).source());
    let first = causes.find_map(|error| error.downcast_ref::<hyper::Error>())?;
    first.is_user().then(ApiError::bad_request)
}

async fn serve(options: &Options) -> Result<(), io::Error> {
    let server = Server::new(&options.limits)?;
    let listener = listen(options.listen).await?;
    let (contract, gateway) = (contract(options), Gateway::new(options));
    welcome(listener.local_addr()?);
    // A layer costs each connection one reference count.
    let layers = ServiceBuilder::new()
        // What a refusal leaves unread is read on, so that the client hears it.
        .layer(DrainRequestLayer::new())
        .layer(contract);
    server.accept(listener, move |client| {
        let gateway = gateway.clone();
        layers.service(service_fn(move |request| gateway.clone().forward(client.ip(), request)))
    });
    server.until_stopped().await;
    Ok(())
}

fn welcome(address: SocketAddr) {
    announce(format_args!(
        "listening on http://{address}\n\
         \n\
         try:\n\
         \x20 curl -i http://{address}/\n\
         \x20 curl -i -X TRACE http://{address}/\n\
         \n\
         What the upstream answers passes; if there is none, the first is a 502. Ctrl-C stops; requests in flight finish."
    ));
}
