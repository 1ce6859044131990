//! A service that meets its fate.

use std::{
    cell::RefCell,
    collections::VecDeque,
    error::Error,
    fmt,
    future::Future,
    panic::resume_unwind,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use tower::{BoxError, Service};
use tower_contract::{ApiError, KeepBody};

use super::case::{Answer, Case, Failure, Fate, Mark, Step};

/// What layers did with a service, in order.
pub type Done = Rc<RefCell<Vec<&'static str>>>;

/// Said by a panic in the drop of a service that is ready.
pub const GIVEN_BACK: &str = "readiness is given back";

/// Panics without the process's panic hook, which would print.
fn panics(message: &'static str) {
    resume_unwind(Box::new(message));
}

/// Panics in a drop, unless that would end the process.
fn drop_panics(panics_here: bool, message: &'static str) {
    if panics_here && !std::thread::panicking() {
        panics(message);
    }
}

/// The service of one case. Its clones are always ready, and answer.
pub struct Scripted {
    case: Rc<Case>,
    fate: Fate,
    /// Whether `poll_ready` has reserved a place that `call` has not used.
    is_reserved: bool,
    done: Done,
}

impl Scripted {
    pub fn new(case: &Rc<Case>, done: &Done) -> Self {
        Self { case: case.clone(), fate: case.fate, is_reserved: false, done: done.clone() }
    }
}

impl Clone for Scripted {
    fn clone(&self) -> Self {
        let (case, done) = (self.case.clone(), self.done.clone());
        Self { case, fate: Fate::Answers, is_reserved: false, done }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if self.is_reserved {
            self.done.borrow_mut().push("readiness given back");
            drop_panics(self.case.ready_drop_panics, GIVEN_BACK);
        }
    }
}

impl Service<Request<()>> for Scripted {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = ScriptedFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self.fate {
            Fate::IsNeverReady => return Poll::Ready(Err("not ready".into())),
            Fate::PanicsWhenAskedForReadiness => panics("poll_ready"),
            _ => self.is_reserved = true,
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> ScriptedFuture {
        self.done.borrow_mut().push("called");
        self.is_reserved = false;
        if self.fate == Fate::PanicsInCall {
            panics("call");
        }
        let case = self.case.clone();
        ScriptedFuture { waits: case.waits, fate: self.fate, case }
    }
}

pub struct ScriptedFuture {
    case: Rc<Case>,
    fate: Fate,
    waits: bool,
}

impl Future for ScriptedFuture {
    type Output = Result<Response<Body>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::take(&mut self.waits) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.fate {
            Fate::Hangs => return Poll::Pending,
            Fate::PanicsInPoll => panics("poll"),
            Fate::Fails(Failure::Text) => return Poll::Ready(Err("it failed".into())),
            Fate::Fails(Failure::ApiError) => return Poll::Ready(Err(gone().into())),
            Fate::Fails(Failure::Odd) => return Poll::Ready(Err(Box::new(Odd))),
            _ => {}
        }
        Poll::Ready(Ok(self.case.answer.response()))
    }
}

impl Drop for ScriptedFuture {
    fn drop(&mut self) {
        drop_panics(self.case.future_drop_panics, "the future is dropped");
    }
}

fn gone() -> ApiError {
    ApiError::gone().with_code(4100).with_description("It is gone.").with_source(Odd)
}

/// An error that cannot be shown.
#[derive(Debug)]
struct Odd;

impl fmt::Display for Odd {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panics("Display");
        Ok(())
    }
}

impl Error for Odd {}

impl Answer {
    fn response(&self) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap();
        let is_error = status.is_client_error() || status.is_server_error();
        let error = match self.mark {
            Mark::ApiError if is_error => Some(ApiError::new(status).with_title("Ours")),
            Mark::OtherApiError => Some(gone()),
            _ => None,
        };
        let mut response = match error {
            Some(error) => error.into_http::<()>().map(|()| self.body()),
            None => Response::new(self.body()),
        };
        *response.status_mut() = status;
        *response.headers_mut() = self.headers();
        if self.mark == Mark::KeepBody {
            response.extensions_mut().insert(KeepBody);
        }
        response
    }
}

/// A body that does what it is told; empty where layers make one.
#[derive(Default)]
pub struct Body {
    steps: VecDeque<Step>,
    drop_panics: bool,
    hints_panic: bool,
}

impl Body {
    pub fn new(answer: &Answer) -> Self {
        Self {
            steps: answer.steps.iter().copied().collect(),
            drop_panics: answer.body_drop_panics,
            hints_panic: answer.hints_panic,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match self.steps.pop_front() {
            None => return Poll::Ready(None),
            Some(Step::Data(data)) => Frame::data(Bytes::from_static(data.as_bytes())),
            Some(Step::Trailers) => {
                let ok = HeaderValue::from_static("0");
                Frame::trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), ok)]))
            }
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                return Poll::Pending;
            }
            Some(Step::Fail) => return Poll::Ready(Some(Err("reset".into()))),
            Some(Step::Panic) => {
                panics("the body is polled");
                return Poll::Pending;
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        if self.hints_panic {
            panics("is_end_stream");
        }
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.hints_panic {
            panics("size_hint");
        }
        match self.steps.as_slices().0 {
            [] => SizeHint::with_exact(0),
            [Step::Data(data)] => SizeHint::with_exact(data.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        drop_panics(self.drop_panics, "the body is dropped");
    }
}
