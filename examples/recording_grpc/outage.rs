//! What a real server has between its contract and its services, out of order.

use std::{
    convert::Infallible,
    future::{Future, ready},
    net::Ipv4Addr,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use tokio::net::{TcpListener, TcpStream};
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::BoxError;

/// Two paths of the service inside: behind a limit of no requests at all, and behind a system that is
/// down. All others are the service's.
#[derive(Clone, Debug)]
pub struct Outage<S> {
    inner: S,
}

impl<S> Outage<S> {
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for Outage<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        if path.ends_with(".Diagnostics/Overload") {
            Box::pin(async {
                read(request).await;
                Err(overloaded().await)
            })
        } else if path.ends_with(".Diagnostics/AskUpstream") {
            Box::pin(async {
                read(request).await;
                Err(refused().await)
            })
        } else {
            let response = self.inner.call(request);
            Box::pin(async { response.await.map_err(Into::into) })
        }
    }
}

/// Reads the content, as a service does that passes it on.
///
/// Over HTTP/1.1 an answer that does not wait for it may be lost: hyper then closes the connection on
/// which the client is still sending.
async fn read<B>(request: Request<B>)
where
    B: Body<Error: Into<BoxError>>,
{
    let _ = Limited::new(request.into_body(), 64 * 1024).collect().await;
}

/// The error of a limit that lets nobody in.
async fn overloaded() -> BoxError {
    let nobody = ServiceBuilder::new().load_shed().concurrency_limit(0);
    let service = nobody.service_fn(|()| ready(Ok::<_, Infallible>(())));
    match service.oneshot(()).await {
        Err(error) => error,
        Ok(()) => "somebody was let in".into(),
    }
}

/// The error of a connection to a port on which nobody listens any more.
async fn refused() -> BoxError {
    let connected = async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        drop(listener);
        TcpStream::connect(address).await
    };
    match connected.await {
        Err(error) => error.into(),
        Ok(_) => "somebody listens again".into(),
    }
}
