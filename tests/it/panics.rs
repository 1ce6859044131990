//! Panics of the service, and of every function that the layers are given.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_contract::{
    ApiError, BodyError, CatchErrorLayer, Cause, Envelope, EnvelopeFormat, ErrorBodyLayer,
    ErrorFormat, Occurrence, PanicToErrorLayer, ProblemDetailsFormat, TimeoutLayer,
};

use crate::support::{
    Script, Step, answering, ask, assert_error, block_on, contract, envelope, request, response,
    sentence,
};

type Answer = Response<Full<Bytes>>;

/// The content of a 500 that says nothing.
fn internal() -> String {
    envelope("GET", 500, &sentence(500), "/x")
}

/// A future that is pending `left` times, waking itself, and then panics.
struct PanicsAfter {
    left: usize,
    dropped: Arc<AtomicBool>,
}

impl Future for PanicsAfter {
    type Output = Result<Answer, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert_ne!(self.left, 0, "secret");
        self.left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for PanicsAfter {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_panic_at_any_poll_is_500_and_the_future_is_dropped_at_once() {
    for polls in 0..8 {
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&dropped);
        let mut service = PanicToErrorLayer::new()
            .layer(service_fn(move |_| PanicsAfter { left: polls, dropped: Arc::clone(&flag) }));
        let mut future = task::spawn(service.call(request("GET /x")));
        for _ in 0..polls {
            assert_pending!(future.poll());
            assert!(future.is_woken());
        }
        let answer = assert_ready!(future.poll()).unwrap();
        assert!(dropped.load(Ordering::Relaxed), "dropped after {polls} polls");
        assert_eq!(answer.status(), 500);
        assert_eq!(ApiError::of(&answer).unwrap().cause(), Cause::Panic);
        assert!(answer.body().is_end_stream());
        // Polled after the end: pending, not another panic.
        assert_pending!(future.poll());
    }
}

/// A future that is ready at once and tells when it is dropped.
struct AtOnce {
    output: Option<Result<Answer, BoxError>>,
    dropped: Arc<AtomicBool>,
}

impl Future for AtOnce {
    type Output = Result<Answer, BoxError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(self.output.take().unwrap())
    }
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_future_that_has_answered_or_failed_is_dropped_at_once() {
    for fails in [false, true] {
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&dropped);
        let mut service = PanicToErrorLayer::new().layer(service_fn(move |_| {
            let output = Some(if fails { Err("failed".into()) } else { Ok(response("200")) });
            AtOnce { output, dropped: Arc::clone(&flag) }
        }));
        let mut future = task::spawn(service.call(request("GET /x")));
        assert_eq!(assert_ready!(future.poll()).is_err(), fails);
        assert!(dropped.load(Ordering::Relaxed), "before the future of the layer is, {fails}");
    }
}

#[test]
fn a_panic_in_call_is_500_and_the_next_request_is_answered() {
    let mut service = PanicToErrorLayer::new().layer(service_fn(|request: http::Request<_>| {
        assert_ne!(request.uri().path(), "/panic");
        std::future::ready(Ok::<_, BoxError>(response("200")))
    }));
    block_on(async {
        for (path, status) in [("/panic", 500), ("/", 200), ("/panic", 500), ("/", 200)] {
            let service = service.ready().await.unwrap();
            let answer = service.call(request(&format!("GET {path}"))).await.unwrap();
            assert_eq!(answer.status(), status);
        }
    });
}

#[test]
fn a_panic_in_a_body_is_an_error_and_never_a_clean_end() {
    for frames in 0..4 {
        let steps = (0..frames).map(|_| Step::Data(b"part"));
        let body = Script::new(steps.chain([Step::Panic("secret"), Step::Data(b"more")]));
        let (polls, dropped) = (Arc::clone(&body.polls), Arc::clone(&body.dropped));
        let slot = Arc::new(Mutex::new(Some(body)));
        let service = contract()
            .layer(answering(move |_| Response::new(slot.lock().unwrap().take().unwrap())));
        let mut body = block_on(service.oneshot(request("GET /x"))).unwrap().into_body();
        let mut frame = || task::spawn(()).enter(|cx, _| Pin::new(&mut body).poll_frame(cx));
        for _ in 0..frames {
            let data = assert_ready!(frame()).unwrap().unwrap().into_data().unwrap();
            assert_eq!(data, "part");
        }
        let error: BodyError = assert_ready!(frame()).unwrap().unwrap_err();
        assert!(error.is_panic() && error.source().is_none());
        assert_eq!(error.to_string(), "the response body panicked");
        assert!(dropped.load(Ordering::Relaxed), "who has panicked is not kept");
        assert!(assert_ready!(frame()).is_none());
        assert_eq!(polls.load(Ordering::Relaxed), frames + 1, "nor polled again");
    }
}

