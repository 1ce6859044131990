//! When a response body is over, to the millisecond, on a paused clock.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, Sleep, sleep};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{BoxError, Layer, Service, service_fn};
use tower_contract::{
    BodyError, BodyTimeoutLayer, CatchErrorLayer, ErrorBodyLayer, PanicToErrorLayer, TimeoutLayer,
    service::TimedBody,
};

use crate::support::{Script, Step, block_on, contract, request, transcript};

const MS: Duration = Duration::from_millis(1);

/// A body of frames that each take a while, then its end, which takes a while too.
#[derive(Debug)]
struct Slow {
    frames: Vec<(Duration, Frame<Bytes>)>,
    end: Duration,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Slow {
    fn new(frames: impl IntoIterator<Item = Duration>, end: Duration) -> Self {
        let data = |time| (time, Frame::data(Bytes::from_static(b"x")));
        let frames: Vec<_> = frames.into_iter().map(data).collect();
        Self { frames: frames.into_iter().rev().collect(), end, wait: None }
    }
}

impl Body for Slow {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let time = self.frames.last().map_or(self.end, |(time, _)| *time);
        if !time.is_zero() {
            let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(time)));
            std::task::ready!(wait.as_mut().poll(cx));
        }
        self.wait = None;
        let Some((_, frame)) = self.frames.pop() else {
            self.end = Duration::ZERO;
            return Poll::Ready(None);
        };
        Poll::Ready(Some(Ok(frame)))
    }
}

/// The body that `layer` makes of `body`, as the answer to `asked`.
async fn timed<B>(layer: BodyTimeoutLayer, asked: &str, body: B) -> TimedBody<B> {
    let mut body = Some(body);
    let service = service_fn(move |_: Request<Full<Bytes>>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(body.take().unwrap())))
    });
    layer.layer(service).call(request(asked)).await.unwrap().into_body()
}

/// How many frames of `body` come, how it ends, and when.
async fn outcome<B>(mut body: TimedBody<B>) -> (usize, &'static str, Duration)
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    let (begun, mut frames) = (Instant::now(), 0);
    loop {
        let end = match body.frame().await {
            Some(Ok(_)) => {
                frames += 1;
                continue;
            }
            None => "end",
            Some(Err(error)) if error.is_timeout() => "timeout",
            Some(Err(_)) => "error",
        };
        assert!(body.frame().await.is_none(), "polled after its end");
        return (frames, end, begun.elapsed());
    }
}

/// The outcome of a slow body under `layer`.
fn slow(
    layer: BodyTimeoutLayer,
    frames: impl IntoIterator<Item = Duration>,
    end: Duration,
) -> (usize, &'static str, Duration) {
    let body = Slow::new(frames, end);
    block_on(async { outcome(timed(layer, "GET /", body).await).await })
}

#[test]
fn a_body_that_ends_in_time_passes_and_one_that_does_not_is_broken() {
    let total = || BodyTimeoutLayer::new().total(100 * MS);
    assert_eq!(slow(total(), [40 * MS, 40 * MS], 10 * MS), (2, "end", 90 * MS));
    assert_eq!(slow(total(), [40 * MS, 40 * MS], 20 * MS), (2, "end", 100 * MS));
    assert_eq!(slow(total(), [40 * MS, 40 * MS], 30 * MS), (2, "timeout", 100 * MS));
    assert_eq!(slow(total(), [40 * MS; 100], MS), (2, "timeout", 100 * MS));
    assert_eq!(slow(BodyTimeoutLayer::from(5 * MS), [], 6 * MS), (0, "timeout", 5 * MS));
}

#[test]
fn the_time_between_two_frames_is_counted_anew_for_each() {
    let between = || BodyTimeoutLayer::new().between_frames(100 * MS);
    assert_eq!(slow(between(), [90 * MS; 50], 90 * MS), (50, "end", 51 * 90 * MS));
    assert_eq!(slow(between(), [100 * MS; 2], 100 * MS), (2, "end", 300 * MS));
    assert_eq!(slow(between(), [90 * MS, 101 * MS], MS), (1, "timeout", 190 * MS));
    assert_eq!(slow(between(), [90 * MS, 90 * MS], 101 * MS), (2, "timeout", 280 * MS));
}

#[test]
fn whichever_limit_passes_first_breaks_the_body() {
    let both = || BodyTimeoutLayer::new().total(200 * MS).between_frames(100 * MS);
    assert_eq!(slow(both(), [90 * MS; 50], MS), (2, "timeout", 200 * MS));
    assert_eq!(slow(both(), [50 * MS, 101 * MS], MS), (1, "timeout", 150 * MS));
    assert_eq!(slow(both(), [90 * MS], 90 * MS), (1, "end", 180 * MS));
}

#[test]
fn without_a_limit_and_with_the_longest_no_body_is_broken() {
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let longest = BodyTimeoutLayer::new().total(Duration::MAX).between_frames(Duration::MAX);
    for layer in [BodyTimeoutLayer::new(), longest] {
        assert_eq!(slow(layer, [year], year), (1, "end", 2 * year));
    }
}

