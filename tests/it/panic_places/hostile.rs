//! A service whose code panics wherever a layer runs it, as its path says.

use std::{
    error::Error,
    fmt,
    future::Future,
    panic::{panic_any, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    thread,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Semaphore;
use tower::{BoxError, Service};

use super::place::{Case, Kind, Place};

/// The service; what the tests of one connection share with it.
#[derive(Debug, Default)]
pub struct Hostile {
    pub shared: Arc<Shared>,
}

#[derive(Debug)]
pub struct Shared {
    /// What the next `poll_ready` does, or the second of the next clones: the first is the server's.
    armed: Mutex<Option<(Case, usize)>>,
    pub waiting: AtomicUsize,
    pub gate: Semaphore,
}

impl Default for Shared {
    fn default() -> Self {
        Self { armed: Mutex::default(), waiting: AtomicUsize::new(0), gate: Semaphore::new(0) }
    }
}

impl Shared {
    /// Makes the next request of a case panic where no request is known.
    pub fn arm(&self, case: Case) {
        if matches!(case.place, Place::Ready | Place::ReadyErrorDrop | Place::Clone) {
            *self.armed.lock().unwrap() = Some((case, 2));
        }
    }

    fn take(&self, is_clone: bool) -> Option<Case> {
        let mut armed = self.armed.lock().unwrap();
        let (case, clones) = armed.as_mut()?;
        if is_clone != (case.place == Place::Clone) {
            return None;
        }
        *clones -= usize::from(is_clone);
        let case = *case;
        if is_clone && armed.is_some_and(|(_, clones)| clones > 0) {
            return None;
        }
        *armed = None;
        Some(case)
    }
}

impl Clone for Hostile {
    fn clone(&self) -> Self {
        if let Some(case) = self.shared.take(true) {
            case.kind.panic();
        }
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<B> Service<Request<B>> for Hostile {
    type Response = Response<HostileBody>;
    type Error = Wrapped;
    type Future = Pin<Box<dyn Future<Output = Result<Response<HostileBody>, Wrapped>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Wrapped>> {
        match self.shared.take(false) {
            Some(case) if case.place == Place::Ready => case.kind.panic(),
            Some(case) => Poll::Ready(Err(Wrapped(Failure(case)))),
            None => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(case) = Case::of(request.uri().path()) else {
            let shared = Arc::clone(&self.shared);
            let waits = request.uri().path() == "/wait";
            return Box::pin(async move {
                if waits {
                    shared.waiting.fetch_add(1, Ordering::Relaxed);
                    shared.gate.acquire().await.unwrap().forget();
                }
                Ok(Response::new(HostileBody::default()))
            });
        };
        if case.place == Place::Call {
            case.kind.panic();
        }
        Box::pin(HostileFuture { case, polls: 0 })
    }
}

struct HostileFuture {
    case: Case,
    polls: usize,
}

impl Future for HostileFuture {
    type Output = Result<Response<HostileBody>, Wrapped>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        use Place as P;
        let case = self.case;
        self.polls += 1;
        match case.place {
            P::FutureLater if self.polls == 1 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            P::FutureFirst | P::FutureLater | P::FutureDropAfterPanic | P::PanicHook => {
                case.kind.panic()
            }
            P::FutureDropAtExpiry | P::FutureDropClientGone => Poll::Pending,
            P::ErrorDrop
            | P::AnsweredErrorDrop
            | P::Into
            | P::Classify
            | P::Display
            | P::Source
            | P::Redact
            | P::FutureDropAfterError => Poll::Ready(Err(Wrapped(Failure(case)))),
            _ => Poll::Ready(Ok(case.response())),
        }
    }
}

impl Drop for HostileFuture {
    fn drop(&mut self) {
        use Place as P;
        case_drops(
            self.case,
            matches!(
                self.case.place,
                P::FutureDropAfterAnswer
                    | P::FutureDropAfterError
                    | P::FutureDropAfterPanic
                    | P::FutureDropAtExpiry
                    | P::FutureDropClientGone
            ),
        );
    }
}

/// A drop that panics. Two panics at once end the process, whoever contains them.
fn case_drops(case: Case, panics: bool) {
    if panics && !thread::panicking() {
        case.kind.panic();
    }
}

impl Case {
    fn response(self) -> Response<HostileBody> {
        use Place as P;
        let (status, media) = match self.place {
            P::BodyDrop5xx | P::BodyPoll5xx => (502, "text/plain"),
            P::BodyDrop4xxUnread => (404, "text/html"),
            P::BodyDrop4xxRead
            | P::BodyPoll4xx
            | P::SizeHint4xx
            | P::IsEndStream4xx
            | P::ErrorHook
            | P::FormatWrite
            | P::FormatType
            | P::FormatLanguage
            | P::KeepIf => (404, "text/plain"),
            P::Understand => (404, "application/json"),
            _ => (200, "text/plain"),
        };
        let response = Response::builder().status(status).header("content-type", media);
        let response = response.header("x-case", self.path());
        response.body(HostileBody { case: Some(self), polls: 0 }).unwrap()
    }
}

// ===== its body =====

/// `hello`, unless its case says otherwise.
#[derive(Debug, Default)]
pub struct HostileBody {
    case: Option<Case>,
    polls: usize,
}

impl HostileBody {
    fn panics_if(&self, places: &[Place]) {
        if let Some(case) = self.case.filter(|case| places.contains(&case.place)) {
            case.kind.panic();
        }
    }
}

impl Body for HostileBody {
    type Data = Bytes;
    type Error = Wrapped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Wrapped>>> {
        use Place as P;
        self.polls += 1;
        let place = self.case.map(|case| case.place);
        if self.polls == 1 {
            self.panics_if(&[P::BodyFirst, P::BodyPoll4xx, P::BodyPoll5xx]);
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"hello")))));
        }
        if self.polls == 2 && place == Some(P::BodyAfterWait) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.panics_if(&[P::BodyLater, P::BodyAfterWait, P::BodyDropAfterPanic]);
        match (place, self.case) {
            (Some(P::BodyDropAtLimit | P::BodyDropClientGone), _) => Poll::Pending,
            (Some(P::BodyErrorInto), Some(case)) => Poll::Ready(Some(Err(Wrapped(Failure(case))))),
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.panics_if(&[Place::IsEndStream, Place::IsEndStream4xx]);
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.panics_if(&[Place::SizeHint, Place::SizeHint4xx]);
        SizeHint::default()
    }
}

