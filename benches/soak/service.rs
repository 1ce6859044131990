//! A service that does everything that goes wrong, under the whole stack, over HTTP/1.1 and HTTP/2.

use std::{
    future::pending,
    net::SocketAddr,
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_contract::{
    ApiError, BodyTimeoutLayer, ContractLayer, CorsPolicy, DrainRequestLayer, Linger, Lingering,
    MethodGuardLayer, TimeoutLayer, service::DrainableBody,
};

pub const FRONT_END: &str = "https://app.example.com";

/// Stands in what no client may see.
pub const SECRET: &str = "s3cret-canary";

type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

fn contract() -> ContractLayer {
    let policy = CorsPolicy::builder([FRONT_END]).build().unwrap();
    ContractLayer::new(policy)
        .methods(MethodGuardLayer::new([Method::GET, Method::POST]))
        .timeout(TimeoutLayer::per_request(|head| {
            let is_slow = head.uri.path().ends_with("slow");
            Some(Duration::from_millis(if is_slow { 20 } else { 60_000 }))
        }))
        .body_timeout(BodyTimeoutLayer::new().between_frames(Duration::from_millis(100)))
}

/// Serves for ever; the count is of the connections' tasks that have ended in a panic.
pub async fn serve() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dead, linger) = (Arc::new(AtomicUsize::new(0)), Linger::new());
    let counted = Arc::clone(&dead);
    let layers = ServiceBuilder::new().layer(DrainRequestLayer::new()).layer(contract());
    let service = TowerToHyperService::new(layers.service(service_fn(application)));
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            let socket = TokioIo::new(Lingering::new(socket, &linger));
            let (service, dead) = (service.clone(), Arc::clone(&counted));
            let connection = tokio::spawn(async move {
                // An Err is what the client sees.
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(socket, service)
                    .await;
            });
            tokio::spawn(async move {
                let is_dead = connection.await.is_err();
                dead.fetch_add(usize::from(is_dead), Ordering::Relaxed);
            });
        }
    });
    (address, dead)
}

/// The path says what is done.
async fn application(
    request: Request<DrainableBody<Incoming>>,
) -> Result<Response<AnyBody>, BoxError> {
    let frames = |left, end| Ok(any(Frames { left, end }));
    match request.uri().path() {
        "/ok" => Ok(any(Full::from("hello"))),
        "/echo" => Ok(any(Full::new(request.into_body().collect().await?.to_bytes()))),
        "/count" => {
            let content = request.into_body().collect().await?.to_bytes();
            Ok(any(Full::from(content.len().to_string())))
        }
        "/frames" => frames(64, End::Clean),
        "/invalid" => {
            let error = ApiError::unprocessable().with_source(SECRET);
            Err(error.with_field("name", "empty", "It must not be empty.").into())
        }
        "/text" => Ok(written(StatusCode::BAD_REQUEST, "the parameter is wrong")),
        "/foreign" => Ok(written(StatusCode::BAD_GATEWAY, SECRET)),
        "/fail" => Err(SECRET.into()),
        "/panic" | "/rpc-panic" => resume_unwind(Box::new(SECRET)),
        "/panic-later" => {
            tokio::task::yield_now().await;
            resume_unwind(Box::new(SECRET.to_owned()))
        }
        "/slow" | "/rpc-slow" => pending().await,
        "/panic-in-body" => frames(3, End::Panic),
        "/fail-in-body" => frames(3, End::Fail),
        "/hang-in-body" => frames(3, End::Hang),
        "/rpc" => Ok(rpc(End::Trailers)),
        "/rpc-panic-in-stream" => Ok(rpc(End::Panic)),
        "/rpc-hang-in-stream" => Ok(rpc(End::Hang)),
        _ => Ok(written(StatusCode::NOT_FOUND, "")),
    }
}

fn any<B>(body: B) -> Response<AnyBody>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    Response::new(body.map_err(Into::into).boxed_unsync())
}

fn written(status: StatusCode, text: &'static str) -> Response<AnyBody> {
    let mut response = any(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
    response
}

fn rpc(end: End) -> Response<AnyBody> {
    let mut response = any(Frames { left: 3, end });
    let media = HeaderValue::from_static("application/grpc+proto");
    response.headers_mut().insert("content-type", media);
    response
}

#[derive(Clone, Copy)]
enum End {
    Clean,
    Trailers,
    Panic,
    Fail,
    Hang,
}

/// So many frames of 1 KiB, and their end.
struct Frames {
    left: u8,
    end: End,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'a'; 1024])))));
        }
        match self.end {
            End::Clean => Poll::Ready(None),
            End::Trailers => {
                self.end = End::Clean;
                let status = [("grpc-status", "0")];
                let status =
                    status.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
                Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::from_iter(status)))))
            }
            End::Panic => resume_unwind(Box::new(SECRET)),
            End::Fail => Poll::Ready(Some(Err(SECRET.into()))),
            End::Hang => Poll::Pending,
        }
    }
}
