//! When the time is over, to the millisecond, on a paused clock.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, service_fn};
use tower_contract::{ApiError, Cause, TimeoutLayer};

use crate::support::{all, ask, block_on, contract, request, response};

type Answer = Response<Full<Bytes>>;

const LIMIT: Duration = Duration::from_millis(100);
const MS: Duration = Duration::from_millis(1);

/// The status after a service that answers in `takes`, and how long it took.
async fn raced(layer: TimeoutLayer, takes: Duration) -> (u16, Duration) {
    let mut service = layer.layer(service_fn(move |_| async move {
        tokio::time::sleep(takes).await;
        Ok::<_, BoxError>(response("200"))
    }));
    let begun = tokio::time::Instant::now();
    let answer = service.call(request("GET /x")).await.unwrap();
    (answer.status().as_u16(), begun.elapsed())
}

#[test]
fn a_response_that_is_ready_when_the_clock_fires_wins() {
    let layer = || TimeoutLayer::new(LIMIT);
    let early = 99 * MS;
    assert_eq!(block_on(raced(layer(), early)), (200, early));
    assert_eq!(block_on(raced(layer(), LIMIT)), (200, LIMIT));
    assert_eq!(block_on(raced(layer(), LIMIT + MS)), (503, LIMIT));
}

#[test]
fn a_response_that_is_late_and_ready_wins_over_a_clock_that_fired_before() {
    block_on(async {
        let ready = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ready);
        let mut service = TimeoutLayer::new(LIMIT).layer(service_fn(move |_| {
            let flag = Arc::clone(&flag);
            std::future::poll_fn(move |_| {
                if flag.load(Ordering::Relaxed) {
                    Poll::Ready(Ok::<_, BoxError>(response("200")))
                } else {
                    Poll::Pending
                }
            })
        }));
        let mut answer = task::spawn(service.call(request("GET /x")));
        assert_pending!(answer.poll());
        tokio::time::advance(LIMIT * 5).await;
        assert!(answer.is_woken(), "the timer wakes who waits");
        ready.store(true, Ordering::Relaxed);
        assert_eq!(assert_ready_ok!(answer.poll()).status(), 200);
    });
}

/// A future that never ends and tells when it is dropped.
struct Endless(Arc<AtomicBool>);

impl Future for Endless {
    type Output = Result<Answer, BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_services_future_is_dropped_in_the_poll_that_answers() {
    block_on(async {
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&dropped);
        let mut service =
            TimeoutLayer::new(LIMIT).layer(service_fn(move |_| Endless(Arc::clone(&flag))));
        let mut answer = task::spawn(service.call(request("GET /x")));
        assert_pending!(answer.poll());
        tokio::time::advance(LIMIT).await;
        assert!(!dropped.load(Ordering::Relaxed));
        let refused = assert_ready_ok!(answer.poll());
        assert!(dropped.load(Ordering::Relaxed), "before the future of the layer is");
        assert_eq!(refused.status(), 503);
        assert_eq!(ApiError::of(&refused).unwrap().cause(), Cause::Timeout);
        assert_eq!(all(&refused, "retry-after"), [""; 0]);
        assert_pending!(answer.poll());
    });
}

#[test]
fn the_time_of_a_body_does_not_count() {
    block_on(async {
        let mut service =
            TimeoutLayer::new(LIMIT).layer(crate::support::answering(|_| response("200\n\nslow")));
        let answer = service.call(request("GET /x")).await.unwrap();
        tokio::time::sleep(LIMIT * 3).await;
        assert_eq!(crate::support::content(answer).await, "slow");
    });
}

// ===== the timer =====

/// Without a runtime a timer cannot be made: that there is none shows that none is.
#[test]
fn a_service_that_is_ready_at_once_has_no_timer() {
    let mut service =
        TimeoutLayer::new(LIMIT).layer(crate::support::answering(|_| response("200")));
    let mut answer = task::spawn(service.call(request("GET /x")));
    assert_eq!(assert_ready_ok!(answer.poll()).status(), 200);
}

struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_request_that_is_cancelled_leaves_no_timer() {
    block_on(async {
        let counted = Arc::new(Counted(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&counted));
        let mut service = TimeoutLayer::new(LIMIT).layer(service_fn(|_| Endless(Arc::default())));
        for _ in 0..10_000 {
            let mut answer = Box::pin(service.call(request("GET /x")));
            let mut context = Context::from_waker(&waker);
            assert_pending!(answer.as_mut().poll(&mut context));
        }
        drop(waker);
        assert_eq!(Arc::strong_count(&counted), 1, "nobody keeps a waker");
        tokio::time::advance(LIMIT * 2).await;
        assert_eq!(counted.0.load(Ordering::Relaxed), 0);
    });
}

