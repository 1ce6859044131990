//! Real clients of real upstreams that fail: each failure is one 502 that says nothing.

use std::{fmt, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

use crate::support::{assert_error, contract, envelope, request, sentence};

/// A proxy to `address` under the contract.
fn proxy(
    address: SocketAddr,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<impl http_body::Body<Data = Bytes, Error: fmt::Debug>>,
    Error: fmt::Debug,
> {
    let client =
        Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(HttpConnector::new());
    contract().layer(service_fn(move |mut request: Request<Full<Bytes>>| {
        *request.uri_mut() = format!("http://{address}/").parse().unwrap();
        client.request(request)
    }))
}

async fn asked<S, B>(service: S) -> Response<Bytes>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: fmt::Debug>,
    B: http_body::Body<Data = Bytes, Error: fmt::Debug>,
{
    let (head, body) = service.oneshot(request("GET /x")).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn an_upstream_that_refuses_to_connect_is_502_without_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sent = asked(proxy(address)).await;
    assert_error(&sent, 502, &envelope("GET", 502, &sentence(502), "/x"));
    for secret in ["127.0.0.1", "111", "refused"] {
        assert!(!str::from_utf8(sent.body()).unwrap().contains(secret));
    }
}

#[tokio::test]
async fn an_upstream_that_hangs_up_is_502() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
    });
    let sent = asked(proxy(address)).await;
    assert_error(&sent, 502, &envelope("GET", 502, &sentence(502), "/x"));
}

#[tokio::test]
async fn an_upstream_that_answers_nonsense_is_502() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        let nonsense = b"220 mail.example ESMTP\r\n\r\n";
        stream.write_all(nonsense).await.unwrap();
    });
    assert_eq!(asked(proxy(address)).await.status(), 502);
}

#[tokio::test]
async fn hypers_own_connection_that_breaks_off_is_502() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
    });
    let proxy = contract().layer(service_fn(move |request: Request<Full<Bytes>>| async move {
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let (mut client, connection) = hyper::client::conn::http1::handshake(stream).await?;
        tokio::spawn(connection);
        Ok::<_, BoxError>(client.send_request(request).await?)
    }));
    assert_eq!(asked(proxy).await.status(), 502);
}

#[tokio::test]
async fn a_client_that_refuses_to_send_a_request_is_502() {
    let client =
        Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(HttpConnector::new());
    let proxy = contract().layer(service_fn(move |request| client.request(request)));
    assert_eq!(asked(proxy).await.status(), 502, "its target has no host");
}

/// What an upstream of `forms` answers: the pieces of one response, each after a pause.
async fn upstream_in_pieces(pieces: Vec<(u64, &'static str)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let pieces = pieces.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                for (pause, piece) in pieces {
                    tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
                    let _ = stream.write_all(piece.as_bytes()).await;
                }
            });
        }
    });
    address
}

/// The usual reverse proxy of axum: `Router::new().fallback(..)` with hyper-util's client.
#[tokio::test]
async fn what_an_upstream_says_arrives_however_it_is_sent() {
    const CONTENT: &str = r#"{"http_method":"GET","title":"bad parameter","description":"no mode","code":4020,"uri":"/m"}"#;
    const HEAD: &str =
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let length: &str = format!("{HEAD}content-length: {}\r\n\r\n", CONTENT.len()).leak();
    let whole: &str = format!("{length}{CONTENT}").leak();
    let chunked: &str = format!("{HEAD}transfer-encoding: chunked\r\n\r\n").leak();
    let (one, two) = CONTENT.split_at(30);
    let first: &str = format!("{:x}\r\n{one}\r\n", one.len()).leak();
    let second: &str = format!("{:x}\r\n{two}\r\n0\r\n\r\n", two.len()).leak();
    for pieces in [
        vec![(0, whole)],
        vec![(0, length), (0, CONTENT)],
        vec![(0, chunked), (0, first), (0, second)],
        vec![(0, length), (1, CONTENT)],
        vec![(0, length), (20, CONTENT)],
    ] {
        let address = upstream_in_pieces(pieces.clone()).await;
        let client = Client::builder(TokioExecutor::new())
            .build::<_, axum::body::Body>(HttpConnector::new());
        let forward = move |mut request: axum::extract::Request| {
            let client = client.clone();
            async move {
                *request.uri_mut() = format!("http://{address}/").parse().unwrap();
                let answer = client.request(request).await;
                let answer = answer.map(|answer| answer.map(axum::body::Body::new));
                answer.map_err(|_| http::StatusCode::BAD_GATEWAY)
            }
        };
        let app = axum::Router::new().fallback(forward).layer(contract());
        for _ in 0..100 {
            let request = Request::get("/m").body(axum::body::Body::empty()).unwrap();
            let answer = app.clone().oneshot(request).await.unwrap();
            let content = answer.into_body().collect().await.unwrap().to_bytes();
            let told: tower_contract::Envelope = serde_json::from_slice(&content).unwrap();
            assert_eq!(told.code, 4020, "{pieces:?}");
        }
    }
}
