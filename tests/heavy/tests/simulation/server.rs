//! hyper's server around the stack; a request's path says what the service does.

use std::{
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tower::{BoxError, Layer, service_fn};
use tower_contract::{ContractLayer, CorsPolicy, MethodGuardLayer, TimeoutLayer};
use turmoil::net::TcpListener;

use crate::Log;

pub(crate) const PORT: u16 = 80;
pub(crate) const FRONT_END: &str = "https://app.example.com";

/// What a panic says that a request asks for.
pub(crate) const ASKED_FOR: &str = "a panic of the simulation";

pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

fn stack() -> ContractLayer {
    let policy = CorsPolicy::builder([FRONT_END]).build().unwrap();
    ContractLayer::new(policy)
        .methods(MethodGuardLayer::new([Method::GET, Method::POST]))
        .timeout(TimeoutLayer::new(Duration::from_millis(500)))
}

/// Serves until the simulation ends it.
pub(crate) async fn serve(log: Log) -> turmoil::Result {
    let listener = TcpListener::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let log = log.clone();
        let service = stack().layer(service_fn(move |request| application(log.clone(), request)));
        // Local tasks end in their order when the server restarts, others in any.
        tokio::task::spawn_local(async move {
            let mut server = auto::Builder::new(TokioExecutor::new());
            // A client that has asked may close its half, and is answered all the same.
            server.http1().half_close(true).timer(TokioTimer::new());
            let io = TokioIo::new(stream);
            // What fails here is what the clients look at.
            let _ = server.serve_connection(io, TowerToHyperService::new(service)).await;
        });
    }
}

async fn application(log: Log, request: Request<Incoming>) -> Result<Response<AnyBody>, BoxError> {
    let id = request.headers()["x-id"].to_str()?.to_owned();
    log.calls.lock().unwrap().push(id);
    if let Some(wait) = request.headers().get("x-wait") {
        tokio::time::sleep(Duration::from_millis(wait.to_str()?.parse()?)).await;
    }
    match request.uri().path() {
        "/ok" => Ok(Response::new(any(Full::from("hello")))),
        "/echo" => {
            let content = request.into_body().collect().await?.to_bytes();
            Ok(Response::new(any(Full::new(content))))
        }
        "/long" => Ok(Response::new(any(Long(64)))),
        "/panic" => panic!("{ASKED_FOR}"),
        "/panic-in-body" => Ok(Response::new(any(Long(0)))),
        "/fail" => Err("no database".into()),
        "/slow" => std::future::pending().await,
        _ => {
            let mut missing = Response::new(any(Full::default()));
            *missing.status_mut() = StatusCode::NOT_FOUND;
            Ok(missing)
        }
    }
}

fn any<B>(body: B) -> AnyBody
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

/// A body of one frame of 1 KiB less than this number; with zero, it panics.
struct Long(u8);

impl Body for Long {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        assert_ne!(self.0, 0, "{ASKED_FOR}");
        if self.0 == 1 {
            return Poll::Ready(None);
        }
        self.0 -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'a'; 1024])))))
    }
}
