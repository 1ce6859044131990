//! Both cures on sockets: under `axum::serve`, and under hyper alone.

use std::{fmt::Debug, net::SocketAddr, time::Duration};

use axum::{Router, body, extract::ConnectInfo, routing::get, serve::ListenerExt};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::{client::conn::http2, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tower::{ServiceBuilder, service_fn};
use tower_contract::{
    ApiError, ContractLayer, DrainRequestLayer, Linger, Lingering, LingeringListener,
    MethodGuardLayer,
};

use crate::{
    example::{PATIENCE, soon},
    support::contract,
};

const KIB: usize = 1024;

/// Early answers, and what a client asks for to get them.
const EARLY: [(&str, u16); 5] = [
    ("POST /nowhere", 404),
    ("DELETE /read", 405),
    ("POST /401", 401),
    ("POST /413", 413),
    ("POST /panic", 500),
];

/// The application: its path says what it does.
async fn application<B>(mut request: Request<B>) -> Result<Response<Full<Bytes>>, ApiError>
where
    B: Body<Data = Bytes, Error: Debug>,
{
    match request.uri().path() {
        "/read" => {
            let content = request.into_body().collect().await.unwrap().to_bytes();
            Ok(Response::new(content.len().to_string().into()))
        }
        "/401" => Err(ApiError::new(StatusCode::UNAUTHORIZED)),
        "/413" => Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE)),
        "/panic" => panic!("no such luck"),
        "/upgrade" => {
            let upgrade = request.extensions_mut().remove().unwrap();
            tokio::spawn(echo_100_kb(upgrade));
            let mut switching = Response::default();
            *switching.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            Ok(switching)
        }
        _ => Err(ApiError::not_found()),
    }
}

/// The owner of an upgraded connection: sends 100 kB back, and drops it with more to come.
async fn echo_100_kb(upgrade: OnUpgrade) {
    let upgraded = TokioIo::new(upgrade.await.unwrap());
    let (reader, mut writer) = tokio::io::split(upgraded);
    copy(&mut reader.take(100_000), &mut writer).await.unwrap();
}

fn stack() -> ContractLayer {
    contract().methods(MethodGuardLayer::new([Method::GET, Method::POST]))
}

/// The layer, patient with a machine that is busy.
fn drain() -> DrainRequestLayer {
    DrainRequestLayer::new().max_time(PATIENCE)
}

fn linger() -> Linger {
    Linger::new().max_silence(PATIENCE).max_time(PATIENCE)
}