// ===== odd limits =====

#[test]
fn a_limit_of_zero_refuses_unless_the_response_is_ready_at_once() {
    let zero = || TimeoutLayer::new(Duration::ZERO);
    assert_eq!(block_on(raced(zero(), MS)), (503, Duration::ZERO));
    let ready = zero().layer(crate::support::answering(|_| response("200")));
    assert_eq!(ask(ready, "GET /x").status(), 200);
}

#[test]
fn a_limit_that_no_clock_reaches_never_fires() {
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX), year * 1000] {
        assert_eq!(block_on(raced(TimeoutLayer::new(limit), year)), (200, year));
    }
    // The last instant that there is, where a deadline that is rounded up would overflow. On the
    // paused clock it stays the same.
    block_on(async {
        let now = tokio::time::Instant::now();
        let bits = (0..64).map(|bit| Duration::from_secs(1 << bit));
        let bits = (0..30).map(|bit| Duration::from_nanos(1 << bit)).chain(bits);
        let bits = bits.collect::<Vec<_>>().into_iter().rev();
        let end = bits.fold(Duration::ZERO, |end, bit| {
            let longer = end.checked_add(bit).filter(|longer| now.checked_add(*longer).is_some());
            longer.unwrap_or(end)
        });
        assert_eq!(now.checked_add(end + Duration::from_nanos(1)), None);
        assert_eq!(raced(TimeoutLayer::new(end), MS).await.0, 200);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_limit_is_kept(seconds in prop_oneof![0..5_u64, any::<u64>()], nanos in 0..1_000_000_000_u32) {
        let limit = Duration::new(seconds, nanos);
        let takes = Duration::from_secs(3);
        let (status, _) = block_on(raced(TimeoutLayer::new(limit), takes));
        // The clock of tokio ticks in milliseconds.
        if limit >= takes {
            prop_assert_eq!(status, 200);
        } else if limit + 2 * MS < takes {
            prop_assert_eq!(status, 503);
        }
    }
}

// ===== per request =====

#[test]
fn a_limit_is_chosen_for_each_request() {
    let layer = TimeoutLayer::per_request(|head| match head.uri.path() {
        "/none" => None,
        path => Some(path.bytes().map(|_| MS).sum()),
    });
    let mut service =
        layer.retry_after(Duration::from_millis(1500)).layer(service_fn(async |_| {
            tokio::time::sleep(5 * MS).await;
            Ok::<_, BoxError>(response("200"))
        }));
    block_on(async {
        for (path, status) in [("/123", 503), ("/1234", 200), ("/12345", 200), ("/none", 200)] {
            let answer = service.call(request(&format!("GET {path}"))).await.unwrap();
            assert_eq!(answer.status(), status, "{path}");
            let delay = all(&answer, "retry-after");
            assert_eq!(delay, if status == 503 { vec!["2"] } else { vec![] });
        }
    });
}

#[test]
fn the_content_of_the_request_is_handed_on_by_a_limit_for_each_request() {
    let layer = TimeoutLayer::per_request(|_| Some(LIMIT));
    let service = contract()
        .timeout(layer)
        .layer(crate::support::answering(|request| Response::new(request.into_body())));
    assert_eq!(ask(service, "POST /x\n\nhello").body(), "hello");
}

/// After a poll by another task, it is that task which is woken.
#[test]
fn who_polled_last_is_woken() {
    block_on(async {
        let mut service = TimeoutLayer::new(LIMIT).layer(service_fn(|_| Endless(Arc::default())));
        let mut answer = Box::pin(service.call(request("GET /x")));
        let wakers = [(); 2].map(|()| Arc::new(Counted(AtomicUsize::new(0))));
        for waker in &wakers {
            let waker = Waker::from(Arc::clone(waker));
            assert_pending!(answer.as_mut().poll(&mut Context::from_waker(&waker)));
        }
        tokio::time::advance(LIMIT).await;
        let woken = wakers.each_ref().map(|waker| waker.0.load(Ordering::Relaxed));
        assert_eq!(woken, [0, 1]);
    });
}
