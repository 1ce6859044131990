//! What is on the wire, which a page may not see: one request, and every byte of the answer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long the page waits too.
const PATIENCE: Duration = Duration::from_secs(5);

/// Only the stacks are asked, whatever a page wants.
pub type Stacks = Arc<[SocketAddr]>;

#[derive(Deserialize)]
pub struct Asked {
    stack: usize,
    /// The whole request; it should say `Connection: close`.
    request: String,
}

#[derive(Serialize)]
pub struct Seen {
    answer: String,
    /// Whether the server has closed, or is still waited for.
    closed: bool,
}

pub async fn ask(
    State(stacks): State<Stacks>,
    Json(Asked { stack, request }): Json<Asked>,
) -> Result<Json<Seen>, StatusCode> {
    let address = stacks.get(stack).ok_or(StatusCode::NOT_FOUND)?;
    let mut bytes = Vec::new();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_end(&mut bytes).await
    };
    // An error of the connection is seen as what it is: the answer ends.
    let closed = timeout(PATIENCE, exchange).await.is_ok();
    Ok(Json(Seen { answer: String::from_utf8_lossy(&bytes).into_owned(), closed }))
}
