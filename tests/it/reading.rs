//! What an upstream says does not depend on when and in how many pieces it arrives.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, Sleep, sleep};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_contract::{Envelope, ErrorBodyLayer};

use crate::support::{Script, Step, answering, block_on, contract, now, request};

const ENVELOPE: &str = r#"{"http_method":"POST","title":"bad parameter","description":"no mode","code":4020,"uri":"/m"}"#;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Pieces of content, each some time after the one before.
struct Pieces {
    pieces: std::vec::IntoIter<(Duration, &'static [u8])>,
    waiting: Option<(Pin<Box<Sleep>>, &'static [u8])>,
}

impl Pieces {
    fn new(pieces: Vec<(Duration, &'static [u8])>) -> Self {
        Self { pieces: pieces.into_iter(), waiting: None }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.waiting.is_none() {
            let Some((after, piece)) = self.pieces.next() else { return Poll::Ready(None) };
            if after.is_zero() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece)))));
            }
            self.waiting = Some((Box::pin(sleep(after)), piece));
        }
        let Some((sleep, piece)) = &mut self.waiting else { return Poll::Ready(None) };
        std::task::ready!(sleep.as_mut().poll(cx));
        let data = Bytes::from_static(piece);
        self.waiting = None;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

fn answer<B>(status: u16, content_type: &'static str, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if !content_type.is_empty() {
        response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    }
    response
}

/// The code and the description of the answer, and how long it took; in the stack and in the layer
/// alone, which have to agree.
#[track_caller]
fn told<B>(
    asked: &'static str,
    body: impl Fn() -> Response<B> + Clone + Send,
) -> (u32, String, Duration)
where
    B: Body<Data = Bytes, Error = BoxError> + Send,
{
    let inner = || {
        let body = body.clone();
        answering(move |_| body())
    };
    let alone = block_on(asked_of(ErrorBodyLayer::new().layer(inner()), asked));
    let stacked = block_on(asked_of(contract().layer(inner()), asked));
    assert_eq!(alone, stacked);
    alone
}

async fn asked_of<S, B>(service: S, asked: &str) -> (u32, String, Duration)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let begun = Instant::now();
    let answer = service.oneshot(request(asked)).await.unwrap();
    let took = begun.elapsed();
    let content = answer.into_body().collect().await.map_err(Into::into).unwrap().to_bytes();
    let told: Envelope = serde_json::from_slice(&content).unwrap();
    (told.code, told.description, took)
}

#[test]
fn an_envelope_in_one_piece_in_several_and_late_is_told_alike() {
    let whole = ENVELOPE.as_bytes();
    let (one, two) = whole.split_at(40);
    let chunks: Vec<_> = whole.chunks(9).map(|chunk| (Duration::ZERO, chunk)).collect();
    let slow: Vec<_> = whole.chunks(9).map(|chunk| (20 * MS, chunk)).collect();
    for pieces in [
        vec![(Duration::ZERO, whole)],
        vec![(Duration::ZERO, one), (Duration::ZERO, two)],
        vec![(Duration::ZERO, one), (MS, two)],
        vec![(MS, whole)],
        vec![(20 * MS, whole)],
        vec![(999 * MS, whole)],
        chunks,
        slow,
    ] {
        let takes = pieces.iter().map(|(after, _)| *after).sum::<Duration>();
        let body = move || answer(400, "application/json", Pieces::new(pieces.clone()));
        assert_eq!(told("POST /m", body), (4020, "no mode".to_owned(), takes));
    }
}

#[test]
fn a_text_that_is_pending_once_is_told() {
    let body = || answer(400, "text/plain", Script::new([Step::Wait, Step::Data(b"no mode")]));
    assert_eq!(told("GET /m", body), (400, "no mode".to_owned(), Duration::ZERO));
}

