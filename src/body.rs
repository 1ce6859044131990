//! The body of an answer: the service's own, or one that the layers wrote.

use std::{
    any::Any,
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    error_chain::error_chain,
    unwind::{Panic, Panicked},
};

/// Any error of a service or of a body.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Makes the frame that a body ends with in place of an error of this kind.
pub(crate) type LastFrame = fn(Broken) -> Frame<Bytes>;

/// What breaks a body whose peer can still be told how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Panic,
    Timeout,
}

pin_project! {
    /// The service's body as it is, or the bytes of an error envelope.
    ///
    /// It is `Default` (empty) whatever `B` is, so that a layer can answer without knowing how to
    /// make a `B`; it is Send, Sync and Unpin where `B` is.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        content: Content<B>,
    }
}

pin_project! {
    #[project = ContentProj]
    #[derive(Debug)]
    enum Content<B> {
        // `last`: `None` where a panic and a time limit break the body.
        Inner { #[pin] body: B, last: Option<LastFrame> },
        Written { bytes: Bytes },
        // Ended; `length_is_known` tells whether its length, 0, is that of the representation too.
        Ended { length_is_known: bool },
    }
}

/// Whether a body's error is, or comes from, a panic or a time limit. Between the body that it
/// ended and this one a framework may have boxed the error.
pub(crate) fn broken_by<E: 'static>(error: &E) -> Option<Broken> {
    as_error(error)
        .into_iter()
        .flat_map(error_chain)
        .filter_map(|error| error.downcast_ref::<BodyError>())
        .find_map(BodyError::broken_by)
}

/// The errors of bodies in which a panic or a time limit may be told.
fn as_error(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
    if let Some(error) = error.downcast_ref::<BodyError>() {
        return Some(error);
    }
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return Some(error);
    }
    #[cfg(feature = "axum")]
    if let Some(error) = error.downcast_ref::<axum::Error>() {
        return Some(error);
    }
    let boxed = error.downcast_ref::<BoxError>()?;
    Some(&**boxed)
}

/// An error of a response body: the service's own, a panic while the body was sent, or a limit of
/// time that it passed.
///
/// The peer sees a broken message, never a complete-looking short one.
#[derive(Debug)]
pub struct BodyError {
    kind: BodyErrorKind,
    /// A panic in the drop of the body that ended with this error, until someone tells of it.
    dropped: Option<Box<Panicked>>,
}

#[derive(Debug)]
enum BodyErrorKind {
    Panic,
    Timeout,
    Inner(BoxError),
}

// ===== impl ResponseBody =====

impl<B> ResponseBody<B> {
    /// The service's body; if it panics or takes too long, this frame ends it instead of the error.
    ///
    /// For protocols whose streams end with a status: their clients then read one.
    pub(crate) const fn inner_or(body: B, last: Option<LastFrame>) -> Self {
        Self { content: Content::Inner { body, last } }
    }

    /// A whole body of these bytes.
    pub(crate) const fn written(bytes: Bytes) -> Self {
        Self { content: Content::Written { bytes } }
    }

    /// The body of an answer that is its head alone, as to HEAD: ended, its length unknown.
    ///
    /// With an exact length of 0 axum's Router would add `content-length: 0` to the head, which
    /// speaks of the representation (RFC 9110, 8.6), not of this body.
    pub(crate) const fn without_length() -> Self {
        Self { content: Content::Ended { length_is_known: false } }
    }
}

impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self { content: Content::Ended { length_is_known: true } }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    // An error is looked into for what broke the body; whatever hyper can send is 'static.
    B::Error: 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut content = self.project().content;
        match content.as_mut().project() {
            ContentProj::Inner { body, last } => {
                let frame = ready!(body.poll_frame(cx));
                let Some((Err(error), last)) = frame.as_ref().zip(*last) else {
                    return Poll::Ready(frame);
                };
                let Some(broken) = broken_by(error) else { return Poll::Ready(frame) };
                content.set(Content::Ended { length_is_known: true });
                Poll::Ready(Some(Ok(last(broken))))
            }
            ContentProj::Written { bytes } => {
                let frame = Frame::data(std::mem::take(bytes));
                content.set(Content::Ended { length_is_known: true });
                Poll::Ready(Some(Ok(frame)))
            }
            ContentProj::Ended { .. } => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Inner { body, .. } => body.is_end_stream(),
            Content::Written { .. } => false,
            Content::Ended { .. } => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Inner { body, .. } => body.size_hint(),
            Content::Written { bytes } => SizeHint::with_exact(bytes.len() as u64),
            Content::Ended { length_is_known: true } => SizeHint::with_exact(0),
            Content::Ended { length_is_known: false } => SizeHint::default(),
        }
    }
}

// ===== impl BodyError =====

impl BodyError {
    pub(crate) const PANIC: Self = Self { kind: BodyErrorKind::Panic, dropped: None };
    pub(crate) const TIMEOUT: Self = Self { kind: BodyErrorKind::Timeout, dropped: None };

