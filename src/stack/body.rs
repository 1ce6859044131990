//! The body: the service's own under guard, or the content that was written.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    body::{BodyError, BoxError, LastFrame, broken_by},
    body_timeout::BodyClock,
    panic_to_error::{PanicPlace, PanicReporter, guarded_is_end_stream, guarded_size_hint},
    unwind::{Panic, catch, catch_payload},
};

pin_project! {
    /// The service's body as it is, its panics contained, or the bytes of an error envelope.
    ///
    /// It is `Default` (empty) whatever `B` is; it is Send, Sync and Unpin where `B` is.
    #[derive(Debug)]
    pub struct ContractBody<B> {
        #[pin]
        content: Content<B>,
    }

    impl<B> PinnedDrop for ContractBody<B> {
        fn drop(this: Pin<&mut Self>) {
            this.project().content.end();
        }
    }
}

pin_project! {
    #[project = ContentProj]
    #[derive(Debug)]
    enum Content<B> {
        // `last` ends the stream of an rpc in place of a panic, or when its time is over.
        Inner { #[pin] body: B, last: Option<LastFrame>, tail: Option<Box<Tail>> },
        Written { bytes: Bytes },
        // Ended; whether its length, 0, is that of the representation too.
        Ended { length_is_known: bool },
    }
}

/// What a body needs to know for its end; `None` where nobody listens and its time has no limit.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) reporter: Option<PanicReporter>,
    pub(super) clock: Option<BodyClock>,
}

// ===== impl ContractBody =====

impl<B> ContractBody<B> {
    #[inline]
    pub(super) const fn inner(body: B, last: Option<LastFrame>, tail: Option<Box<Tail>>) -> Self {
        Self { content: Content::Inner { body, last, tail } }
    }

    /// A whole body of these bytes; without them, the body of an answer that is its head alone.
    pub(super) fn written(bytes: Option<Bytes>) -> Self {
        let ended = Content::Ended { length_is_known: false };
        Self { content: bytes.map_or(ended, |bytes| Content::Written { bytes }) }
    }
}

impl<B> Default for ContractBody<B> {
    fn default() -> Self {
        Self { content: Content::Ended { length_is_known: true } }
    }
}

impl<B> Body for ContractBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut content = self.project().content;
        let last = match content.as_mut().project() {
            ContentProj::Inner { body, last, tail } => {
                let failure = match catch_payload(|| body.poll_frame(cx)) {
                    Ok(polled) => match late(tail.as_deref_mut(), &polled, cx) {
                        None => match ready!(polled) {
                            Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                            // What an error becomes is the application's code too.
                            Some(Err(error)) => catch(|| BodyError::inner(error)),
                            None => return Poll::Ready(None),
                        },
                        Some(late) => catch(|| drop(polled)).and(late),
                    },
                    Err(payload) => Err(Panic::new(payload)),
                };
                failed(reporter_of(tail.as_deref()), *last, failure)
            }
            ContentProj::Written { bytes } => Ok(Frame::data(std::mem::take(bytes))),
            ContentProj::Ended { .. } => return Poll::Ready(None),
        };
        // What has failed is not polled again.
        content.end();
        Poll::Ready(Some(last))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Inner { body, tail, .. } => {
                guarded_is_end_stream(body, reporter_of(tail.as_deref()))
            }
            Content::Written { .. } => false,
            Content::Ended { .. } => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Inner { body, tail, .. } => {
                guarded_size_hint(body, reporter_of(tail.as_deref()))
            }
            Content::Written { bytes } => SizeHint::with_exact(bytes.len() as u64),
            Content::Ended { length_is_known: true } => SizeHint::with_exact(0),
            Content::Ended { length_is_known: false } => SizeHint::default(),
        }
    }
}

fn reporter_of(tail: Option<&Tail>) -> Option<&PanicReporter> {
    tail.and_then(|tail| tail.reporter.as_ref())
}

/// Why the body is not sent further although it did not fail: its time is over, or it has a limit
/// where there is no clock.
#[inline]
fn late<D, E>(
    tail: Option<&mut Tail>,
    polled: &Poll<Option<Result<Frame<D>, E>>>,
    cx: &mut Context<'_>,
) -> Option<Result<BodyError, Panic>> {
    let clock = tail?.clock.as_mut()?;
    match catch(|| clock.is_over(polled, cx)) {
        Ok(is_over) => is_over.then_some(Ok(BodyError::TIMEOUT)),
        Err(panic) => Some(Err(panic)),
    }
}

/// The frame that ends a stream in place of an error that has a code, or the error that breaks the
/// message.
#[cold]
fn failed(
    reporter: Option<&PanicReporter>,
    last: Option<LastFrame>,
    failure: Result<BodyError, Panic>,
) -> Result<Frame<Bytes>, BodyError> {
    let error = match failure {
        Ok(mut error) => {
            if let Some(panicked) = error.take_dropped() {
                PanicReporter::report_told(reporter, &panicked, PanicPlace::Drop);
            }
            error
        }
        Err(panic) => {
            PanicReporter::report(reporter, &panic, PanicPlace::Body);
            BodyError::PANIC
        }
    };
    // A body inside has told of its panic already.
    match last.zip(broken_by(&error)) {
        Some((last, broken)) => Ok(last(broken)),
        None => Err(error),
    }
}

impl<B> Content<B> {
    /// Drops what is there; a panic in that is told, and ends no connection.
    #[inline(always)]
    fn end(mut self: Pin<&mut Self>) {
        let tail = match self.as_mut().project() {
            ContentProj::Inner { tail, .. } => tail.take(),
            ContentProj::Written { .. } | ContentProj::Ended { .. } => None,
        };
        if let Err(panic) = catch(|| self.set(Self::Ended { length_is_known: true })) {
            PanicReporter::report(reporter_of(tail.as_deref()), &panic, PanicPlace::Drop);
        }
    }
}
