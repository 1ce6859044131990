//! What a layer that may refuse needs: a future that is the inner one or an answer decided without
//! it, and a way to give back the readiness that a refusal does not use.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::unwind::{Panic, catch};

pin_project! {
    /// The inner future, or an answer decided without it.
    ///
    /// The answer is kept as the decision `A`, a few words, and becomes a response when polled.
    #[project = StateProj]
    #[derive(Debug)]
    pub(crate) enum ShortCircuit<F, A> {
        Inner { #[pin] future: F },
        // `None` at the end.
        Decided { answer: Option<A> },
    }
}

impl<F, A> ShortCircuit<F, A> {
    pub(crate) fn inner(future: F) -> Self {
        Self::Inner { future }
    }

    pub(crate) fn decided(answer: A) -> Self {
        Self::Decided { answer: Some(answer) }
    }
}

impl<F, A, B, E> Future for ShortCircuit<F, A>
where
    F: Future<Output = Result<Response<B>, E>>,
    A: Into<Response<B>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            StateProj::Inner { future } => future.poll(cx),
            StateProj::Decided { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer.into())),
                // Polled after the end: nothing more will come.
                None => Poll::Pending,
            },
        }
    }
}

/// What a layer that stands alone does in place of a call: gives the readiness of `ready` back, and
/// drops the request.
///
/// A panic in either takes no answer with it, and is told in an event.
#[cold]
pub(crate) fn instead_of_call<S: Clone, R>(ready: &mut S, request: R) {
    if let Err(panic) = give_back_readiness(ready) {
        panic.tell("Ready");
    }
    if let Err(panic) = catch(|| drop(request)) {
        panic.tell("Drop");
    }
}

/// Replaces `ready`, which has answered `poll_ready`, by its clone and drops it.
///
/// A service may reserve a place in `poll_ready` (a permit of a concurrency limit, a slot of a
/// buffer) that only its next `call` uses. Who answers instead of calling must give it back.
///
/// A panic in the clone or in the drop takes no answer with it.
pub(crate) fn give_back_readiness<S: Clone>(ready: &mut S) -> Result<(), Panic> {
    catch(|| {
        let fresh = ready.clone();
        drop(mem::replace(ready, fresh));
    })
}
