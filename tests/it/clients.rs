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
