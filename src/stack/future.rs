//! The future: what is done with the outcome of the service.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};

use bytes::Bytes;
use http::{Response, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{ContractBody, Layers};
use crate::{
    api_error::ApiError,
    body::{BoxError, LastFrame},
    clock::Clock,
    cors::CorsAnswer,
    error_body::{BodyPanics, Plan, Reading, Rpc, Unread, is_error},
    format::{EnvelopeFormat, ErrorFormat},
    method_guard::Refusal,
    panic_to_error::{self, PanicPlace},
    request_head::RequestHead,
    unwind::{Panic, catch, catch_payload},
};

pin_project! {
    /// The service's response, or what is answered in its place, with the contract kept.
    #[project = Exchange]
    pub struct ResponseFuture<Fut, B, F = EnvelopeFormat> {
        #[pin]
        pub(super) state: State<Fut, B>,
        // The limit of the service, and then that of the reading.
        #[pin]
        pub(super) clock: Clock,
        pub(super) head: RequestHead,
        pub(super) rpc: Option<Box<Rpc>>,
        pub(super) cors: CorsAnswer,
        pub(super) layers: Arc<Layers<F>>,
    }

    impl<Fut, B, F> PinnedDrop for ResponseFuture<Fut, B, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if !matches!(*this.state, State::Ended) {
                this.end();
            }
        }
    }
}

pin_project! {
    #[project = StateProj]
    pub(super) enum State<Fut, B> {
        Called { #[pin] future: Fut },
        // The service answered with an error of its own that may say something.
        Reading { #[pin] reading: Reading<B> },
        // The service was not called.
        Decided { decision: Decision },
        Ended,
    }
}

/// What is answered without the service.
#[derive(Debug)]
pub(super) enum Decision {
    Preflight,
    Refused { refusal: Refusal },
    Failed { error: Box<ApiError> },
}

type Answer<B> = Response<ContractBody<B>>;

// ===== impl ResponseFuture =====

impl<Fut, F, B, E> Future for ResponseFuture<Fut, B, F>
where
    Fut: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
    F: ErrorFormat,
{
    type Output = Result<Answer<B>, Infallible>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut answer = match this.state.as_mut().project() {
            StateProj::Called { future } => match guarded_poll(future, cx) {
                Ok(Poll::Ready(Ok(mut response))) => {
                    this.end();
                    // Nearly always it passes as it is.
                    if this.rpc.is_none() && !is_error(response.status()) {
                        this.write_cors(&mut response);
                        return Poll::Ready(Ok(this.passed(response, None)));
                    }
                    ready!(this.answered(response, cx))
                }
                Ok(Poll::Pending) => ready!(this.poll_limit(cx)),
                Ok(Poll::Ready(Err(error))) => this.failed(error),
                Err(payload) => this.panicked(&Panic::new(payload)),
            },
            StateProj::Reading { .. } => ready!(this.poll_reading(cx)),
            StateProj::Decided { .. } => this.decided(),
            StateProj::Ended => return Poll::Pending,
        };
        this.write_cors(&mut answer);
        Poll::Ready(Ok(answer))
    }
}

// ===== impl Exchange =====

impl<Fut, B, F> Exchange<'_, Fut, B, F> {
    /// Drops what is left of the service's future or of its body. A panic in that takes no answer
    /// with it.
    #[inline(always)]
    fn end(&mut self) {
        if let Err(panic) = catch(|| self.state.set(State::Ended)) {
            self.layers.tell_panic(self.head, &panic, PanicPlace::Drop);
        }
    }

    #[inline]
    fn write_cors<C>(&self, answer: &mut Response<C>) {
        let (status, headers) = (answer.status(), answer.headers_mut());
        self.layers.cors.policy.write(self.cors, status, headers);
    }
}

