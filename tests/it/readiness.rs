//! `poll_ready` and `call`: what is reserved is used or given back, and an error of readiness is
//! answered.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{
    BoxError, Layer, Service, ServiceExt, limit::ConcurrencyLimitLayer, util::BoxCloneService,
};
use tower_contract::{
    ApiError, CatchErrorLayer, CorsContractLayer, ErrorBodyLayer, MethodGuardLayer,
    PanicToErrorLayer, TimeoutLayer,
};

use crate::support::{
    answering, block_on, contract, envelope, policy, request, response, sentence,
};

const PREFLIGHT: &str =
    "OPTIONS /x\norigin: https://app.example.com\naccess-control-request-method: PUT";

fn get_alone() -> MethodGuardLayer {
    MethodGuardLayer::new([Method::GET])
}

// ===== a refusal gives its reserved place back =====

/// Of two clones with one place together, one refuses; then the other has the place, while the
/// first is alive.
#[track_caller]
fn check_place_is_given_back<S>(service: S, refused: &str)
where
    S: Service<Request<Full<Bytes>>> + Clone,
    S::Error: std::fmt::Debug,
{
    let (mut first, mut second) = (service.clone(), service);
    block_on(async {
        let answer = first.ready().await.unwrap().call(request(refused));
        let ready = tokio::time::timeout(Duration::from_secs(1), second.ready());
        let ready = ready.await.expect("the place is free before the answer");
        ready.unwrap().call(request("GET /x")).await.unwrap();
        answer.await.unwrap();
        drop(first);
    });
}

#[test]
fn a_refusal_gives_back_the_place_that_readiness_reserved() {
    let one = || ConcurrencyLimitLayer::new(1).layer(answering(|_| response("200")));
    check_place_is_given_back(get_alone().layer(one()), "DELETE /x");
    check_place_is_given_back(get_alone().layer(one()), "FOO /x");
    check_place_is_given_back(get_alone().answer_options().layer(one()), "OPTIONS /x");
    check_place_is_given_back(CorsContractLayer::new(policy()).layer(one()), PREFLIGHT);
    let stack = contract().methods(get_alone().answer_options());
    for refused in ["DELETE /x", "FOO /x", "OPTIONS *", PREFLIGHT] {
        check_place_is_given_back(stack.layer(one()), refused);
    }
}

#[test]
fn a_failure_gives_back_the_place_that_it_held() {
    for path in ["/panic-in-call", "/panic", "/fail", "/slow"] {
        let one = ConcurrencyLimitLayer::new(1).layer(tower::service_fn(|request: Request<_>| {
            assert_ne!(request.uri().path(), "/panic-in-call");
            async move {
                match request.uri().path() {
                    "/panic" => panic!("in the future"),
                    "/fail" => Err(BoxError::from("failed")),
                    "/slow" => std::future::pending().await,
                    _ => Ok(Response::new(Full::<Bytes>::default())),
                }
            }
        }));
        let stack = contract().timeout(TimeoutLayer::new(Duration::from_millis(1)));
        let (mut first, mut second) = (stack.layer(one.clone()), stack.layer(one));
        block_on(async {
            let failed = first.ready().await.unwrap();
            let failed = failed.call(request(&format!("GET {path}"))).await.unwrap();
            assert!(failed.status().is_server_error());
            let next = tokio::time::timeout(Duration::from_secs(1), second.ready());
            let next = next.await.expect("the place is free");
            let next = next.unwrap().call(request("GET /")).await.unwrap();
            assert_eq!(next.status(), 200, "after {path}");
            drop((first, failed));
        });
    }
}

// ===== call only what answered poll_ready =====

/// Panics if it is called without having been ready since the last call.
struct Strict {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Request<Full<Bytes>>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called, but not ready");
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(response("200")))
    }
}

#[test]
fn no_layer_calls_a_service_that_was_not_ready() {
    let calls = Arc::new(AtomicUsize::new(0));
    let strict = || Strict { ready: false, calls: Arc::clone(&calls) };
    let timeout = TimeoutLayer::new(Duration::from_secs(1));
    let whole = contract().methods(get_alone()).timeout(timeout.clone());
    let strip = |response: Response<_>| response.map(drop);
    let layered: [BoxCloneService<_, Response<()>, _>; 7] = [
        CorsContractLayer::new(policy()).layer(strict()).map_response(strip).boxed_clone(),
        ErrorBodyLayer::new().layer(strict()).map_response(|r| r.map(drop)).boxed_clone(),
        get_alone().layer(strict()).map_response(strip).boxed_clone(),
        PanicToErrorLayer::new().layer(strict()).map_response(|r| r.map(drop)).boxed_clone(),
        CatchErrorLayer::new().layer(strict()).map_response(strip).boxed_clone(),
        timeout.layer(strict()).map_response(strip).boxed_clone(),
        whole.layer(strict()).map_response(|r| r.map(drop)).boxed_clone(),
    ];
    for mut service in layered {
        block_on(async {
            for asked in ["GET /", "DELETE /", "GET /", PREFLIGHT, PREFLIGHT, "FOO /", "GET /"] {
                let ready = service.ready().await.unwrap();
                ready.call(request(asked)).await.unwrap();
                service = service.clone();
            }
        });
    }
    // Seven each, but the preflights (2) and the other methods (4 with them) that were refused.
    assert_eq!(calls.load(Ordering::Relaxed), 4 * 7 + 5 + 3 + 3);
}

