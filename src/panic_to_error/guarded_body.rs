//! The service's body under guard.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::report::{PanicPlace, PanicReporter};
use crate::{
    body::{BodyError, BoxError},
    unwind::catch,
};

pin_project! {
    /// The service's body; a panic in it is an error of the body.
    ///
    /// It is `Default` (empty) whatever `B` is; it is Send, Sync and Unpin where `B` is.
    #[derive(Debug)]
    pub struct GuardedBody<B> {
        // `None`: empty, or ended by an error.
        #[pin]
        inner: Option<B>,
        reporter: Option<Box<PanicReporter>>,
    }

    impl<B> PinnedDrop for GuardedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Err(panic) = catch(|| this.inner.set(None)) {
                PanicReporter::report(this.reporter.as_deref(), &panic, PanicPlace::Drop);
            }
        }
    }
}

// ===== impl GuardedBody =====

impl<B> GuardedBody<B> {
    pub(super) fn new(body: B, reporter: Option<Box<PanicReporter>>) -> Self {
        Self { inner: Some(body), reporter }
    }
}

impl<B> Default for GuardedBody<B> {
    fn default() -> Self {
        Self { inner: None, reporter: None }
    }
}

impl<B> Body for GuardedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let failure = match catch(|| inner.poll_frame(cx)) {
            Ok(poll) => match ready!(poll) {
                // What an error becomes is the application's code too.
                Some(Err(error)) => catch(|| BodyError::inner(error)),
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                None => return Poll::Ready(None),
            },
            Err(panic) => Err(panic),
        };
        let error = match failure {
            Ok(mut error) => {
                if let Some(panicked) = error.take_dropped() {
                    let reporter = this.reporter.as_deref();
                    PanicReporter::report_told(reporter, &panicked, PanicPlace::Drop);
                }
                error
            }
            Err(panic) => {
                PanicReporter::report(this.reporter.as_deref(), &panic, PanicPlace::Body);
                BodyError::PANIC
            }
        };
        // Who has panicked or failed is not polled again.
        if let Err(panic) = catch(|| this.inner.set(None)) {
            PanicReporter::report(this.reporter.as_deref(), &panic, PanicPlace::Drop);
        }
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        let reporter = self.reporter.as_deref();
        self.inner.as_ref().is_none_or(|body| guarded_is_end_stream(body, reporter))
    }

    fn size_hint(&self) -> SizeHint {
        let (ended, reporter) = (SizeHint::with_exact(0), self.reporter.as_deref());
        self.inner.as_ref().map_or(ended, |body| guarded_size_hint(body, reporter))
    }
}

/// Whether a body has ended; one that panics when asked has not.
pub(crate) fn guarded_is_end_stream(body: &impl Body, reporter: Option<&PanicReporter>) -> bool {
    catch(|| body.is_end_stream()).unwrap_or_else(|panic| {
        PanicReporter::report_hint(reporter, &panic);
        false
    })
}

/// How long a body is; unknown of one that panics when asked.
pub(crate) fn guarded_size_hint(body: &impl Body, reporter: Option<&PanicReporter>) -> SizeHint {
    catch(|| body.size_hint()).unwrap_or_else(|panic| {
        PanicReporter::report_hint(reporter, &panic);
        SizeHint::default()
    })
}