/// The application under `axum::serve`.
async fn axum(linger: Linger) -> SocketAddr {
    let app = Router::new()
        .route("/address", get(async |ConnectInfo(a): ConnectInfo<SocketAddr>| a.to_string()))
        .fallback(application::<body::Body>)
        .layer(stack())
        .layer(drain());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = LingeringListener::new(listener).with_linger(linger).tap_io(|_| {});
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

/// The application under hyper alone.
async fn hyper(linger: Linger) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = ServiceBuilder::new().layer(drain()).layer(stack());
    let service = TowerToHyperService::new(service.service(service_fn(application)));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (stream, service) = (Lingering::new(stream, &linger), service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

async fn servers() -> [SocketAddr; 2] {
    [axum(linger()).await, hyper(linger()).await]
}

/// A client that writes all before it reads, and then the head and content of the answer.
async fn upload(stream: &mut TcpStream, asked: &str, length: usize) -> String {
    let head = format!("{asked} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    let mut request = head.into_bytes();
    request.resize(request.len() + length, b'x');
    // A server that has closed the connection loses the answer, which is then missed below.
    let _ = soon("the upload", stream.write_all(&request)).await;
    answer(stream).await
}

/// The head of the next answer, and its content on the last line.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut end = None;
    while end.is_none_or(|end| text.len() < end) {
        let mut buffer = [0; KIB];
        let read = soon("the answer", stream.read(&mut buffer)).await;
        let read = read.unwrap_or_else(|error| panic!("{error} after {text:?}"));
        assert!(read > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        end = text.split_once("\r\n\r\n").map(|(head, _)| head.len() + 4 + content_length(head));
    }
    text.replace("\r\n", "\n")
}

fn content_length(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    line.map_or(0, |length| length.parse().unwrap())
}

#[tokio::test]
async fn an_answer_to_what_the_layer_reads_on_is_heard_and_so_is_the_next() {
    for address in servers().await {
        let mut stream = TcpStream::connect(address).await.unwrap();
        for (asked, status) in EARLY {
            for length in [20, 100 * KIB, 256 * KIB] {
                let heard = upload(&mut stream, asked, length).await;
                assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{asked}: {heard}");
                assert!(!heard.contains("\nconnection: "), "{asked}: {heard}");
                let next = upload(&mut stream, "POST /read", 7).await;
                assert!(next.starts_with("HTTP/1.1 200 ") && next.ends_with("\n\n7"), "{next}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_to_a_large_upload_is_heard_and_says_that_the_connection_ends() {
    for address in servers().await {
        for (asked, status) in EARLY {
            for length in [257 * KIB, 5 * KIB * KIB] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let heard = upload(&mut stream, asked, length).await;
                assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{asked}: {heard}");
                assert!(heard.contains("\nconnection: close\n"), "{asked}: {heard}");
                assert_eq!(soon("the end", stream.read(&mut [0; 1])).await.unwrap(), 0);
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_its_answer_and_no_100() {
    let expecting = |asked| {
        format!("{asked} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n")
    };
    for address in servers().await {
        for (asked, status) in EARLY {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(expecting(asked).as_bytes()).await.unwrap();
            let heard = answer(&mut stream).await;
            assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{asked}: {heard}");
            assert!(heard.contains("\nconnection: close\n"), "{asked}: {heard}");
        }
        // Where the service reads, it is asked.
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(expecting("POST /read").as_bytes()).await.unwrap();
        let mut interim = *b"HTTP/1.1 200 Whatever\r\n\r\n";
        soon("the 100", stream.read_exact(&mut interim)).await.unwrap();
        assert_eq!(interim, *b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"123456789").await.unwrap();
        assert!(answer(&mut stream).await.ends_with("\n\n9"));
    }
}

#[tokio::test]
async fn a_client_that_stalls_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().layer(DrainRequestLayer::new());
    tokio::spawn(async { axum::serve(LingeringListener::new(listener), app).await });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let begun = Instant::now();
    let begun_upload = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nbegun";
    stream.write_all(begun_upload).await.unwrap();
    let heard = answer(&mut stream).await;
    assert!(heard.starts_with("HTTP/1.1 404 "), "{heard}");
    assert!(heard.contains("\nconnection: close\n"), "{heard}");
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_endless_sender_is_ended() {
    let short = || linger().max_bytes(KIB as u64 * KIB as u64);
    for address in [axum(short()).await, hyper(short()).await] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = b"POST /nowhere HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut chunk = b"10000\r\n".to_vec();
        chunk.resize(chunk.len() + 64 * KIB, b'x');
        chunk.extend(b"\r\n");
        let mut sent = 0;
        while soon("a write", stream.write_all(&chunk)).await.is_ok() {
            sent += chunk.len();
            // Beyond the cap is what the kernel holds.
            assert!(sent < 64 * KIB * KIB, "never ended");
        }
        assert!(sent > KIB * KIB, "{sent}");
    }
}

#[tokio::test]
async fn an_upgraded_connection_loses_no_byte() {
    for address in servers().await {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let upgrade =
            b"GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        stream.write_all(upgrade).await.unwrap();
        let heard = answer(&mut stream).await;
        assert!(heard.starts_with("HTTP/1.1 101 ") && !heard.contains("close"), "{heard}");

        // More than its owner reads: the rest is discarded, and the echo is heard.
        let sent: Vec<u8> = (0_u8..=255).cycle().take(5 * KIB * KIB).collect();
        soon("the bytes", stream.write_all(&sent)).await.unwrap();
        let mut echo = Vec::new();
        soon("the echo", stream.read_to_end(&mut echo)).await.unwrap();
        assert!(echo == sent[..100_000], "{} bytes", echo.len());
    }
}

#[tokio::test]
async fn http_2_is_as_without_them() {
    for address in servers().await {
        let stream = TcpStream::connect(address).await.unwrap();
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (client, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        for (asked, status) in EARLY {
            let (method, path) = asked.split_once(' ').unwrap();
            let asked = Request::builder().method(method).uri(format!("http://{address}{path}"));
            let asked = asked.body(Full::<Bytes>::from(vec![0; 5 * KIB * KIB])).unwrap();
            let heard = soon("the answer", client.clone().send_request(asked)).await.unwrap();
            assert_eq!(heard.status(), status);
            assert!(!heard.headers().contains_key("connection"));
            let content = heard.into_body().collect().await.unwrap().to_bytes();
            assert!(content.starts_with(b"{"), "{content:?}");
        }
    }
}

#[tokio::test]
async fn the_address_of_the_client_is_known_under_a_lingering_listener() {
    let mut stream = TcpStream::connect(axum(linger()).await).await.unwrap();
    let own = stream.local_addr().unwrap();
    let heard = upload(&mut stream, "GET /address", 0).await;
    assert!(heard.ends_with(&format!("\n\n{own}")), "{heard}");
}

#[tokio::test]
async fn a_client_that_goes_first_leaves_nothing_behind() {
    let linger = linger();
    for address in [axum(linger.clone()).await, hyper(linger.clone()).await] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        upload(&mut stream, "POST /read", 7).await;
        stream.shutdown().await.unwrap();
        assert_eq!(soon("the end", stream.read(&mut [0; 1])).await.unwrap(), 0);
        assert_eq!(linger.sockets(), 0);
    }
}
