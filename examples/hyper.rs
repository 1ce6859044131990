//! The contract without a framework: hyper, and the layers around one async function.
//!
//! ```text
//! cargo run --example hyper
//! ```

#![expect(unreachable_pub, reason = "in a program, `pub` says: for the other modules")]

#[path = "shared/mod.rs"]
mod shared;

use std::{error::Error, net::SocketAddr, process::ExitCode, time::Duration};

use bytes::Bytes;
use clap::Parser;
use http::{Method, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tower::{ServiceBuilder, service_fn};
use tower_contract::{
    ApiError, ContractLayer, CorsPolicy, DrainRequestLayer, MethodGuardLayer, TimeoutLayer,
    service::DrainableBody,
};

use crate::shared::{Limits, Log, Server, announce, command_line, listen};

/// hyper without a framework, with one response contract on everything it answers
#[derive(Debug, Parser)]
#[command(name = "hyper")]
struct Options {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    #[command(flatten)]
    log: Log,

    #[command(flatten)]
    limits: Limits,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match command_line::options::<Options>() {
        Ok(options) => options,
        Err(code) => return code,
    };
    options.log.start();
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => command_line::ended_by(1, &error),
    }
}

async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    let server = Server::new(&options.limits)?;
    let listener = listen(options.listen).await?;
    let service = ServiceBuilder::new()
        // What a refusal leaves unread is read on, so that the client hears it.
        .layer(DrainRequestLayer::new())
        .layer(contract()?)
        .service(service_fn(hello));
    welcome(listener.local_addr()?);
    server.accept(listener, move |_client| service.clone());
    server.until_stopped().await;
    Ok(())
}

fn welcome(address: SocketAddr) {
    announce(format_args!(
        "listening on http://{address}\n\
         \n\
         try:\n\
         \x20 curl -i http://{address}/hello\n\
         \x20 curl -i -d 'what comes in goes out' http://{address}/echo\n\
         \x20 curl -i http://{address}/nowhere\n\
         \x20 curl -i -X DELETE http://{address}/hello\n\
         \n\
         Ctrl-C stops; requests in flight finish."
    ));
}

/// What every response promises, whatever happens in [`hello`].
fn contract() -> Result<ContractLayer, Box<dyn Error>> {
    let policy = CorsPolicy::builder(["http://localhost:3000"]).build()?;
    Ok(ContractLayer::new(policy)
        .public_url("http://localhost:8080".parse()?)
        .methods(MethodGuardLayer::by_path([("/hello", [Method::GET]), ("/echo", [Method::POST])])?)
        .timeout(TimeoutLayer::new(Duration::from_secs(2))))
}

/// The application: any function from a request to a response, or to an error.
async fn hello(request: Request<Upload>) -> Result<Response<Content>, ApiError> {
    match request.uri().path() {
        "/hello" => Ok(Response::new(Either::Left(Full::from("hello\n")))),
        // What comes in goes out, piece by piece.
        "/echo" => Ok(Response::new(Either::Right(request.into_body()))),
        path => Err(ApiError::not_found().with_description(format!("There is nothing at {path}."))),
    }
}

/// Any body whose data is `Bytes` will do; it need not be one that can be made empty.
type Content = Either<Full<Bytes>, Upload>;

/// The content of a request, of which the rest can still be read when it is dropped.
type Upload = DrainableBody<Incoming>;