impl Drop for HostileBody {
    fn drop(&mut self) {
        use Place as P;
        let panics = [
            P::BodyDrop,
            P::BodyDrop4xxRead,
            P::BodyDrop4xxUnread,
            P::BodyDrop5xx,
            P::BodyDropAfterPanic,
            P::BodyDropAtLimit,
            P::BodyDropClientGone,
        ];
        if let Some(case) = self.case {
            case_drops(case, panics.contains(&case.place));
        }
    }
}

// ===== its errors =====

/// What the service fails with. It is no error itself, so that its `Into` is its own.
#[derive(Debug)]
#[expect(unnameable_types, reason = "it is reached through an impl for someone's type")]
pub struct Wrapped(Failure);

impl From<Wrapped> for BoxError {
    fn from(Wrapped(failure): Wrapped) -> Self {
        if matches!(failure.0.place, Place::Into | Place::BodyErrorInto) {
            failure.0.kind.panic();
        }
        Box::new(failure)
    }
}

#[derive(Debug)]
pub struct Failure(pub Case);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.place == Place::Display {
            self.0.kind.panic();
        }
        write!(f, "{:?}", self.0.place)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if self.0.place == Place::Source {
            self.0.kind.panic();
        }
        None
    }
}

impl Drop for Failure {
    fn drop(&mut self) {
        use Place as P;
        let places = [P::ErrorDrop, P::AnsweredErrorDrop, P::ReadyErrorDrop];
        case_drops(self.0, places.contains(&self.0.place));
    }
}

impl Kind {
    pub fn panic(self) -> ! {
        if RUNS_HOOK.load(Ordering::Relaxed) {
            match self {
                Self::Text => panic_any("secret"),
                Self::Other => panic_any(7_u8),
                Self::PanicsToo => panic_any(PanicsWhenDropped),
            }
        }
        match self {
            Self::Text => resume_unwind(Box::new("secret")),
            Self::Other => resume_unwind(Box::new(7_u8)),
            Self::PanicsToo => resume_unwind(Box::new(PanicsWhenDropped)),
        }
    }
}

/// Whether panics run the process's hook, which prints them. In tests none does.
pub static RUNS_HOOK: AtomicBool = AtomicBool::new(false);

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        if !thread::panicking() {
            resume_unwind(Box::new("the drop of what a panic carries"));
        }
    }
}