impl<Fut, B, F> Exchange<'_, Fut, B, F>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
    F: ErrorFormat,
{
    /// The service has answered an rpc, or with an error.
    fn answered(&mut self, mut response: Response<B>, cx: &mut Context<'_>) -> Poll<Answer<B>> {
        let settings = &self.layers.error_body.settings;
        let tell = |panic: &Panic| self.layers.tell_panic(self.head, panic, PanicPlace::Body);
        match settings.plan(self.head, self.rpc.as_deref(), &mut response, &tell) {
            Plan::Pass => {
                let last =
                    self.rpc.as_deref().and_then(|rpc| rpc.end_of_broken(response.headers()));
                Poll::Ready(self.passed(response, last))
            }
            Plan::Write => Poll::Ready(self.unread(response, cx)),
            Plan::Read(media) => {
                self.clock.set(Clock::Off);
                self.state.set(State::Reading { reading: Reading::new(response, media) });
                self.poll_reading(cx)
            }
        }
    }

    /// The response as it is; `last` ends its stream where that breaks.
    #[inline]
    fn passed(&self, response: Response<B>, last: Option<LastFrame>) -> Answer<B> {
        let tail = self.layers.tail(self.head, self.rpc.as_deref());
        response.map(|body| ContractBody::inner(body, last, tail))
    }

    /// An error response whose own content says nothing.
    fn unread(&mut self, response: Response<B>, cx: &mut Context<'_>) -> Answer<B> {
        let (mut head, body) = response.into_parts();
        let (unread, panics) = self.layers.error_body.settings.unread(&head, body, cx);
        self.tell(panics);
        let content = self.write(&mut head, &unread);
        Response::from_parts(head, ContractBody::written(content))
    }

    /// Reads what the service's error says; it is written when that has ended, or its time is up.
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<Answer<B>> {
        let StateProj::Reading { mut reading } = self.state.as_mut().project() else {
            return Poll::Pending;
        };
        let settings = &*self.layers.error_body.settings;
        let read = ready!(settings.poll_read(reading.as_mut(), self.clock.as_mut(), cx));
        let head = reading.take_head();
        let (unread, panics) = Unread::of(read);
        self.tell(panics);
        self.end();
        let Some(mut head) = head else { return Poll::Pending };
        let content = self.write(&mut head, &unread);
        Poll::Ready(Response::from_parts(head, ContractBody::written(content)))
    }

    /// The service is not ready yet: 503 once its limit has passed.
    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Answer<B>> {
        // Outside of a runtime with time, making the timer panics.
        match catch(|| self.clock.as_mut().poll_passed(cx)) {
            Ok(poll) => ready!(poll),
            Err(panic) => return Poll::Ready(self.panicked(&panic)),
        }
        let dropped = catch(|| self.state.set(State::Ended)).err();
        let response = self.layers.timeout.settings.refuse(dropped.as_ref());
        if let (Some(_), Some(error)) = (dropped, ApiError::of(&response)) {
            let on_panic = &self.layers.panics.on_panic;
            panic_to_error::tell(on_panic, self.head, error, PanicPlace::Drop);
        }
        Poll::Ready(self.own(response))
    }

    #[cold]
    fn failed<E: Into<BoxError>>(&mut self, error: E) -> Answer<B> {
        self.end();
        let settings = &self.layers.service_errors.settings;
        match catch(|| settings.answer(error.into())) {
            Ok(error) => self.own(error.into_http()),
            Err(panic) => self.panicked(&panic),
        }
    }

    #[cold]
    fn panicked(&mut self, panic: &Panic) -> Answer<B> {
        let error = self.layers.panicked(self.head, panic, PanicPlace::Future);
        self.end();
        self.own(error.into_http())
    }

    /// What was decided without the service.
    fn decided(&mut self) -> Answer<B> {
        let StateProj::Decided { decision } = self.state.as_mut().project() else {
            return Response::default();
        };
        let response = match std::mem::replace(decision, Decision::Preflight) {
            Decision::Preflight => Response::new(()),
            Decision::Refused { refusal } => refusal.into(),
            Decision::Failed { error } => error.into_http(),
        };
        self.end();
        self.own(response)
    }

    /// An answer of the layers' own.
    fn own(&mut self, response: Response<()>) -> Answer<B> {
        let (mut head, ()) = response.into_parts();
        if !is_error(head.status) {
            return Response::from_parts(head, ContractBody::default());
        }
        let content = self.write(&mut head, &Unread::NOTHING);
        Response::from_parts(head, ContractBody::written(content))
    }

    fn write(&self, head: &mut Parts, unread: &Unread) -> Option<Bytes> {
        let settings = &self.layers.error_body.settings;
        settings.write(self.head, self.rpc.as_deref(), head, unread)
    }

    /// Tells of panics of a body whose response is not sent as it was.
    fn tell(&self, BodyPanics { polled, dropped }: BodyPanics) {
        for (panic, place) in [(polled, PanicPlace::Body), (dropped, PanicPlace::Drop)] {
            if let Some(panic) = panic {
                self.layers.tell_panic(self.head, &panic, place);
            }
        }
    }
}

/// What the service's future says, or its panic.
///
/// A function of its own: to unwind reads the table of the function that catches from its start,
/// and the table of a whole `poll` is long.
#[inline(never)]
fn guarded_poll<Fut: Future>(
    future: Pin<&mut Fut>,
    cx: &mut Context<'_>,
) -> thread::Result<Poll<Fut::Output>> {
    catch_payload(|| future.poll(cx))
}

impl<Fut, B, F> fmt::Debug for ResponseFuture<Fut, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("head", &self.head).finish_non_exhaustive()
    }
}