#[test]
fn a_body_that_never_comes_costs_exactly_its_second() {
    let default = "The request is malformed or a parameter is missing or wrong.";
    for media in ["text/plain", "application/json", "application/problem+json"] {
        for steps in [0, 1] {
            let body = move || {
                let begun = [Step::Data(b"half a sen")].into_iter().take(steps);
                answer(400, media, Script::new(begun.chain([Step::Hang])))
            };
            assert_eq!(told("GET /m", body), (400, default.to_owned(), SECOND), "{media}");
        }
    }
}

#[test]
fn a_5xx_html_empty_content_and_a_head_request_wait_for_nothing() {
    for (asked, status, media) in [
        ("GET /m", 500, "application/json"),
        ("GET /m", 503, "text/plain"),
        ("GET /m", 404, "text/html"),
        ("GET /m", 404, "image/png"),
        ("GET /m", 404, ""),
    ] {
        let body = move || answer(status, media, Script::new([Step::Hang]));
        let (_, _, took) = told(asked, body);
        assert_eq!(took, Duration::ZERO, "{asked} {status} {media}");
    }
    let body = || answer(404, "text/plain", Script::new([Step::Hang]));
    let head = block_on(async {
        let begun = Instant::now();
        let service = contract().layer(answering(move |_| body()));
        drop(service.oneshot(request("HEAD /m")).await.unwrap());
        begun.elapsed()
    });
    assert_eq!(head, Duration::ZERO);
}

#[test]
fn with_a_read_time_of_zero_only_what_is_ready_is_read() {
    let layer = || ErrorBodyLayer::new().read_time(Duration::ZERO);
    let ask = |steps: fn() -> Vec<Step>| {
        let inner = answering(move |_| answer(400, "text/plain", Script::new(steps())));
        block_on(asked_of(layer().layer(inner), "GET /m"))
    };
    let (_, description, took) = ask(|| vec![Step::Data(b"no "), Step::Data(b"mode")]);
    assert_eq!((&*description, took), ("no mode", Duration::ZERO));
    let (_, description, took) = ask(|| vec![Step::Wait, Step::Data(b"no mode")]);
    assert!(description != "no mode" && took.is_zero());
}

#[test]
fn outside_of_a_runtime_what_is_ready_is_read_and_nothing_waits() {
    for (steps, expected) in [(vec![Step::Data(b"no mode")], true), (vec![Step::Hang], false)] {
        let steps = std::sync::Mutex::new(Some(steps));
        let mut service = contract().layer(service_fn(|_| {
            let steps = steps.lock().unwrap().take().unwrap();
            std::future::ready(Ok::<_, Infallible>(answer(400, "text/plain", Script::new(steps))))
        }));
        let answer = now(service.call(request("GET /m"))).unwrap();
        let content = now(answer.into_body().collect()).unwrap().to_bytes();
        let told: Envelope = serde_json::from_slice(&content).unwrap();
        assert_eq!(told.description == "no mode", expected);
    }
}

#[test]
fn in_a_runtime_without_time_what_is_late_is_not_waited_for() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let service = contract().layer(answering(|_| {
        answer(400, "text/plain", Script::new([Step::Wait, Step::Data(b"x")]))
    }));
    for _ in 0..3 {
        let (code, description, ()) = runtime.block_on(async {
            let answer = service.clone().oneshot(request("GET /m")).await.unwrap();
            let content = answer.into_body().collect().await.unwrap().to_bytes();
            let told: Envelope = serde_json::from_slice(&content).unwrap();
            (told.code, told.description, ())
        });
        assert_eq!(code, 400);
        assert_ne!(description, "x");
    }
}

#[test]
fn a_client_that_goes_while_an_error_is_read_takes_the_body_with_it() {
    let script = Script::new([Step::Hang]);
    let dropped = std::sync::Arc::clone(&script.dropped);
    let script = std::sync::Mutex::new(Some(script));
    block_on(async {
        let mut service = contract().layer(answering(|_| {
            answer(400, "text/plain", script.lock().unwrap().take().unwrap())
        }));
        let mut pending = Box::pin(service.call(request("GET /m")));
        poll_fn(|cx| {
            assert!(pin!(&mut pending).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(pending);
    });
    assert!(dropped.load(std::sync::atomic::Ordering::Relaxed));
}
