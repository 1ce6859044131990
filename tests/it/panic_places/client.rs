//! A client of HTTP/1.1 or HTTP/2 that asks for a panic and says what has come of it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{
    place::{Case, Outcome, Place},
    server::Server,
};

pub enum Client {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl Clone for Client {
    fn clone(&self) -> Self {
        match self {
            Self::Http1(_) => panic!("a connection of HTTP/1.1 has one request at a time"),
            Self::Http2(sender) => Self::Http2(sender.clone()),
        }
    }
}

impl Client {
    pub async fn http1(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    pub async fn http2(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    pub fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }

    async fn send(&mut self, method: &str, path: &str) -> hyper::Result<Response<Incoming>> {
        let request = Request::builder().method(method).header("host", "a.example");
        match self {
            Self::Http1(sender) => {
                let _ = sender.ready().await;
                sender.send_request(request.uri(path).body(Empty::new()).unwrap()).await
            }
            Self::Http2(sender) => {
                let uri = format!("http://a.example{path}");
                sender.send_request(request.uri(uri).body(Empty::new()).unwrap()).await
            }
        }
    }

    pub async fn ask(&mut self, method: &str, path: &str) -> hyper::Result<(StatusCode, Bytes)> {
        let response = self.send(method, path).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// Asks for a case, and says what has come of it.
    pub async fn outcome(&mut self, case: Case, server: &Server) -> Outcome {
        server.shared.arm(case);
        if matches!(case.place, Place::FutureDropClientGone | Place::BodyDropClientGone) {
            self.leave(case, server).await;
            return Outcome::Gone;
        }
        let path = case.path();
        let method = if case.place == Place::Clone { "DELETE" } else { "GET" };
        let asked = tokio::time::timeout(Duration::from_secs(20), self.ask(method, &path));
        let Ok((status, content)) = asked.await.unwrap_or_else(|_| panic!("{case:?} hangs")) else {
            // A connection that has broken off ends a moment later.
            tokio::time::sleep(Duration::from_millis(1)).await;
            return Outcome::Broken;
        };
        if status.is_success() {
            assert_eq!(content, "hello", "{case:?}");
        } else {
            let envelope: tower_contract::Envelope = serde_json::from_slice(&content).unwrap();
            assert_eq!(envelope.code, u32::from(status.as_u16()), "{case:?}");
            assert!(!content.windows(6).any(|text| text == b"secret"), "{case:?}");
        }
        Outcome::Answer(status.as_u16())
    }

    /// Asks for a case on a connection or a stream of its own, and leaves while it waits.
    pub async fn leave(&mut self, case: Case, server: &Server) {
        let path = case.path();
        let mut leaving = match self {
            Self::Http1(_) => Self::http1(server).await,
            Self::Http2(_) => self.clone(),
        };
        let asked = async {
            let mut body = leaving.send("GET", &path).await.unwrap().into_body();
            body.frame().await.unwrap().unwrap();
            body.frame().await
        };
        let asked = tokio::time::timeout(Duration::from_millis(30), asked).await;
        assert!(asked.is_err(), "{case:?} was waiting");
    }
}
