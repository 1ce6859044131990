//! A page on one origin that calls one service on four others, and shows what it can read.
//!
//! ```text
//! cargo run --example playground
//! ```
//!
//! | file | what it tells |
//! |---|---|
//! | `main.rs` | the servers: the page's, and one for each stack |
//! | `service.rs` | the service: one path for each way to fail; it knows nothing of CORS |
//! | `stacks.rs` | the four ways to put layers around it, or none, one of them right |
//! | `raw.rs` | what is on the wire, for the page to show |
//! | `page/` | the page: HTML, CSS and module scripts, without a build step |
//!
//! `node docs/playground.mjs` takes the README's picture of the page.

#![expect(unreachable_pub, reason = "in a program, `pub` says: for the other modules")]

mod raw;
mod service;
#[path = "../shared/mod.rs"]
mod shared;
mod stacks;

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    process::ExitCode,
};

use axum::{
    Json, Router,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Redirect},
    routing::{MethodRouter, get, post},
};
use clap::Parser;
use serde::Serialize;

use crate::{
    raw::Stacks,
    shared::{Limits, Log, Server, announce, command_line, listen},
    stacks::Stack,
};

/// A page that shows what a web page can read of each failure, under several stacks
#[derive(Debug, Parser)]
#[command(name = "playground")]
struct Options {
    /// The address of the page; each stack takes a free port beside it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,

    #[command(flatten)]
    log: Log,

    #[command(flatten)]
    limits: Limits,
}

/// What the page is told about a stack.
#[derive(Clone, Serialize)]
struct Target {
    name: &'static str,
    about: &'static str,
    url: String,
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
    let page = listen(options.listen).await?;
    let address = page.local_addr()?;
    let origin = format!("http://localhost:{}", address.port());
    let (mut targets, mut addresses) = (Vec::new(), Vec::new());
    for stack in stacks::ALL {
        let (target, address) = start(&server, stack, address.ip(), &origin).await?;
        targets.push(target);
        addresses.push(address);
    }
    announce(format_args!("listening on http://{address}\n\nopen {origin}\n\nCtrl-C stops."));
    let pages = pages(targets, addresses.into());
    server.accept(page, move |_client| pages.clone());
    server.until_stopped().await;
    Ok(())
}

/// Serves one stack on a free port, which makes it another origin than the page's.
async fn start(
    server: &Server,
    stack: Stack,
    address: IpAddr,
    page: &str,
) -> Result<(Target, SocketAddr), Box<dyn Error>> {
    let listener = listen(SocketAddr::new(address, 0)).await?;
    let address = listener.local_addr()?;
    let url = format!("http://localhost:{}", address.port());
    let app = (stack.build)(page, &url)?;
    server.accept(listener, move |_client| app.clone());
    Ok((Target { name: stack.name, about: stack.about, url }, address))
}

fn pages(targets: Vec<Target>, stacks: Stacks) -> Router {
    Router::new()
        .route("/", file("text/html", include_str!("page/index.html")))
        .route("/style.css", file("text/css", include_str!("page/style.css")))
        .route("/calls.js", file("text/javascript", include_str!("page/calls.js")))
        .route("/details.js", file("text/javascript", include_str!("page/details.js")))
        .route("/playground.js", file("text/javascript", include_str!("page/playground.js")))
        .route("/targets.json", get(async || Json(targets)))
        .route("/raw", post(raw::ask))
        .fallback(async || Redirect::to("/"))
        .with_state(stacks)
}

fn file(content_type: &'static str, text: &'static str) -> MethodRouter<Stacks> {
    get(async move || ([(CONTENT_TYPE, content_type)], text).into_response())
}
