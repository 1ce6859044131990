//! How large what a request carries is: futures and bodies, above those of the service.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tokio::net::TcpStream;
use tower::{BoxError, Layer, Service, service_fn};
use tower_contract::{
    BodyTimeoutLayer, CatchErrorLayer, ContractLayer, CorsContractLayer, DrainRequestLayer,
    ErrorBodyLayer, Lingering, MethodGuardLayer, PanicToErrorLayer, TimeoutLayer,
    service::{DrainableBody, GuardedBody, ResponseBody, TimedBody},
};

use crate::support::{contract, policy, request};

type Answer = Result<Response<Full<Bytes>>, BoxError>;

/// By how much the future of `layer` is larger than that of the service in it.
fn growth<L, S>(layer: L, mut inner: S) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>> + Clone,
    L: Layer<S, Service: Service<Request<Full<Bytes>>>>,
{
    let outer = layer.layer(inner.clone()).call(request("GET /"));
    size_of_val(&outer) - size_of_val(&inner.call(request("GET /")))
}

fn by_function()
-> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send>
+ Clone {
    service_fn(async |request: Request<Full<Bytes>>| -> Answer {
        Ok(Response::new(request.into_body()))
    })
}

fn boxed()
-> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send>
+ Clone {
    service_fn(|request: Request<Full<Bytes>>| {
        let answer = async { Ok(Response::new(request.into_body())) };
        Box::pin(answer) as Pin<Box<dyn Future<Output = Answer> + Send>>
    })
}

fn full_contract() -> ContractLayer {
    contract()
        .public_url("https://api.example.com".parse().unwrap())
        .methods(MethodGuardLayer::new([Method::GET]))
        .timeout(TimeoutLayer::new(Duration::from_secs(2)))
}

#[test]
fn the_future_of_the_stack_is_at_most_232_bytes_larger_than_what_it_holds() {
    // The service's future, or its error response while it is read: a head and what came of a body.
    let reading = size_of::<Full<Bytes>>() + 184;
    let held = |future: usize| future.max(reading) + 232;
    let inner = size_of_val(&by_function().call(request("GET /")));
    assert!(growth(full_contract(), by_function()) + inner <= held(inner));
    let inner = size_of_val(&boxed().call(request("GET /")));
    assert!(growth(full_contract(), boxed()) + inner <= held(inner));
}

#[test]
fn each_layer_makes_the_future_larger_by_what_it_remembers() {
    let grown = [
        growth(CorsContractLayer::new(policy()), boxed()),
        growth(ErrorBodyLayer::new(), boxed()),
        growth(MethodGuardLayer::new([Method::GET]), boxed()),
        growth(PanicToErrorLayer::new(), boxed()),
        growth(CatchErrorLayer::new(), boxed()),
        growth(TimeoutLayer::new(Duration::from_secs(2)), boxed()),
    ];
    assert_eq!(grown, [16, 400, 32, 24, 8, 120]);
}

#[test]
fn a_body_is_at_most_two_words_larger_for_each_layer_that_wraps_it() {
    let body = size_of::<Full<Bytes>>();
    assert_eq!(size_of::<ResponseBody<Full<Bytes>>>(), body + 16);
    assert_eq!(size_of::<GuardedBody<Full<Bytes>>>(), body + 16);
}

#[test]
fn a_drained_request_carries_its_place_and_room_for_what_waits() {
    type Left = (Full<Bytes>, Response<Full<Bytes>>);
    let mut layer =
        DrainRequestLayer::new().layer(service_fn(async |_| -> Answer { Ok(Response::default()) }));
    let future = size_of_val(&layer.call(request("GET /")));
    assert!(future <= size_of::<Left>() + 192, "{future}");
    assert_eq!(size_of::<DrainableBody<Full<Bytes>>>(), size_of::<Full<Bytes>>() + 24);
}

#[test]
fn a_lingering_socket_carries_its_limits() {
    assert!(size_of::<Lingering<TcpStream>>() <= size_of::<TcpStream>() + 72);
}

#[test]
fn a_body_under_a_limit_carries_its_deadlines_and_a_pointer_to_its_timer() {
    type Body = Full<Bytes>;
    assert_eq!(size_of::<TimedBody<Body>>(), size_of::<Option<Body>>() + 56);
    let layer = BodyTimeoutLayer::new().total(Duration::from_secs(2));
    let service = boxed();
    let outer = layer.layer(service.clone()).call(request("GET /"));
    assert_eq!(size_of_val(&outer) - size_of_val(&service.clone().call(request("GET /"))), 48);
}
