//! How much heap a request takes that waits for its answer.

use std::{
    future::{Future, pending},
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, Service, service_fn};
use tower_contract::{BodyTimeoutLayer, ContractLayer, DrainRequestLayer, MethodGuardLayer};

use crate::support::contract;

const WAITING: u64 = 10_000;

type Answer = Result<Response<Full<Bytes>>, BoxError>;

/// Never answers, and keeps the request as long as it is asked.
fn waits<B: Send + 'static>()
-> impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send>
+ Clone
+ Send {
    service_fn(async |request: Request<B>| -> Answer {
        pending::<()>().await;
        drop(request);
        Ok(Response::default())
    })
}

/// Heap for each of many requests that wait at once, each future in a box of its own, as the task
/// of a connection holds it.
fn heap<S>(mut service: S) -> u64
where
    S: Service<Request<Full<Bytes>>>,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    let mut cx = Context::from_waker(Waker::noop());
    let mut waiting = Vec::new();
    waiting.reserve_exact(usize::try_from(WAITING).unwrap());
    let heap = measure(|| {
        for n in 0..WAITING {
            let request = Request::post(format!("/recordings/{n}?token=1"));
            let request = request.header("user-agent", "a client").body(Full::from("content"));
            assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
            let mut future = Box::pin(service.call(request.unwrap()));
            assert!(future.as_mut().poll(&mut cx).is_pending());
            waiting.push(future);
        }
    });
    u64::try_from(heap.bytes_current).unwrap() / WAITING
}

fn stack() -> ContractLayer {
    contract()
        .public_url("https://api.example.com".parse().unwrap())
        .methods(MethodGuardLayer::new([Method::GET, Method::POST]))
        .timeout(Duration::from_secs(2))
        .body_timeout(BodyTimeoutLayer::new().total(Duration::from_secs(60)))
}

/// A stack that remembers all that it can, for those who are told.
fn telling() -> ContractLayer {
    stack().on_error(|_| ()).panics(|layer| layer.on_panic(|_| ()))
}

#[test]
fn a_request_that_waits_takes_at_most_512_bytes_of_heap_for_the_stack() {
    let bare = heap(waits());
    for (name, heap) in [
        ("the stack", heap(stack().layer(waits()))),
        ("the stack with hooks", heap(telling().layer(waits()))),
        (
            "and the rest of its content",
            heap(DrainRequestLayer::new().layer(telling().layer(waits()))),
        ),
    ] {
        println!("{name}: {} bytes above {bare}", heap - bare);
        assert!(heap - bare <= 512, "{name}: {} bytes", heap - bare);
    }
}
