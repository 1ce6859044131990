//! What `DrainRequestLayer` reads after the answer, on a paused clock.

use std::{
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, advance};
use tower::{BoxError, Layer, Service, service_fn};
use tower_contract::{DrainRequestLayer, service::DrainableBody};

use crate::support::{Script, Step, all, block_on, response};

type Upload = DrainableBody<Script>;
type Answer = Result<Response<Full<Bytes>>, BoxError>;

const KIB: Step = Step::Data(&[0; 1024]);
const AT_ONCE: Duration = Duration::ZERO;

/// A request whose content comes in these steps; `Hang` is a client that stalls.
fn post(steps: impl IntoIterator<Item = Step>) -> Request<Script> {
    Request::post("/").body(Script::new(steps)).unwrap()
}

/// A service that answers without reading.
fn refuse<B>(_: Request<B>) -> impl Future<Output = Answer> + Send {
    ready(Ok(response("404")))
}

/// Asks `service` under `layer`: the answer's `Connection` lines, the polls of the request's body,
/// and the time that it took.
fn outcome<F>(
    layer: DrainRequestLayer,
    service: impl FnMut(Request<Upload>) -> F,
    asked: Request<Script>,
) -> (Vec<String>, usize, Duration)
where
    F: Future<Output = Answer>,
{
    let polls = Arc::clone(&asked.body().polls);
    block_on(async {
        let begun = Instant::now();
        let answer = layer.layer(service_fn(service)).call(asked).await.unwrap();
        (all(&answer, "connection"), polls.load(Ordering::Relaxed), begun.elapsed())
    })
}

/// Asks a service that answers without reading, under the layer as it is created.
fn refused(asked: Request<Script>) -> (Vec<String>, usize, Duration) {
    outcome(DrainRequestLayer::new(), refuse, asked)
}

/// An outcome of a connection that lives.
fn lives(polls: usize) -> (Vec<String>, usize, Duration) {
    (vec![], polls, AT_ONCE)
}

/// An outcome of a connection that ends.
fn closes(polls: usize, time: Duration) -> (Vec<String>, usize, Duration) {
    (vec!["close".into()], polls, time)
}

#[test]
fn what_is_left_is_read_to_its_end_and_the_connection_lives() {
    assert_eq!(refused(post([KIB, Step::Wait, KIB])), lives(4));
    assert_eq!(refused(post([KIB, Step::Trailers(HeaderMap::new())])), lives(3));
}

#[test]
fn a_service_that_stops_reading_leaves_the_rest_to_the_layer() {
    let read_one = async |mut request: Request<Upload>| {
        request.body_mut().frame().await.unwrap().unwrap();
        Ok(response("413"))
    };
    assert_eq!(outcome(DrainRequestLayer::new(), read_one, post([KIB, KIB, KIB])), lives(4));
}

#[test]
fn a_service_that_reads_all_leaves_nothing() {
    let read = async |request: Request<Upload>| {
        request.into_body().collect().await?;
        Ok(response("200"))
    };
    assert_eq!(outcome(DrainRequestLayer::new(), read, post([KIB, KIB])), lives(3));
}

#[test]
fn a_client_that_stalls_is_answered_after_500_ms_and_told_that_the_connection_ends() {
    let layer = DrainRequestLayer::new();
    assert_eq!(refused(post([KIB, Step::Hang, Step::Hang])), closes(3, Duration::from_millis(500)));
    let time = Duration::from_secs(2);
    assert_eq!(
        outcome(layer.max_time(time), refuse, post([Step::Hang, Step::Hang])),
        closes(2, time)
    );
    assert_eq!(outcome(layer.max_time(Duration::MAX), refuse, post([KIB])), lives(2));
}

#[test]
fn at_most_256_kib_are_read() {
    let sends = |kib| post((0..kib).map(|_| KIB));
    assert_eq!(refused(sends(256)), lives(257));
    assert_eq!(refused(sends(257)), closes(257, AT_ONCE));
    assert_eq!(refused(sends(1000)), closes(257, AT_ONCE));
    let layer = DrainRequestLayer::new();
    assert_eq!(outcome(layer.max_bytes(1000), refuse, sends(9)), closes(1, AT_ONCE));
    assert_eq!(outcome(layer.max_bytes(0), refuse, sends(9)), closes(0, AT_ONCE));
}

/// The answer to a request with this body, from a service that does not read it.
fn refused_with<B>(body: B) -> Vec<String>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    let asked = Request::post("/").body(body).unwrap();
    let mut service = DrainRequestLayer::new().layer(service_fn(refuse));
    all(&block_on(async { service.call(asked).await.unwrap() }), "connection")
}

#[test]
fn a_client_that_announced_more_than_the_limit_is_not_waited_for() {
    assert_eq!(refused_with(Full::<Bytes>::from(vec![0; 256 * 1024])), [""; 0]);
    assert_eq!(refused_with(Full::<Bytes>::from(vec![0; 256 * 1024 + 1])), ["close"]);
}