/// An error of a body that panics when a layer takes it.
#[derive(Debug)]
#[expect(unnameable_types, reason = "it is reached through an impl for someone's type")]
pub struct Untakable;

impl From<Untakable> for BoxError {
    fn from(_: Untakable) -> Self {
        panic!("into")
    }
}

#[test]
fn an_error_of_a_body_that_panics_when_it_is_taken_is_a_panic_of_the_body() {
    let failing = || {
        service_fn(async |_| {
            let end = tokio_stream::once(Err::<Frame<Bytes>, _>(Untakable));
            Ok::<_, Infallible>(Response::new(StreamBody::new(end)))
        })
    };
    let mut alone = PanicToErrorLayer::new().layer(failing());
    let answer = block_on(alone.call(request("GET /x"))).unwrap();
    assert!(block_on(answer.into_body().collect()).unwrap_err().is_panic());
    let mut stack = contract().layer(failing());
    let answer = block_on(stack.call(request("GET /x"))).unwrap();
    assert!(block_on(answer.into_body().collect()).unwrap_err().is_panic());
}

#[test]
fn an_error_of_a_body_keeps_its_source() {
    let service = contract()
        .layer(answering(|_| Response::new(Script::new([Step::Fail("the disk is gone")]))));
    let mut body = block_on(service.oneshot(request("GET /x"))).unwrap().into_body();
    let frame = task::spawn(()).enter(|cx, _| Pin::new(&mut body).poll_frame(cx));
    let error = assert_ready!(frame).unwrap().unwrap_err();
    assert!(!error.is_panic());
    assert_eq!(error.to_string(), "the response body failed");
    assert_eq!(error.source().unwrap().to_string(), "the disk is gone");
}

// ===== every function that a layer is given panics in turn =====

#[test]
fn a_hook_that_panics_over_a_panic_changes_nothing() {
    let panics = || PanicToErrorLayer::new().on_panic(|_| panic!("the hook"));
    let service =
        contract().panics(|_| panics()).layer(answering(|_| -> Answer { panic!("the service") }));
    assert_error(&ask(service, "GET /x"), 500, &internal());

    let service = contract()
        .panics(|_| panics())
        .layer(answering(|_| Response::new(Script::new([Step::Panic("the body")]))));
    let mut body = block_on(service.oneshot(request("GET /x"))).unwrap().into_body();
    let frame = task::spawn(()).enter(|cx, _| Pin::new(&mut body).poll_frame(cx));
    assert!(assert_ready!(frame).unwrap().unwrap_err().is_panic());
}

/// An error whose texts and source panic.
#[derive(Debug)]
struct Hostile {
    has_source: bool,
}

impl fmt::Display for Hostile {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("Display")
    }
}

impl Error for Hostile {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        assert!(self.has_source, "source");
        None
    }
}

#[test]
fn a_rule_for_errors_that_panics_leaves_the_built_in_rules() {
    let layers = [
        CatchErrorLayer::new().classify(|_| panic!("classify")),
        CatchErrorLayer::new().classify(|error| {
            drop(error.to_string());
            None
        }),
        CatchErrorLayer::new(),
    ];
    for layer in layers {
        for has_source in [true, false] {
            let failing =
                service_fn(move |_| std::future::ready(Err::<Answer, _>(Hostile { has_source })));
            // Alone too, without the guard of a panic layer outside.
            let service = ErrorBodyLayer::new().layer(layer.layer(failing));
            assert_error(&ask(service, "GET /x"), 500, &internal());
            let service = contract().service_errors(|_| layer.clone()).layer(failing);
            assert_error(&ask(service, "GET /x"), 500, &internal());
        }
        let io = service_fn(async |_| {
            Err::<Answer, _>(std::io::Error::from(std::io::ErrorKind::BrokenPipe))
        });
        let sent = ask(contract().service_errors(|_| layer).layer(io), "GET /x");
        assert_eq!(sent.status(), 502);
    }
}

#[test]
fn an_error_of_readiness_whose_source_panics_is_answered() {
    #[derive(Clone)]
    struct NeverReady;
    impl<T> Service<T> for NeverReady {
        type Response = Answer;
        type Error = Hostile;
        type Future = std::future::Ready<Result<Answer, Hostile>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Hostile>> {
            Poll::Ready(Err(Hostile { has_source: false }))
        }
        fn call(&mut self, _: T) -> Self::Future {
            unreachable!("never ready")
        }
    }
    assert_error(&ask(contract().layer(NeverReady), "GET /x"), 500, &internal());
}

