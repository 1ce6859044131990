//! The body of an answer: the service's own, or one that the layers wrote.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// Any error of a service or of a body.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

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
        Inner { #[pin] body: B },
        Written { bytes: Bytes },
        // Ended; `known` tells whether its length, 0, is that of the representation too.
        Ended { known: bool },
    }
}

/// An error of a response body: the service's own, or a panic while the body was sent.
///
/// The peer sees a broken message, never a complete-looking short one.
#[derive(Debug)]
pub struct BodyError {
    /// `None`: a panic.
    source: Option<BoxError>,
}

// ===== impl ResponseBody =====

impl<B> ResponseBody<B> {
    /// The service's body, untouched.
    pub(crate) const fn inner(body: B) -> Self {
        Self {
            content: Content::Inner { body },
        }
    }

    /// A whole body of these bytes.
    pub(crate) const fn written(bytes: Bytes) -> Self {
        Self {
            content: Content::Written { bytes },
        }
    }

    /// The body of an answer to HEAD: ended, and its length is unknown.
    ///
    /// With an exact length of 0 axum's Router would add `content-length: 0` to the head, which
    /// speaks of the representation (RFC 9110, 8.6), not of this body.
    pub(crate) const fn head_only() -> Self {
        Self {
            content: Content::Ended { known: false },
        }
    }
}

impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self {
            content: Content::Ended { known: true },
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut content = self.project().content;
        match content.as_mut().project() {
            ContentProj::Inner { body } => body.poll_frame(cx),
            ContentProj::Written { bytes } => {
                let frame = Frame::data(std::mem::take(bytes));
                content.set(Content::Ended { known: true });
                Poll::Ready(Some(Ok(frame)))
            }
            ContentProj::Ended { .. } => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Inner { body } => body.is_end_stream(),
            Content::Written { .. } => false,
            Content::Ended { .. } => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Inner { body } => body.size_hint(),
            Content::Written { bytes } => SizeHint::with_exact(bytes.len() as u64),
            Content::Ended { known: true } => SizeHint::with_exact(0),
            Content::Ended { known: false } => SizeHint::default(),
        }
    }
}

// ===== impl BodyError =====

impl BodyError {
    pub(crate) const PANIC: Self = Self { source: None };

    pub(crate) fn inner(source: impl Into<BoxError>) -> Self {
        Self {
            source: Some(source.into()),
        }
    }

    /// Whether the body panicked; if not, [`source`](Error::source) is the body's own error.
    pub const fn is_panic(&self) -> bool {
        self.source.is_none()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_panic() {
            "the response body panicked"
        } else {
            "the response body failed"
        })
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
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
        let body = Answer::head_only();
        assert!(body.is_end_stream());
        assert_eq!(
            (body.size_hint().lower(), body.size_hint().upper()),
            (0, None)
        );
        assert_eq!(Answer::default().size_hint().exact(), Some(0));
    }
}
