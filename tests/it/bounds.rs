//! Everything here is checked by the compiler: that the stack fits wherever tower runs, with the
//! bodies and errors that are there. The functions are never called.

use std::{convert::Infallible, marker::PhantomPinned, rc::Rc, time::Duration};

use axum::{Router, body::Body as AxumBody, routing::get};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, service_fn,
    util::{BoxCloneService, BoxCloneSyncService, BoxService},
};
use tower_contract::{
    BodyError, ContractLayer, ProblemDetailsFormat,
    service::{Contract, ContractBody, GuardedBody, ResponseBody},
};

use crate::support::contract;

/// The body of the stack around a service whose body is `B`.
type StackBody<B> = ContractBody<B>;

#[test]
fn the_stack_fits_wherever_tower_runs() {
    // Each is an argument that only a fitting function can be.
    let _ = (under_a_router, on_routes, around_a_router, for_hyper, with_upgrades);
    let _ = (round_a_client, on_lambda, on_lambda_streaming, boxed);
    let _ = (with_limits_inside, with_a_timeout_inside, with_axums_body);
}

// ===== axum =====

fn under_a_router() -> Router {
    Router::new().route("/", get("hello")).layer(contract())
}

fn on_routes() -> Router {
    let other_format = contract().format(ProblemDetailsFormat::new());
    Router::new()
        .route("/", get("hello").layer(contract()))
        .route_layer(other_format)
        .nest("/v1", Router::new().layer(contract()))
}

fn around_a_router() -> impl Service<
    Request<AxumBody>,
    Response = Response<StackBody<AxumBody>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ Sync {
    contract().layer(Router::new().route("/", get("hello")))
}

/// `axum::serve` takes only axum's own body.
fn with_axums_body() -> Router {
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(AxumBody::new))
        .layer(contract())
        .service(Router::new());
    Router::new().fallback_service(service)
}

// ===== hyper =====

async fn for_hyper(io: TokioIo<tokio::net::TcpStream>) {
    let service = contract().layer(Router::<()>::new());
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(io, TowerToHyperService::new(service))
        .await;
    let _: Result<(), hyper::Error> = served;
}

async fn with_upgrades(io: TokioIo<tokio::net::TcpStream>) {
    let echo = service_fn(async |request: Request<Incoming>| {
        Ok::<_, BoxError>(Response::new(request.into_body()))
    });
    let service = TowerToHyperService::new(contract().layer(echo));
    let served =
        auto::Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(io, service).await;
    let _: Result<(), BoxError> = served;
}

/// Its body, `Incoming`, has no empty value; its errors are its own.
fn round_a_client(
    client: Client<HttpConnector, Full<Bytes>>,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<StackBody<Incoming>>,
    Error = Infallible,
    Future: Send,
> + Clone {
    contract().layer(client)
}

// ===== Lambda =====

async fn lambda(_: lambda_http::Request) -> Result<Response<Full<Bytes>>, BoxError> {
    Ok(Response::default())
}

async fn on_lambda() -> Result<(), lambda_http::Error> {
    // What is buffered must be Send and 'static, no more.
    lambda_http::run(contract().layer(service_fn(lambda))).await
}

async fn on_lambda_streaming() -> Result<(), lambda_http::Error> {
    lambda_http::run_with_streaming_response(contract().layer(service_fn(lambda))).await
}

// ===== tower =====

/// A service that is Send and Sync, as applications have them.
fn application<B: Default + Send>()
-> impl Service<Request<AxumBody>, Response = Response<B>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    tower::service_fn(|_| std::future::ready(Ok(Response::new(B::default()))))
}

fn boxed() {
    type Answer = Response<StackBody<Full<Bytes>>>;
    let service = contract().layer(application());
    let _ = BoxCloneSyncService::<Request<AxumBody>, Answer, _>::new(service.clone());
    let _ = BoxCloneService::<Request<AxumBody>, Answer, _>::new(service.clone());
    let _ = BoxService::<Request<AxumBody>, Answer, Infallible>::new(service);
    // And inside.
    let boxed = BoxCloneSyncService::new(application::<Full<Bytes>>());
    is_service(contract().layer(boxed));
}

fn with_limits_inside() {
    is_service(
        ServiceBuilder::new()
            .layer(contract())
            .load_shed()
            .concurrency_limit(100)
            .service(application::<Full<Bytes>>()),
    );
    is_service(
        ServiceBuilder::new().layer(contract()).buffer(100).service(application::<Full<Bytes>>()),
    );
}

fn with_a_timeout_inside() {
    is_service(
        ServiceBuilder::new()
            .layer(contract())
            .timeout(Duration::from_secs(2))
            .service(application::<Full<Bytes>>()),
    );
    let boxed = application::<Full<Bytes>>();
    let boxed = ServiceBuilder::new()
        .map_response(|response: Response<Full<Bytes>>| response.map(BodyExt::boxed_unsync))
        .service(boxed);
    is_service(contract().layer(boxed));
}

/// What the outermost service of an application must be.
fn is_service<S, B>(_: S)
where
    S: Service<Request<AxumBody>, Response = Response<B>, Error = Infallible, Future: Send>,
    S: Clone + Send + Sync + 'static,
    B: Body<Data = Bytes, Error = BodyError> + Default + Send + 'static,
{
}

// ===== bodies =====

/// Whether a type has a property, asked at compile time: the inherent constant wins where its bound
/// holds, else the trait's is found.
macro_rules! has {
    ($type:ty: $($bound:tt)+) => {{
        struct Probe<T>(std::marker::PhantomData<T>);
        impl<T: $($bound)+> Probe<T> {
            const _HAS: bool = true;
        }
        impl<T> Otherwise for Probe<T> {}
        <Probe<$type>>::_HAS
    }};
}

trait Otherwise {
    const _HAS: bool = false;
}

struct NotUnpin(PhantomPinned);
struct NotDefault(#[expect(dead_code, reason = "only the type counts")] u8);

#[test]
fn a_body_is_send_sync_and_unpin_where_the_inner_one_is() {
    type NotSend = Rc<u8>;
    type NotSync = std::cell::Cell<u8>;

    assert!(has!(StackBody<Full<Bytes>>: Send + Sync + Unpin));
    assert!(!has!(StackBody<NotSend>: Send));
    assert!(!has!(StackBody<NotSend>: Sync));
    assert!(has!(StackBody<NotSync>: Send));
    assert!(!has!(StackBody<NotSync>: Sync));
    assert!(!has!(StackBody<NotUnpin>: Unpin));
    assert!(has!(StackBody<NotUnpin>: Send + Sync));
    assert!(!has!(GuardedBody<NotSend>: Send));
    assert!(!has!(GuardedBody<NotUnpin>: Unpin));
    assert!(!has!(Contract<NotSend>: Send));
    assert!(has!(Contract<NotUnpin>: Send + Sync));
    assert!(has!(ContractLayer: Clone + Send + Sync + Unpin));
}

#[test]
fn a_body_is_default_always() {
    assert!(!has!(NotDefault: Default));
    assert!(has!(ResponseBody<NotDefault>: Default));
    assert!(has!(GuardedBody<NotDefault>: Default));
    assert!(has!(StackBody<Incoming>: Default));
}
