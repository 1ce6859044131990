//! Content of any size streams, both ways, and takes no more memory than a small one.

use std::{env, fs, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, mpsc::unbounded_channel},
    time::{Instant, sleep, timeout},
};

use super::{gateway, read_until, upstream::serve};
use crate::example::{Example, soon};

const PIECE: usize = 64 * 1024;

/// How much goes each way: 64 MiB, or what this variable says.
fn size() -> usize {
    let mebibytes = env::var("GATEWAY_TEST_MIB").map_or(64, |text| text.parse().unwrap());
    mebibytes * 1024 * 1024
}

/// Reads content of `size` bytes, which count up, and then tells so; or sends as many.
async fn bulk(mut stream: TcpStream) {
    let head = read_until(&mut stream, "\r\n\r\n").await;
    let size = size();
    if head.starts_with("GET ") {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        send(&mut stream, size).await;
    } else {
        assert!(head.contains(&format!("\r\ncontent-length: {size}\r\n")), "{head}");
        receive(&mut stream, size).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).await.unwrap();
    }
}

async fn send(stream: &mut TcpStream, size: usize) {
    let piece = pattern();
    for _ in 0..size / PIECE {
        stream.write_all(&piece).await.unwrap();
    }
}

/// Reads `size` bytes, and checks each of them.
async fn receive(stream: &mut TcpStream, size: usize) {
    let expected = pattern();
    let mut piece = vec![0; PIECE];
    for _ in 0..size / PIECE {
        stream.read_exact(&mut piece).await.unwrap();
        assert!(piece == expected, "other bytes");
    }
}

fn pattern() -> Vec<u8> {
    (0..251).cycle().take(PIECE).collect()
}

/// The most memory that the process has ever had, in KiB.
fn peak_memory(gateway: &Example) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = peak.unwrap().trim().trim_end_matches(" kB");
    digits.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn large_content_passes_each_way_at_constant_memory() {
    let (address, _) = serve(bulk).await;
    let gateway = gateway(address, &["--timeout", "10m"]).await;
    let before = peak_memory(&gateway);
    let size = size();
    let start = Instant::now();

    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    receive(&mut client, size).await;
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    let (down, after_down) = (start.elapsed(), peak_memory(&gateway));

    let start = Instant::now();
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    send(&mut client, size).await;
    let answer = super::read_to_end(&mut client).await;
    assert!(answer.ends_with("\n\nok"), "{answer}");
    let (up, after) = (start.elapsed(), peak_memory(&gateway));

    println!(
        "{} MiB down in {down:.1?}, up in {up:.1?}; peak memory {before}, {after_down}, {after} KiB",
        size / 1024 / 1024
    );
    // What hyper buffers for a connection, twice, and no more.
    assert!(after < before + 8 * 1024, "{before} KiB, then {after} KiB");
}

#[tokio::test]
async fn a_slow_reader_holds_the_upstream_back() {
    let (stop, stopped) = tokio::sync::watch::channel(0_usize);
    let stop = std::sync::Arc::new(stop);
    let (address, _) = serve(move |mut stream| {
        let stop = std::sync::Arc::clone(&stop);
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let piece = pattern();
            while stream.write_all(&piece).await.is_ok() {
                stop.send_modify(|sent| *sent += piece.len());
            }
        }
    })
    .await;
    let gateway = gateway(address, &[]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    let mut sent = 0;
    loop {
        sleep(Duration::from_millis(300)).await;
        let now = *stopped.borrow();
        if now == sent {
            break;
        }
        sent = now;
    }
    // The kernel's buffers on four sockets, and little of the gateway's.
    assert!(sent < 64 * 1024 * 1024, "{sent}");
}

#[tokio::test]
async fn content_that_waits_for_100_continue_is_asked_for() {
    let (address, _) = serve(async |mut stream| {
        let request = super::upstream::read_request(&mut stream).await;
        assert!(request.ends_with("\r\n\r\nhello"), "{request}");
        // A final answer only; the gateway does not need another 100.
        let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let gateway = gateway(address, &[]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\nconnection: close\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let interim = read_until(&mut client, "\r\n\r\n").await;
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hello").await.unwrap();
    let answer = super::read_to_end(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\n"), "{answer}");
    assert!(answer.ends_with("\n\nok"), "{answer}");
}

#[tokio::test]
async fn content_that_waits_is_not_asked_for_in_vain() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let gateway = gateway(address, &[]).await;
    let request = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let answer = super::answer(gateway.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn each_piece_is_passed_when_it_comes_both_ways() {
    // The upstream answers each line before it has got the next.
    let (address, _) = serve(async |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        for _ in 0..3 {
            read_until(&mut stream, "ping\r\n").await;
            stream.write_all(b"4\r\npong\r\n").await.unwrap();
        }
        read_until(&mut stream, "0\r\n\r\n").await;
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    })
    .await;
    let gateway = gateway(address, &[]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    client.write_all(head).await.unwrap();
    client.write_all(b"4\r\nping\r\n").await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    read_until(&mut client, "pong\r\n").await;
    for _ in 0..2 {
        client.write_all(b"4\r\nping\r\n").await.unwrap();
        read_until(&mut client, "pong\r\n").await;
    }
    client.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut client, "0\r\n\r\n").await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let (gone, was_gone) = tokio::sync::oneshot::channel::<()>();
    let gone = std::sync::Arc::new(std::sync::Mutex::new(Some(gone)));
    let (arrived, mut arrivals) = unbounded_channel();
    let (address, _) = serve(move |mut stream| {
        let (gone, arrived) = (gone.lock().unwrap().take(), arrived.clone());
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            arrived.send(()).unwrap();
            // Closed by the gateway, long before its time limit.
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
            drop(gone);
        }
    })
    .await;
    let gateway = gateway(address, &[]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    soon("the request", arrivals.recv()).await.unwrap();
    drop(client);
    let _ = soon("the end of the request", was_gone).await;
}

#[tokio::test]
async fn on_sigterm_a_request_in_flight_finishes() {
    let (arrived, mut arrivals) = unbounded_channel();
    let stopping = std::sync::Arc::new(Notify::new());
    let told = std::sync::Arc::clone(&stopping);
    let (address, _) = serve(move |mut stream| {
        let (arrived, told) = (arrived.clone(), std::sync::Arc::clone(&told));
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            arrived.send(()).unwrap();
            told.notified().await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
    })
    .await;
    let mut gateway = gateway(address, &[]).await;
    let idle = TcpStream::connect(gateway.address).await.unwrap();
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    soon("the request", arrivals.recv()).await.unwrap();
    gateway.signal("TERM").await;
    soon("the closing of the port", async {
        while TcpStream::connect(gateway.address).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    stopping.notify_one();
    let answer = super::read_to_end(&mut client).await;
    assert!(answer.ends_with("\n\nok"), "{answer}");
    assert!(gateway.end().await.success());
    drop(idle);
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let (arrived, mut arrivals) = unbounded_channel();
    let (address, _) = serve(move |mut stream| {
        let arrived = arrived.clone();
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            arrived.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let mut gateway = gateway(address, &[]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    soon("the request", arrivals.recv()).await.unwrap();
    gateway.signal("INT").await;
    // Signals that come at once may be seen as one: repeat the second until it is seen.
    while timeout(Duration::from_millis(50), gateway.end()).await.is_err() {
        gateway.signal("INT").await;
    }
}
