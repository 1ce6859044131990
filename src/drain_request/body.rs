//! A request's body that its reader gives back.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};

/// A request's body; dropped before its end, it goes back to the layer, which reads the rest.
#[derive(Debug)]
pub struct DrainableBody<B> {
    // `None` only once it is dropped.
    body: Option<B>,
    // `None` once there is nothing to give back.
    place: Option<Place<B>>,
    awaits_continue: bool,
}

/// Where a body that was dropped before its end waits for the layer.
///
/// The lock is held for a move only, so nobody waits for it and nobody's code panics in it.
#[derive(Debug)]
pub(super) struct Place<B>(Arc<Mutex<Option<Unread<B>>>>);

/// What the service has left.
#[derive(Debug)]
pub(super) enum Unread<B> {
    Content(B),
    /// The client waits for `100 Continue`, which reading would send.
    NotAskedFor,
}

// ===== impl DrainableBody =====

impl<B> DrainableBody<B> {
    /// The body, which goes to `place` if it is dropped before its end.
    pub(super) const fn new(body: B, place: Option<Place<B>>, awaits_continue: bool) -> Self {
        Self { body: Some(body), place, awaits_continue }
    }
}

impl<B> Body for DrainableBody<B>
where
    B: Body + Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        // Whoever reads asks the client for the content.
        this.awaits_continue = false;
        // A body that panics or has ended is not given back.
        let place = this.place.take();
        let frame = Pin::new(body).poll_frame(cx);
        if matches!(frame, Poll::Pending | Poll::Ready(Some(Ok(_)))) {
            this.place = place;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> Drop for DrainableBody<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(place)) = (self.body.take(), self.place.take()) {
            let asked = !self.awaits_continue;
            place.put(if asked { Unread::Content(body) } else { Unread::NotAskedFor });
        }
    }
}

// ===== impl Place =====

impl<B> Place<B> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn put(&self, unread: Unread<B>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(unread);
    }

    pub(super) fn into_unread(self) -> Option<Unread<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