#[test]
fn backpressure_of_the_service_is_that_of_the_stack() {
    type Asked = Request<Full<Bytes>>;
    let stack = contract().methods(get_alone());
    let (mut service, mut mock) = tower_test::mock::spawn_with(
        move |mock: tower_test::mock::Mock<Asked, Response<Full<Bytes>>>| stack.layer(mock),
    );
    mock.allow(0);
    assert_pending!(service.poll_ready());
    mock.allow(1);
    assert!(service.is_woken(), "who waits is told");
    assert_ready_ok!(service.poll_ready());
    let mut answer = task::spawn(service.call(request("GET /x")));
    assert_pending!(answer.poll());
    let mut next = task::spawn(mock.next_request());
    let (asked, reply) = tokio_test::assert_ready!(next.poll()).unwrap();
    assert_eq!(asked.uri().path(), "/x");
    reply.send_response(response("200"));
    assert!(answer.is_woken());
    assert_eq!(assert_ready_ok!(answer.poll()).status(), 200);
    assert_pending!(service.poll_ready());
}

// ===== errors of poll_ready =====

/// What it is told when asked whether it is ready; then ready for ever.
#[derive(Clone, Default)]
struct Flaky {
    readiness: VecDeque<Poll<Result<(), &'static str>>>,
    polls: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

impl Service<Request<Full<Bytes>>> for Flaky {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        let next = self.readiness.pop_front().unwrap_or(Poll::Ready(Ok(())));
        next.map_err(|text| match text {
            "overload" => ApiError::unavailable().with_code(5031).into(),
            text => text.into(),
        })
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(response("200")))
    }
}

#[test]
fn the_stack_asks_nobody_while_it_keeps_an_error_of_readiness() {
    let flaky = Flaky { readiness: [Poll::Ready(Err("broken"))].into(), ..Flaky::default() };
    let polls = Arc::clone(&flaky.polls);
    let mut service = task::spawn(contract().layer(flaky));
    for _ in 0..3 {
        assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
    }
    assert_eq!(polls.load(Ordering::Relaxed), 1);
    assert_eq!(block_on(service.call(request("GET /x"))).unwrap().status(), 500);
    assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert_eq!(polls.load(Ordering::Relaxed), 2, "it was told, and is kept no longer");
}

#[test]
fn an_error_of_readiness_is_kept_for_the_next_call() {
    let flaky = Flaky {
        readiness: [Poll::Pending, Poll::Ready(Err("broken")), Poll::Ready(Err("overload"))].into(),
        ..Flaky::default()
    };
    let (polls, calls) = (Arc::clone(&flaky.polls), Arc::clone(&flaky.calls));
    let mut service = task::spawn(CatchErrorLayer::new().layer(flaky));
    let mut poll = || service.enter(|cx, mut service| service.poll_ready(cx));
    assert_pending!(poll());
    assert_ready_ok!(poll());
    assert_ready_ok!(poll());
    assert_eq!(polls.load(Ordering::Relaxed), 2, "while one is kept, nobody is asked");

    let service: &mut tower_contract::service::CatchError<Flaky> = &mut service;
    let mut clone = service.clone();
    for expected in [500, 503, 200] {
        let answer = block_on(async {
            let ready = service.ready().await.unwrap();
            ready.call(request("GET /x")).await.unwrap()
        });
        assert_eq!(answer.status(), expected);
        let code = ApiError::of(&answer).map(ApiError::code);
        assert_eq!(code, [(500, 500), (503, 5031)].iter().find(|c| c.0 == expected).map(|c| c.1));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1, "who failed is not called");

    // The clone's own next answer of readiness is the second error: the first was not its.
    let answer = block_on(async { clone.ready().await.unwrap().call(request("GET /x")).await });
    assert_eq!(answer.unwrap().status(), 503);
}

#[test]
fn an_error_of_readiness_is_an_envelope_of_the_stack() {
    let flaky = || Flaky { readiness: [Poll::Ready(Err("secret"))].into(), ..Flaky::default() };
    let sent = crate::support::ask(contract().layer(flaky()), "GET /x");
    crate::support::assert_error(&sent, 500, &envelope("GET", 500, &sentence(500), "/x"));
    // A request that is refused does not need the service; its error waits for nobody.
    let refusing = contract().methods(get_alone()).layer(flaky());
    assert_eq!(crate::support::ask(refusing, "DELETE /x").status(), 405);
}

#[test]
fn a_closed_buffer_is_503_each_time() {
    block_on(async {
        let (buffer, worker) = tower::buffer::Buffer::pair(Flaky::default(), 1);
        drop(worker);
        let mut service = contract().layer(buffer);
        for _ in 0..3 {
            let answer = service.ready().await.unwrap().call(request("GET /x")).await;
            assert_eq!(answer.unwrap().status(), 503);
        }
    });
}