#[test]
fn a_limit_that_panics_is_500() {
    let timeout = TimeoutLayer::per_request(|_| panic!("limit"));
    let service = contract().timeout(timeout).layer(answering(|_| response("200")));
    assert_error(&ask(service, "GET /x"), 500, &internal());
}

#[test]
fn a_hook_for_errors_that_panics_changes_nothing() {
    let service = contract().on_error(|_| panic!("on_error")).layer(answering(|_| response("404")));
    let expected = envelope("GET", 404, &sentence(404), "/x");
    assert_error(&ask(service, "GET /x"), 404, &expected);
}

#[derive(Clone)]
enum Broken {
    ContentType,
    Write,
}

impl ErrorFormat for Broken {
    fn content_type(&self) -> HeaderValue {
        assert!(matches!(self, Self::Write), "content_type");
        ProblemDetailsFormat::new().content_type()
    }

    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
        EnvelopeFormat.write(error, out);
        out.extend_from_slice(b"and half of");
        assert!(matches!(self, Self::ContentType), "write");
    }
}

#[test]
fn a_format_that_panics_is_replaced_by_the_built_in_one() {
    for format in [Broken::ContentType, Broken::Write] {
        let service = contract().format(format).layer(answering(|_| response("404")));
        let expected = envelope("GET", 404, &sentence(404), "/x");
        assert_error(&ask(service, "GET /x"), 404, &expected);
    }
}

/// A 404 whose head has as many fields as a map takes.
fn full_404() -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    for n in 0.. {
        let name = http::HeaderName::try_from(format!("x-{n}")).unwrap();
        if headers.try_insert(name, HeaderValue::from_static("")).is_err() {
            break;
        }
    }
    response
}

#[test]
fn a_response_with_as_many_headers_as_a_map_takes_is_answered() {
    let mut service = contract().layer(answering(|_| full_404()));
    let future = service.call(request("GET /x"));
    let answer = block_on(future).unwrap();
    assert_eq!(answer.status(), 404);
    let content = block_on(crate::support::content(answer));
    assert_eq!(serde_json::from_slice::<Envelope>(&content).unwrap().code, 404);
}

#[test]
fn an_rpc_has_its_status_however_full_the_head_is() {
    const RPCS: [(&str, &str); 4] = [
        ("application/grpc", "grpc-status"),
        ("application/grpc-web+proto", "grpc-status"),
        ("application/grpc-web-text", "grpc-status"),
        ("application/connect+json", "content-type"),
    ];
    for (media, field) in RPCS {
        let asked = format!("POST /p.S/M\ncontent-type: {media}");
        let sent = ask(contract().layer(answering(|_| full_404())), &asked);
        assert_eq!(sent.status(), 200, "{media}");
        assert_eq!(sent.headers()["content-type"], media);
        assert!(sent.headers().contains_key(field), "{media}");
        assert_eq!(sent.headers()["access-control-allow-origin"], crate::support::FRONT_END);
    }
    let unary = "POST /p.S/M\ncontent-type: application/json\nconnect-protocol-version: 1";
    let sent = ask(contract().layer(answering(|_| full_404())), unary);
    assert_eq!(sent.headers()["content-type"], "application/json");
    assert!(sent.body().starts_with(br#"{"code":"#));
}

#[test]
fn a_full_head_passes_every_layer_that_adds_to_it() {
    let full = || {
        answering(|_| {
            let mut answer = full_404();
            *answer.status_mut() = StatusCode::OK;
            answer
        })
    };
    let lines = full_404().headers().len();
    assert_eq!(ask(contract().layer(full()), "GET /x").headers().len(), lines);
    let full = service_fn(async |_| {
        let mut answer = full_404();
        *answer.status_mut() = StatusCode::OK;
        Ok::<_, Infallible>(answer)
    });
    let drained = tower_contract::DrainRequestLayer::new().layer(full);
    assert_eq!(ask(drained, "POST /x\n\nunread").headers().len(), lines);
    // What is added to an error of the application's own.
    let mut error = ApiError::unavailable();
    for n in 0..40 {
        error = error.with_header(format!("x-{n}"), "1");
    }
    let sent = ask(
        contract().layer(answering(move |_| error.clone().into_http::<Full<Bytes>>())),
        "GET /x",
    );
    assert_eq!(sent.status(), 503);
}
