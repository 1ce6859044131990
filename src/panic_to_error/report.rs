//! Who is told of a panic, and what.

use std::{
    error::Error,
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use http::{Method, Request};

use crate::{
    api_error::ApiError,
    report::{Level, is_recorded},
    request_head::{RequestHead, method_text},
    unwind::{Hook, Panic, Panicked},
};

/// A panic, as [`PanicToErrorLayer::on_panic`](super::PanicToErrorLayer::on_panic) is told of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PanicReport<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// The path of the request, percent-encoded, without the query.
    pub uri: &'a str,
    /// What the panic said: escaped, on one line, at most 1 KiB.
    pub message: &'a str,
    /// What was running.
    pub place: PanicPlace,
    /// File, line and column; `None` unless the process has installed
    /// [`panic_hook`](crate::panic_hook), and for a panic that ran no hook.
    pub location: Option<&'a str>,
}

/// What was running when the service panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicPlace {
    /// `Service::poll_ready`: the next request on it has got 500.
    Ready,
    /// `Service::call`: the client has got 500.
    Call,
    /// The service's future, an async handler: the client has got 500.
    Future,
    /// The response body: the client has got the head, and then a broken body; or the body was asked
    /// for its length or its end, and the client's answer is not touched by it.
    Body,
    /// The drop of the future or of the body: the client's answer is not touched by it.
    Drop,
}

pub(crate) type OnPanic = dyn Fn(&PanicReport<'_>) + Send + Sync;

/// Who is told of a panic, and of which request; made only where someone is.
#[derive(Debug)]
pub(crate) struct PanicReporter {
    pub(crate) on_panic: Hook<OnPanic>,
    pub(crate) head: RequestHead,
    /// Whether a panic of a hint was told: servers ask for hints again and again.
    is_hint_told: AtomicBool,
}

// ===== impl PanicReporter =====

impl PanicReporter {
    /// Who is told of panics of `request`; `None` where nobody is, at no cost.
    #[inline]
    pub(super) fn over<B>(request: &Request<B>, on_panic: &Hook<OnPanic>) -> Option<Box<Self>> {
        Self::is_needed(on_panic).then(|| Self::boxed(on_panic, RequestHead::of(request)))
    }

    #[inline]
    pub(crate) fn is_needed(on_panic: &Hook<OnPanic>) -> bool {
        on_panic.is_set() || is_recorded(Level::Error)
    }

    #[cold]
    fn boxed(on_panic: &Hook<OnPanic>, head: RequestHead) -> Box<Self> {
        Box::new(Self::new(on_panic, head))
    }

    pub(crate) fn new(on_panic: &Hook<OnPanic>, head: RequestHead) -> Self {
        Self { on_panic: on_panic.clone(), head, is_hint_told: AtomicBool::new(false) }
    }

    /// Tells the hook of a panic that became `error`, as [`tell`].
    pub(super) fn tell(reporter: Option<&Self>, error: &ApiError, place: PanicPlace) {
        if let Some(Self { on_panic, head, .. }) = reporter {
            tell(on_panic, head, error, place);
        }
    }

    /// Tells hook and event of a panic that ends in no response, as [`report`].
    pub(crate) fn report(reporter: Option<&Self>, panic: &Panic, place: PanicPlace) {
        if reporter.is_some() {
            Self::report_told(reporter, &panic.told(), place);
        }
    }

    /// As [`report`](Self::report), of the first panic of a body that was asked for its length or
    /// its end.
    #[cold]
    pub(super) fn report_hint(reporter: Option<&Self>, panic: &Panic) {
        if reporter.is_some_and(|reporter| !reporter.is_hint_told.swap(true, Ordering::Relaxed)) {
            Self::report(reporter, panic, PanicPlace::Body);
        }
    }

    /// As [`report`](Self::report), of a panic that a layer inside has caught.
    pub(crate) fn report_told(reporter: Option<&Self>, panicked: &Panicked, place: PanicPlace) {
        if let Some(Self { on_panic, head, .. }) = reporter {
            report(on_panic, head, panicked, place);
        }
    }
}

/// Tells the hook of a panic that became `error`; the event is that of the error response.
pub(crate) fn tell(
    on_panic: &Hook<OnPanic>,
    head: &RequestHead,
    error: &ApiError,
    place: PanicPlace,
) {
    let Some(panicked) = error.source().and_then(|source| source.downcast_ref::<Panicked>()) else {
        return;
    };
    on_panic.run(|hook| {
        let uri = head.report_uri();
        let (uri, message) = (uri.as_str(), &*panicked.message);
        let location = panicked.location.as_deref();
        hook(&PanicReport { method: head.method(), uri, message, place, location });
    });
}

/// Tells hook and event of a panic that ends in no response.
#[cold]
pub(crate) fn report(
    on_panic: &Hook<OnPanic>,
    head: &RequestHead,
    panicked: &Panicked,
    place: PanicPlace,
) {
    let uri = head.report_uri();
    let report = PanicReport {
        method: head.method(),
        uri: uri.as_str(),
        message: &panicked.message,
        place,
        location: panicked.location.as_deref(),
    };
    // A subscriber that panics hurts nobody.
    #[cfg(feature = "tracing")]
    let _ = crate::unwind::catch(|| report.record());
    on_panic.run(|hook| hook(&report));
}

#[cfg(feature = "tracing")]
impl PanicReport<'_> {
    fn record(&self) {
        let Self { method, uri, message, place, location } = self;
        let method = method_text(method);
        tracing::error!(method, uri, panic = message, ?place, location, "panic");
    }
}

/// One line for a log: `GET /x panicked (future): the message`.
impl fmt::Display for PanicReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, uri, message, place, .. } = self;
        let method = method_text(method);
        write!(f, "{method} {uri} panicked ({place}): {message}")?;
        self.location.map_or(Ok(()), |location| write!(f, " ({location})"))
    }
}

impl fmt::Display for PanicPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Call => "call",
            Self::Future => "future",
            Self::Body => "body",
            Self::Drop => "drop",
        })
    }
}