#[test]
fn a_limit_of_zero_breaks_what_is_not_ready_at_once() {
    let layer = BodyTimeoutLayer::new().between_frames(Duration::ZERO);
    assert_eq!(slow(layer, [Duration::ZERO; 3], Duration::ZERO), (3, "end", Duration::ZERO));
    assert_eq!(slow(layer, [Duration::ZERO, MS], MS), (1, "timeout", Duration::ZERO));
}

#[test]
fn only_the_time_in_which_the_service_is_waited_for_is_between_frames() {
    block_on(async {
        let layer = BodyTimeoutLayer::new().between_frames(100 * MS);
        let mut body = timed(layer, "GET /", Slow::new([Duration::ZERO, 50 * MS], MS)).await;
        assert!(body.frame().await.unwrap().is_ok());
        // The client reads nothing.
        sleep(1000 * MS).await;
        assert_eq!(outcome(body).await, (1, "end", 51 * MS));
    });
}

#[test]
fn a_body_that_is_always_ready_does_not_outrun_the_clock() {
    block_on(async {
        let layer = BodyTimeoutLayer::new().total(100 * MS);
        let mut body = timed(layer, "GET /", Slow::new([Duration::ZERO; 9], MS)).await;
        assert!(body.frame().await.unwrap().is_ok());
        sleep(100 * MS).await;
        assert!(body.frame().await.unwrap().unwrap_err().is_timeout());
    });
}

#[test]
fn trailers_that_are_ready_when_the_time_is_over_pass() {
    block_on(async {
        let layer = BodyTimeoutLayer::new().total(100 * MS);
        let script = Script::new([Step::Data(b"x"), Step::Trailers(HeaderMap::new())]);
        let mut body = timed(layer, "GET /", script).await;
        assert!(body.frame().await.unwrap().is_ok());
        sleep(200 * MS).await;
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert!(body.frame().await.is_none());
    });
}

#[test]
fn the_clients_own_deadline_counts_from_the_request_and_only_shortens() {
    const CALL: &str = "POST /\ncontent-type: application/grpc\ngrpc-timeout: 50m";
    let asked = |layer: BodyTimeoutLayer, takes_to_begin: Duration| {
        block_on(async move {
            let service = service_fn(async |_| {
                sleep(takes_to_begin).await;
                Ok::<_, Infallible>(Response::new(Slow::new([], 1000 * MS)))
            });
            let begun = Instant::now();
            let answer = layer.layer(service).call(request(CALL)).await.unwrap();
            let (_, end, _) = outcome(answer.into_body()).await;
            (end, begun.elapsed())
        })
    };
    let total = |time| BodyTimeoutLayer::new().total(time);
    assert_eq!(asked(BodyTimeoutLayer::new(), 20 * MS), ("timeout", 50 * MS));
    assert_eq!(asked(total(100 * MS), 20 * MS), ("timeout", 50 * MS));
    assert_eq!(asked(total(10 * MS), 20 * MS), ("timeout", 30 * MS));
    assert_eq!(asked(BodyTimeoutLayer::new(), 80 * MS), ("timeout", 80 * MS));
}

#[test]
fn the_service_body_is_dropped_in_the_poll_that_breaks_it() {
    block_on(async {
        let script = Script::new([Step::Hang, Step::Hang]);
        let dropped = std::sync::Arc::clone(&script.dropped);
        let layer = BodyTimeoutLayer::new().between_frames(10 * MS);
        let body = timed(layer, "GET /", script).await;
        let mut body = task::spawn(body);
        assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
        tokio::time::advance(10 * MS).await;
        assert!(body.is_woken());
        assert!(!dropped.load(Ordering::Relaxed));
        let broken = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
        assert!(broken.unwrap().unwrap_err().is_timeout());
        assert!(dropped.load(Ordering::Relaxed));
        assert!(body.is_end_stream());
    });
}

#[test]
fn no_timer_is_made_for_a_body_that_is_ready() {
    // Outside a runtime, making one panics.
    let layer = BodyTimeoutLayer::new().total(MS * 1000).between_frames(MS);
    let script = Script::new([Step::Data(b"one"), Step::Data(b"two")]);
    let content = crate::support::now(async {
        timed(layer, "GET /", script).await.collect().await.unwrap().to_bytes()
    });
    assert_eq!(content, "onetwo");
}

#[test]
fn size_hint_end_and_the_bodys_own_error_pass() {
    block_on(async {
        let layer = BodyTimeoutLayer::new().total(MS);
        let body = timed(layer, "GET /", Full::<Bytes>::from("hello")).await;
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
        let body = timed(layer, "GET /", Full::<Bytes>::default()).await;
        assert!(body.is_end_stream());
        let none = TimedBody::<Script>::default();
        assert_eq!((none.size_hint().exact(), none.is_end_stream()), (Some(0), true));

        let failing = timed(layer, "GET /", Script::new([Step::Fail("reset")])).await;
        let error = failing.collect().await.unwrap_err();
        assert!(!error.is_timeout() && !error.is_panic());
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "reset");
    });
}

