//! A service is asked a request in one line, and its whole answer is a text.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt::Write,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use expect_test::Expect;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tower::{BoxError, Service, ServiceExt};
use tower_contract::{ApiError, ContractLayer, CorsPolicy, Envelope};

/// The one front end of most tests.
pub const FRONT_END: &str = "https://app.example.com";

pub fn policy() -> CorsPolicy {
    CorsPolicy::builder([FRONT_END]).build().unwrap()
}

pub fn contract() -> ContractLayer {
    ContractLayer::new(policy())
}

/// A request as it stands on the wire: `"GET /path"`, then a line for each header, content after an
/// empty line.
#[track_caller]
pub fn request(text: &str) -> Request<Full<Bytes>> {
    let (head, content) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, uri) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.body(Full::from(content.to_owned())).unwrap()
}

/// An answer as it stands on the wire: `"404"`, then a line for each header, content after an empty
/// line.
#[track_caller]
pub fn response(text: &str) -> Response<Full<Bytes>> {
    let (head, content) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let mut response = Response::builder().status(lines.next().unwrap());
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        response = response.header(name, value);
    }
    response.body(Full::from(content.to_owned())).unwrap()
}

/// The envelope with the reason phrase as its title.
#[track_caller]
pub fn envelope(method: &str, code: u16, description: &str, uri: &str) -> String {
    let title = StatusCode::from_u16(code).unwrap();
    let title = title.canonical_reason().unwrap();
    let envelope = Envelope::new(method, title, description, code.into(), uri);
    serde_json::to_string(&envelope).unwrap()
}

/// The contract's sentence for a status.
pub fn sentence(status: u16) -> String {
    let status = StatusCode::from_u16(status).unwrap();
    ApiError::new(status).description().to_owned()
}

/// Asks `service` and gives the head and the whole content of its answer.
#[track_caller]
pub fn ask<S, B>(service: S, asked: &str) -> Response<Bytes>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let asked = request(asked);
    block_on(async {
        let response = service.oneshot(asked).await.unwrap();
        let (head, body) = response.into_parts();
        let content = body.collect().await.unwrap().to_bytes();
        Response::from_parts(head, content)
    })
}

/// Fails unless `sent` is a complete error answer: this status, this content, and a head that
/// speaks of it.
#[track_caller]
pub fn assert_error(sent: &Response<Bytes>, status: u16, content: &str) {
    assert_eq!(std::str::from_utf8(sent.body()).unwrap(), content);
    assert_eq!(sent.status(), status);
    assert_eq!(all(sent, "content-type"), ["application/json"]);
    assert_eq!(all(sent, "content-length"), [content.len().to_string()]);
    assert_eq!(all(sent, "x-content-type-options"), ["nosniff"]);
}

/// The values of all lines of a header, in order.
pub fn all<B>(response: &Response<B>, name: &str) -> Vec<String> {
    let lines = response.headers().get_all(name).iter();
    lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect()
}

/// Asks `service` and compares the whole answer, headers in the order in which they are sent.
#[track_caller]
pub fn check<S, B>(service: S, asked: &str, expected: Expect)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let response = block_on(service.oneshot(request(asked))).unwrap();
    expected.assert_eq(&block_on(transcript(response)));
}

/// Status, headers and body of a response, as text.
pub async fn transcript<B>(response: Response<B>) -> String
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let (head, body) = response.into_parts();
    let mut text = format!("{}\n", head.status);
    write_headers(&mut text, &head.headers);
    let mut body = std::pin::pin!(body);
    let mut content = Vec::new();
    let mut end = String::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => content.extend_from_slice(&data),
            Ok(Err(frame)) => write_headers(&mut end, &frame.into_trailers().unwrap()),
            Err(error) => writeln!(end, "error: {error}").unwrap(),
        }
    }
    writeln!(text, "\n{}", String::from_utf8_lossy(&content)).unwrap();
    text + &end
}

fn write_headers(text: &mut String, headers: &HeaderMap) {
    for (name, value) in headers {
        writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes())).unwrap();
    }
}

/// Runs a future on a paused clock: waiting takes no time.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(future)
}

/// A service that answers each request with what `answer` makes of it.
pub fn answering<B, A>(
    answer: A,
) -> impl Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible, Future: Send> + Clone
where
    A: Fn(Request<Full<Bytes>>) -> Response<B> + Clone,
    B: Send,
{
    tower::service_fn(move |request| std::future::ready(Ok(answer(request))))
}

/// What a [`Script`] does when it is polled.
#[derive(Debug)]
pub enum Step {
    Data(&'static [u8]),
    Trailers(HeaderMap),
    /// Pending once: wakes at once whoever polled it last.
    Wait,
    /// Pending for ever: nobody wakes.
    Hang,
    Fail(&'static str),
    Panic(&'static str),
}

/// A body that does what it is told, counts its polls and tells when it was dropped.
#[derive(Debug, Default)]
pub struct Script {
    steps: VecDeque<Step>,
    pub polls: Arc<AtomicUsize>,
    pub dropped: Arc<AtomicBool>,
}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut script = Self::default();
        script.steps.extend(steps);
        script
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(data))))),
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                Poll::Pending
            }
            Some(Step::Fail(text)) => Poll::Ready(Some(Err(text.into()))),
            Some(Step::Panic(text)) => panic!("{text}"),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
    }
}

/// The whole content of a body that does not fail.
pub async fn content<B>(response: Response<B>) -> Bytes
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    response.into_body().collect().await.unwrap().to_bytes()
}

/// The output of a future that never waits.
#[track_caller]
pub fn now<F: Future>(future: F) -> F::Output {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut cx) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}
