//! What the examples' server does with clients that do not behave, and when it is asked to stop.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, header::CONNECTION};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::example::{Example, soon, without_times};

const PING: &[u8] = b"GET /ping HTTP/1.1\r\nhost: a\r\n\r\n";
const HALF_A_HEAD: &[u8] = b"GET /ping HTTP/1.1\r\nhost: a\r\nx-half: ";
const STALLED_UPLOAD: &[u8] =
    b"POST /server/mode HTTP/1.1\r\nhost: a\r\nauthorization: Basic YWRtaW46YWRtaW4=\r\n\
      content-type: application/json\r\ncontent-length: 99\r\n\r\n{\"mode\"";

async fn sent(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = soon("a connection", TcpStream::connect(address)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads what comes until the other side closes, with or without ceremony.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = soon("the end", stream.read_to_end(&mut bytes)).await;
    String::from_utf8(bytes).unwrap()
}

/// A request that the server works on for so long.
fn slow(milliseconds: u64) -> String {
    format!(
        "GET /diagnostics/sleep/{milliseconds} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    )
}

// ===== the stop =====

#[tokio::test]
async fn a_stop_ends_in_time_whatever_clients_have_half_done() {
    let options = ["--diagnostics", "--timeout", "1h", "--stop-within", "1s"];
    let api = Example::start("recording_api", &options).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(sent(api.address, HALF_A_HEAD).await);
        clients.push(sent(api.address, STALLED_UPLOAD).await);
        clients.push(sent(api.address, slow(3_600_000).as_bytes()).await);
        clients.push(sent(api.address, b"").await);
    }
    sleep(Duration::from_millis(300)).await;
    api.signal("TERM").await;
    let start = Instant::now();
    let (status, log) = api.end_with_log().await;
    assert!(status.success());
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    // Neither half a head nor silence keeps a stop waiting; an upload and a request in flight do.
    assert_eq!(
        without_times(&log),
        "INFO stopping; requests in flight have 1s to finish, a second Ctrl-C ends them\n\
         WARN closed 20 connections that were open after 1s\n"
    );
}

#[tokio::test]
async fn a_hung_body_does_not_keep_a_stop_waiting() {
    let hyper = Example::start("hyper", &["--stop-within", "500ms"]).await;
    let upload = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\nhello";
    let mut client = sent(hyper.address, upload).await;
    let mut head = [0; 17];
    soon("the head", client.read_exact(&mut head)).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK\r\n");
    hyper.signal("TERM").await;
    let (status, log) = hyper.end_with_log().await;
    assert!(status.success());
    assert!(log.ends_with("closed 1 connections that were open after 500ms\n"), "{log}");
}

#[tokio::test]
async fn a_hundred_requests_in_flight_finish() {
    let api = Example::start("recording_api", &["--diagnostics", "--timeout", "1h"]).await;
    let mut clients = JoinSet::new();
    for _ in 0..100 {
        let mut stream = sent(api.address, slow(4000).as_bytes()).await;
        clients.spawn(async move { rest(&mut stream).await });
    }
    // A connection that waits to be accepted is in nobody's hands: all are, by then.
    sleep(Duration::from_secs(1)).await;
    api.signal("TERM").await;
    while let Some(answer) = clients.join_next().await {
        let answer = answer.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
        assert!(answer.ends_with("slept for 4000 ms\n"), "{answer:?}");
    }
    let (status, log) = api.end_with_log().await;
    assert!(status.success());
    assert_eq!(log.lines().count(), 1, "{log}");
}

/// Asks on one connection until an answer says that it was the last.
async fn hammer(address: SocketAddr, answers: Arc<AtomicUsize>) {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    loop {
        let request = Request::get("/ping").header("host", "a").body(Empty::<Bytes>::new());
        soon("the connection", sender.ready()).await.unwrap();
        let answer = soon("an answer", sender.send_request(request.unwrap())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let is_last = answer.headers().get(CONNECTION).is_some_and(|value| value == "close");
        answer.into_body().collect().await.unwrap();
        answers.fetch_add(1, Ordering::Relaxed);
        if is_last {
            break;
        }
    }
    soon("the close", connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn clients_that_keep_their_connections_are_told_to_leave_and_none_is_cut() {
    let api = Example::start("recording_api", &[]).await;
    let answers = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..32 {
        clients.spawn(hammer(api.address, Arc::clone(&answers)));
    }
    soon("the first thousand answers", async {
        while answers.load(Ordering::Relaxed) < 1000 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    api.signal("TERM").await;
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let (status, log) = api.end_with_log().await;
    assert!(status.success());
    assert_eq!(log.lines().count(), 1, "{log}");
}

// ===== the last answer =====

#[tokio::test]
async fn a_client_that_writes_all_before_it_reads_hears_the_refusal() {
    let api = Example::start("recording_api", &[]).await;
    let mut client = sent(
        api.address,
        b"POST /server/mode HTTP/1.1\r\nhost: a\r\nauthorization: Basic YWRtaW46YWRtaW4=\r\n\
          content-type: application/json\r\ncontent-length: 8000000\r\n\r\n",
    )
    .await;
    soon("the upload", client.write_all(&vec![b'x'; 8_000_000])).await.unwrap();
    let answer = rest(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
}

#[tokio::test]
async fn a_refusal_that_is_made_before_the_content_came_leaves_the_connection() {
    const FRONT: [&str; 4] =
        ["--server-url", "https://a.example", "--public-url", "https://b.example"];
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let upstream = format!("http://{}", closed.local_addr().unwrap());
    let gateway = [&["--upstream", &upstream][..], &FRONT].concat();
    for (name, options, status) in [
        ("recording_api", &[][..], "404"),
        ("hyper", &[], "404"),
        ("recording_grpc", &[], "404"),
        ("gateway", &gateway, "502"),
    ] {
        let example = Example::start(name, options).await;
        let head = b"POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 20000\r\n\r\n";
        let mut client = sent(example.address, head).await;
        // The server knows its answer by then, and has not read to the end of the request.
        sleep(Duration::from_millis(100)).await;
        client.write_all(&vec![b'x'; 20_000]).await.unwrap();
        client
            .write_all(b"POST /nowhere HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let answers = rest(&mut client).await;
        let both = answers.matches(&format!("HTTP/1.1 {status} ")).count();
        assert_eq!(both, 2, "{name}: {answers}");
        assert_eq!(answers.matches("connection: close").count(), 1, "{name}: {answers}");
    }
}

// ===== limits =====

#[tokio::test]
async fn slow_clients_do_not_keep_an_honest_one_out() {
    let api = Example::start_under("-n 128", "recording_api", &[]).await;
    let mut slow = Vec::new();
    for n in 0..160 {
        let bytes = if n % 4 == 0 { b"" } else { HALF_A_HEAD };
        slow.push(sent(api.address, bytes).await);
    }
    // Nobody has been answered yet: all of them wait, some of them to be accepted.
    let start = Instant::now();
    let mut honest = sent(api.address, PING).await;
    let mut head = [0; 17];
    soon("the answer", honest.read_exact(&mut head)).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK\r\n");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(api.into_log().await, "", "descriptors have not run out");
}

#[tokio::test]
async fn a_request_in_flight_keeps_its_place() {
    let options = ["--diagnostics", "--timeout", "1h", "--max-connections", "2"];
    let api = Example::start("recording_api", &options).await;
    let mut first = sent(api.address, slow(2000).as_bytes()).await;
    let mut second = sent(api.address, slow(2000).as_bytes()).await;
    let mut third = sent(api.address, PING).await;
    let early = timeout(Duration::from_secs(1), third.read_u8()).await;
    assert!(early.is_err(), "it waits for a place: {early:?}");
    for stream in [&mut first, &mut second] {
        assert!(rest(stream).await.ends_with("slept for 2000 ms\n"));
    }
    assert_eq!(soon("the answer", third.read_u8()).await.unwrap(), b'H');
}

#[tokio::test]
async fn a_client_that_sends_nothing_or_half_a_head_is_closed() {
    let api = Example::start("recording_api", &["--head-timeout", "300ms"]).await;
    for bytes in [b"", HALF_A_HEAD] {
        let mut client = sent(api.address, bytes).await;
        assert_eq!(rest(&mut client).await, "");
    }
    // One that has asked is a client like any other, until it is silent for as long.
    let mut client = sent(api.address, PING).await;
    let answer = rest(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}