#[test]
fn around_it_the_other_layers_pass_the_error_on() {
    block_on(async {
        let service = service_fn(async |_| {
            Ok::<_, BoxError>(Response::new(Script::new([
                Step::Data(b"x"),
                Step::Hang,
                Step::Hang,
            ])))
        });
        let service = BodyTimeoutLayer::new().between_frames(10 * MS).layer(service);
        let service = CatchErrorLayer::new().layer(TimeoutLayer::new(MS).layer(service));
        let mut service = ErrorBodyLayer::new().layer(PanicToErrorLayer::new().layer(service));
        let answer = service.call(request("GET /")).await.unwrap();
        let error: BodyError = answer.into_body().collect().await.unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(error.to_string(), "the response body took too long");
    });
}

// ===== in the stack =====

/// One frame, then nothing for ever.
async fn hangs(_: Request<Full<Bytes>>) -> Result<Response<Script>, BoxError> {
    Ok(Response::new(Script::new([Step::Data(b"x"), Step::Hang])))
}

#[test]
fn the_stack_breaks_a_body_that_passes_its_limit() {
    block_on(async {
        let mut service = contract().body_timeout(100 * MS).layer(service_fn(hangs));
        let begun = Instant::now();
        let answer = service.call(request("GET /")).await.unwrap();
        let error = answer.into_body().collect().await.unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(begun.elapsed(), 100 * MS);
    });
}

#[test]
fn the_stack_passes_a_body_that_keeps_its_limit() {
    block_on(async {
        let limit = BodyTimeoutLayer::new().total(100 * MS).between_frames(50 * MS);
        let mut service = contract().body_timeout(limit).layer(service_fn(async |_| {
            Ok::<_, BoxError>(Response::new(Slow::new([40 * MS, 40 * MS], 10 * MS)))
        }));
        let answer = service.call(request("GET /")).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "xx");
    });
}

#[test]
fn the_stack_tells_a_panic_of_a_body_under_a_limit_as_one() {
    block_on(async {
        let mut service = contract().body_timeout(100 * MS).layer(service_fn(async |_| {
            Ok::<_, BoxError>(Response::new(Script::new([Step::Wait, Step::Panic("secret")])))
        }));
        let answer = service.call(request("GET /")).await.unwrap();
        assert!(answer.into_body().collect().await.unwrap_err().is_panic());
    });
}

/// How the stream of an rpc ends whose service hangs, flat and stacked by hand.
fn ends_of_rpc(media: &str, timeout: &str) -> [(String, Duration); 2] {
    let asked = format!("POST /p.S/M\ncontent-type: {media}{timeout}");
    let service = service_fn(move |asked: Request<Full<Bytes>>| async move {
        let mut answer = hangs(asked).await?;
        // As a server of gRPC answers; nothing else is asked of the head.
        let media = http::HeaderValue::from_static("application/octet-stream");
        answer.headers_mut().insert("content-type", media);
        Ok::<_, BoxError>(answer)
    });
    block_on(async {
        let limit = BodyTimeoutLayer::new().between_frames(100 * MS);
        let begun = Instant::now();
        let answer = contract().body_timeout(limit).layer(service).call(request(&asked)).await;
        let flat = transcript(answer.unwrap()).await;
        let flat = (flat, begun.elapsed());

        let begun = Instant::now();
        let by_hand = CatchErrorLayer::new().layer(limit.layer(service));
        let by_hand = ErrorBodyLayer::new().layer(PanicToErrorLayer::new().layer(by_hand));
        let by_hand =
            tower_contract::CorsContractLayer::new(crate::support::policy()).layer(by_hand);
        let answer = { by_hand }.call(request(&asked)).await;
        let by_hand = transcript(answer.unwrap()).await;
        [flat, (by_hand, begun.elapsed())]
    })
}

#[test]
fn a_stream_of_an_rpc_that_passes_its_limit_ends_with_deadline_exceeded() {
    for (media, end) in [
        (
            "application/grpc",
            "\nx\ngrpc-status: 4\ngrpc-message: The service did not answer in time.\n",
        ),
        (
            "application/grpc-web+proto",
            "grpc-status:4\r\ngrpc-message:The service did not answer in time.\r\n\n",
        ),
        (
            "application/connect+json",
            r#""code":"deadline_exceeded","message":"The service did not answer in time."}}"#,
        ),
    ] {
        for (text, time) in ends_of_rpc(media, "") {
            assert!(text.ends_with(end) || text.trim_end().ends_with(end), "{media}: {text}");
            assert_eq!(time, 100 * MS, "{media}");
        }
    }
}

#[test]
fn the_deadline_of_the_client_of_an_rpc_ends_its_stream() {
    for (text, time) in ends_of_rpc("application/grpc", "\ngrpc-timeout: 30m") {
        assert!(text.contains("grpc-status: 4\n"), "{text}");
        assert_eq!(time, 30 * MS);
    }
}