    /// The error of a body; one that a layer inside has made is that one still.
    pub(crate) fn inner(source: impl Into<BoxError>) -> Self {
        let of = |source| Self { kind: BodyErrorKind::Inner(source), dropped: None };
        source.into().downcast().map_or_else(of, |error| *error)
    }

    /// The error of a body whose drop has panicked; it is the same error.
    pub(crate) fn dropped_with(mut self, panic: &Panic) -> Self {
        self.dropped = Some(Box::new(panic.told()));
        self
    }

    /// A panic in the drop of the body, for who tells of panics.
    pub(crate) fn take_dropped(&mut self) -> Option<Box<Panicked>> {
        self.dropped.take()
    }

    fn broken_by(&self) -> Option<Broken> {
        match self.kind {
            BodyErrorKind::Panic => Some(Broken::Panic),
            BodyErrorKind::Timeout => Some(Broken::Timeout),
            BodyErrorKind::Inner(_) => None,
        }
    }

    /// Whether the body panicked.
    pub const fn is_panic(&self) -> bool {
        matches!(self.kind, BodyErrorKind::Panic)
    }

    /// Whether the body passed a limit of [`BodyTimeoutLayer`](crate::BodyTimeoutLayer). If this is
    /// not so and it did not panic, [`source`](Error::source) is the body's own error.
    pub const fn is_timeout(&self) -> bool {
        matches!(self.kind, BodyErrorKind::Timeout)
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            BodyErrorKind::Panic => "the response body panicked",
            BodyErrorKind::Timeout => "the response body took too long",
            BodyErrorKind::Inner(_) => "the response body failed",
        })
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            BodyErrorKind::Inner(source) => Some(&**source),
            BodyErrorKind::Panic | BodyErrorKind::Timeout => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};
    use tokio_test::{assert_ready, task};

    type Answer = ResponseBody<Full<Bytes>>;

    #[test]
    fn written_bytes_come_in_one_frame_with_their_exact_length() {
        let mut body = Answer::written(Bytes::from_static(b"{}"));
        assert_eq!(body.size_hint().exact(), Some(2));
        assert!(!body.is_end_stream());
        let frame = assert_ready!(task::spawn(body.frame()).poll());
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "{}");
        assert!(body.is_end_stream());
        assert!(assert_ready!(task::spawn(body.frame()).poll()).is_none());
    }

    #[test]
    fn an_answer_to_head_has_ended_with_an_unknown_length() {
        let body = Answer::without_length();
        assert!(body.is_end_stream());
        assert_eq!((body.size_hint().lower(), body.size_hint().upper()), (0, None));
        assert_eq!(Answer::default().size_hint().exact(), Some(0));
    }

    /// A body that fails at once.
    #[derive(Debug)]
    struct Fails<E>(Option<E>);

    impl<E: Unpin> Body for Fails<E> {
        type Data = Bytes;
        type Error = E;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
            Poll::Ready(self.0.take().map(Err))
        }
    }

    /// What comes out of a body that fails with `error`: after a panic `!`, after its time `?`.
    fn end<E: Unpin + fmt::Debug + 'static>(error: E) -> Option<Bytes> {
        let last: LastFrame = |broken| {
            let last = if broken == Broken::Panic { "!" } else { "?" };
            Frame::data(Bytes::from_static(last.as_bytes()))
        };
        let mut body = ResponseBody::inner_or(Fails(Some(error)), Some(last));
        let frame = assert_ready!(task::spawn(body.frame()).poll()).unwrap();
        assert!(assert_ready!(task::spawn(body.frame()).poll()).is_none());
        frame.ok().map(|frame| frame.into_data().unwrap())
    }

    #[test]
    fn a_panic_and_a_time_limit_are_replaced_by_the_last_frame_and_another_error_is_not() {
        let boxed = |error: BodyError| -> BoxError { Box::new(error) };
        assert_eq!(end(BodyError::PANIC).unwrap(), "!");
        assert_eq!(end(boxed(BodyError::PANIC)).unwrap(), "!");
        let nested = || BodyError::inner(BodyError::PANIC);
        assert_eq!(end(nested()).unwrap(), "!");
        assert_eq!(end(boxed(nested())).unwrap(), "!");
        assert_eq!(end(boxed(BodyError::inner(std::io::Error::other(nested())))).unwrap(), "!");
        assert_eq!(end(std::io::Error::other(BodyError::PANIC)).unwrap(), "!");
        #[cfg(feature = "axum")]
        assert_eq!(end(axum::Error::new(nested())).unwrap(), "!");
        assert_eq!(end(BodyError::TIMEOUT).unwrap(), "?");
        assert_eq!(end(boxed(BodyError::inner(BodyError::TIMEOUT))).unwrap(), "?");
        assert_eq!(end(BodyError::inner("reset")), None);
        assert_eq!(end(BoxError::from("reset")), None);
        assert_eq!(end("reset"), None);
    }

    #[test]
    fn a_panic_without_a_last_frame_stays_an_error() {
        let mut body = ResponseBody::inner_or(Fails(Some(BodyError::PANIC)), None);
        let frame = assert_ready!(task::spawn(body.frame()).poll()).unwrap();
        assert!(frame.unwrap_err().is_panic());
    }
}