/// A body that is ready for ever; each frame takes a millisecond of the paused clock.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let millisecond = std::pin::pin!(advance(Duration::from_millis(1)));
        let _ = millisecond.poll(&mut Context::from_waker(Waker::noop()));
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }
}

#[test]
fn a_body_that_is_always_ready_does_not_outrun_the_clock() {
    assert_eq!(refused_with(Endless), ["close"]);
}

#[test]
fn a_body_that_fails_while_the_rest_is_read_ends_the_connection() {
    assert_eq!(refused(post([KIB, Step::Fail("reset")])), closes(2, AT_ONCE));
}

#[test]
fn a_client_that_waits_for_100_continue_is_not_asked_for_its_content() {
    let waiting = |steps: [Step; 2]| {
        let mut asked = post(steps);
        asked.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
        asked
    };
    assert_eq!(refused(waiting([KIB, KIB])), closes(0, AT_ONCE));

    // Where the service itself has asked for it, the client sends.
    let asks = async |mut request: Request<Upload>| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(request.body_mut()).poll_frame(&mut cx).is_pending());
        Ok(response("404"))
    };
    assert_eq!(outcome(DrainRequestLayer::new(), asks, waiting([Step::Wait, KIB])), lives(3));
}

#[test]
fn http_2_and_requests_without_content_pass() {
    let version = |version| {
        let mut asked = post([KIB, KIB]);
        *asked.version_mut() = version;
        asked
    };
    assert_eq!(refused(version(Version::HTTP_2)), lives(0));
    assert_eq!(refused(version(Version::HTTP_3)), lives(0));
    assert_eq!(refused(version(Version::HTTP_10)), lives(3));
    assert_eq!(refused_with(Full::<Bytes>::default()), [""; 0]);
}

#[test]
fn close_is_added_to_connection_and_never_to_an_upgrade() {
    for (answer, connection) in [
        ("404", &["close"][..]),
        ("404\nconnection: close", &["close"]),
        ("404\nconnection: x-hop, Close", &["x-hop, Close"]),
        ("404\nconnection: x-close", &["x-close", "close"]),
        ("101\nconnection: upgrade", &["upgrade"]),
        ("426\nconnection: upgrade", &["upgrade"]),
    ] {
        let service = |_| ready(Ok(response(answer)));
        let closed = outcome(DrainRequestLayer::new(), service, post([Step::Fail("reset")]));
        assert_eq!(closed.0, connection, "{answer}");
    }
}

#[test]
fn a_full_header_map_is_answered_without_close() {
    let full = |_| {
        let mut answer = response("404");
        let fields = answer.headers_mut();
        for line in 0_u32.. {
            let name = http::HeaderName::try_from(format!("x-{line}")).unwrap();
            if fields.try_append(name, line.into()).is_err() {
                break;
            }
        }
        ready(Ok(answer))
    };
    let closed = outcome(DrainRequestLayer::new(), full, post([Step::Fail("reset")]));
    assert_eq!(closed, (vec![], 1, AT_ONCE));
}

/// A future that is ready and keeps its request until it is dropped.
struct Keeps(#[expect(dead_code, reason = "kept until its drop")] Request<Upload>);

impl Future for Keeps {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(response("404")))
    }
}

#[test]
fn what_the_services_future_keeps_until_its_drop_is_read_too() {
    assert_eq!(outcome(DrainRequestLayer::new(), Keeps, post([KIB])), lives(2));
}

#[test]
fn a_body_that_outlives_the_answers_head_is_not_waited_for() {
    block_on(async {
        let echo =
            async |request: Request<Upload>| Ok::<_, BoxError>(Response::new(request.into_body()));
        let asked = post([KIB, Step::Hang]);
        let dropped = Arc::clone(&asked.body().dropped);
        let mut service = DrainRequestLayer::new().layer(service_fn(echo));
        let answer = service.call(asked).await.unwrap();
        assert_eq!(all(&answer, "connection"), [""; 0]);
        assert!(!dropped.load(Ordering::Relaxed));
        drop(answer);
        assert!(dropped.load(Ordering::Relaxed), "nobody keeps it");
    });
}

#[test]
fn a_body_that_panicked_is_not_read_again() {
    let catches = async |mut request: Request<Upload>| {
        let mut cx = Context::from_waker(Waker::noop());
        let poll = AssertUnwindSafe(|| Pin::new(request.body_mut()).poll_frame(&mut cx).is_ready());
        catch_unwind(poll).unwrap_err();
        Ok(response("500"))
    };
    let asked = post([Step::Panic("no such luck"), KIB]);
    assert_eq!(outcome(DrainRequestLayer::new(), catches, asked), lives(1));
}

#[test]
fn the_body_tells_what_the_body_inside_tells() {
    block_on(async {
        let tells = async |request: Request<DrainableBody<Full<Bytes>>>| {
            let mut body = request.into_body();
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
            assert!(body.frame().await.is_none());
            Ok::<_, BoxError>(response("200"))
        };
        let asked = Request::post("/").body(Full::from("hello")).unwrap();
        let mut service = DrainRequestLayer::new().layer(service_fn(tells));
        assert_eq!(service.call(asked).await.unwrap().status(), 200);
    });
}
