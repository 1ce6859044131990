//! A page on one origin that calls one service on three others, and shows what it can read.
//!
//! ```text
//! cargo run --example playground
//! ```
//!
//! | file | what it tells |
//! |---|---|
//! | `main.rs` | the four servers |
//! | `service.rs` | the service: one path for each way to fail; it knows nothing of CORS |
//! | `stacks.rs` | the three ways to put layers around it, one of them right |
//! | `page/` | the page: HTML, CSS and a module script, without a build step |

#![expect(unreachable_pub, reason = "in a program, `pub` says: for the other modules")]

mod service;
mod stacks;

use std::{error::Error, io::Write};

use axum::{
    Json, Router,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Redirect},
    routing::get,
};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::stacks::Stack;

const PORT: u16 = 8090;

/// What the page is told about a stack.
#[derive(Clone, Serialize)]
struct Target {
    name: &'static str,
    about: &'static str,
    url: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let page = TcpListener::bind(("127.0.0.1", PORT)).await?;
    let origin = format!("http://localhost:{PORT}");
    let mut targets = Vec::new();
    for stack in stacks::ALL {
        targets.push(start(stack, &origin).await?);
    }
    // Nobody may be reading: a closed standard output is no reason to stop.
    let _ = writeln!(std::io::stdout(), "open {origin}\n\nCtrl-C stops.");
    axum::serve(page, pages(targets)).await?;
    Ok(())
}

/// Serves one stack on a free port, which makes it another origin than the page's.
async fn start(stack: Stack, page: &str) -> Result<Target, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://localhost:{}", listener.local_addr()?.port());
    let app = (stack.build)(service::routes(), page, &url)?;
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(Target { name: stack.name, about: stack.about, url })
}

fn pages(targets: Vec<Target>) -> Router {
    Router::new()
        .route("/", file("text/html", include_str!("page/index.html")))
        .route("/style.css", file("text/css", include_str!("page/style.css")))
        .route("/playground.js", file("text/javascript", include_str!("page/playground.js")))
        .route("/targets.json", get(async || Json(targets)))
        .fallback(async || Redirect::to("/"))
}

fn file(content_type: &'static str, text: &'static str) -> axum::routing::MethodRouter {
    get(async move || ([(CONTENT_TYPE, content_type)], text).into_response())
}
