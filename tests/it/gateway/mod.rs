//! The gateway as a process, between raw sockets: what each side gets, byte for byte.

mod early_answer;
mod errors;
mod fields;
mod framing;
mod options;
mod restart;
mod status_code;
mod streams;
mod upstream;
mod websocket;

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::example::{Example, soon};

/// A gateway in front of `upstream`, with a time limit that nothing here comes near.
async fn gateway(upstream: SocketAddr, more: &[&str]) -> Example {
    let upstream = format!("http://{upstream}");
    let mut options = vec![
        "--upstream",
        &upstream,
        "--server-url",
        "https://app.example.com",
        "--public-url",
        "https://api.example.com",
    ];
    if !more.contains(&"--timeout") {
        options.extend(["--timeout", "15s"]);
    }
    options.extend(more);
    Example::start("gateway", &options).await
}

/// Asks a gateway in front of an upstream that answers with these pieces, and returns the answer.
async fn asked(request: &str, pieces: &[&str]) -> String {
    let upstream = upstream::Scripted::start(pieces).await;
    let gateway = gateway(upstream.address, &[]).await;
    answer(gateway.address, request).await
}

/// Sends `GET /x?secret`, and returns what a gateway makes of an answer in these pieces.
async fn got(pieces: &[&str]) -> String {
    asked("GET /x?secret HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", pieces).await
}

/// The whole answer to these bytes, up to the closing of the connection, without what every answer
/// has: the contract's header fields, which must be there, and the date.
async fn answer(gateway: SocketAddr, request: &str) -> String {
    without_contract(&whole_answer(gateway, request).await)
}

/// The same, with everything.
async fn whole_answer(gateway: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

/// What comes until the other side closes, with or without ceremony.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset ends it too: what has come before is kept.
    let _ = soon("the answer", stream.read_to_end(&mut bytes)).await;
    String::from_utf8(bytes).unwrap().replace('\r', "")
}

/// Reads up to and with these bytes.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        let byte = soon(end, stream.read_u8()).await;
        bytes.push(byte.unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&bytes))));
    }
    String::from_utf8(bytes).unwrap()
}

const CONTRACT: [&str; 5] = [
    "access-control-allow-origin: https://app.example.com",
    "access-control-allow-origins: https://app.example.com",
    "access-control-allow-headers: Authorization, Origin",
    "access-control-allow-methods: GET, POST, OPTIONS",
    "access-control-allow-credentials: true",
];

#[track_caller]
fn without_contract(answer: &str) -> String {
    let (head, content) = answer.split_once("\n\n").unwrap_or((answer, ""));
    for line in CONTRACT {
        assert_eq!(head.lines().filter(|l| *l == line).count(), 1, "{line} in {answer:?}");
    }
    let head = head.lines().filter(|l| !CONTRACT.contains(l) && !l.starts_with("date: "));
    format!("{}\n\n{content}\n", head.collect::<Vec<_>>().join("\n"))
}
