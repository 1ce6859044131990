//! The service: what is decided before the one inside is called.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    ContractBody, Layers, ResponseFuture,
    body::Tail,
    future::{Decision, State},
};
use crate::{
    api_error::ApiError,
    body::BoxError,
    body_timeout::client_deadline,
    clock::Clock,
    cors::CorsAnswer,
    error_body::Rpc,
    format::{EnvelopeFormat, ErrorFormat},
    panic_to_error::{self, PanicPlace, PanicReporter},
    request_head::RequestHead,
    short_circuit::give_back_readiness,
    timeout::{Limit, chosen_limit},
    unwind::{Panic, catch, catch_payload},
};

/// The service that [`ContractLayer`](crate::ContractLayer) makes around `S`.
#[derive(Debug)]
pub struct Contract<S, F = EnvelopeFormat> {
    inner: S,
    layers: Arc<Layers<F>>,
    /// An error or a panic of `poll_ready`, answered by the next `call`.
    kept: Option<Box<ApiError>>,
}

impl<S, F> Contract<S, F> {
    pub(super) fn new(inner: S, layers: Arc<Layers<F>>) -> Self {
        Self { inner, layers, kept: None }
    }
}

/// A clone starts with nothing kept: the error was of this one's readiness.
impl<S: Clone, F> Clone for Contract<S, F> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.layers))
    }
}

impl<S, F, ReqBody, ResBody> Service<Request<ReqBody>> for Contract<S, F>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    S::Error: Into<BoxError>,
    ResBody: Body<Data = Bytes>,
    ResBody::Error: Into<BoxError>,
    F: ErrorFormat,
{
    type Response = Response<ContractBody<ResBody>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future, ResBody, F>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.kept.is_none() {
            let service_errors = &self.layers.service_errors.settings;
            let panics = &self.layers.panics.answer;
            let ready = match catch(|| self.inner.poll_ready(cx)) {
                Ok(poll) => ready!(poll),
                Err(panic) => return self.keep(panics.error_of(&panic)),
            };
            if let Err(error) = ready {
                let answer = catch(|| service_errors.answer(error.into()));
                return self.keep(answer.unwrap_or_else(|panic| panics.error_of(&panic)));
            }
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let layers = &*self.layers;
        // The preflight first: it is none of the service's business, nor of any layer inside.
        let cors = layers.cors.policy.decide(&request);
        let head = layers.error_body.settings.head_of(&request);
        let mut rpc = if cors.is_preflight() { None } else { Rpc::of(&request) };
        if let (Some(rpc), Some(_)) = (&mut rpc, layers.body_timeout) {
            rpc.client_deadline = client_deadline(&request);
        }
        let decision = layers.decision(&cors, &head, &request, &mut self.kept);
        let layers = Arc::clone(&self.layers);
        if let Some(decision) = decision {
            let state = self.answered(&head, decision);
            layers.drop_unread(&head, request);
            return ResponseFuture { state, clock: Clock::Off, head, rpc, cors, layers };
        }
        let settings = &*layers.timeout.settings;
        let limit = match &settings.limit {
            Limit::None => None,
            Limit::Same(limit) => Some(*limit),
            // The application's code too.
            Limit::PerRequest(limit_of) => match catch(|| chosen_limit(&**limit_of, request)) {
                Ok((limit, asked)) => {
                    request = asked;
                    limit
                }
                Err(panic) => {
                    let state = layers.panicked_in_call(&head, &panic);
                    return ResponseFuture { state, clock: Clock::Off, head, rpc, cors, layers };
                }
            },
        };
        let deadline = settings.deadline(limit, &request, rpc.is_some());
        match catch_payload(|| self.inner.call(request)) {
            Ok(future) => ResponseFuture {
                state: State::Called { future },
                clock: Clock::until(deadline),
                head,
                rpc,
                cors,
                layers,
            },
            Err(payload) => {
                let state = layers.panicked_in_call(&head, &Panic::new(payload));
                ResponseFuture { state, clock: Clock::Off, head, rpc, cors, layers }
            }
        }
    }
}

impl<S, F> Contract<S, F> {
    #[cold]
    fn keep(&mut self, error: ApiError) -> Poll<Result<(), Infallible>> {
        self.kept = Some(Box::new(error));
        Poll::Ready(Ok(()))
    }

    /// What is answered instead of the service. A refusal gives the readiness back that it does not
    /// use.
    #[cold]
    fn answered<Fut, B>(&mut self, head: &RequestHead, decision: Decision) -> State<Fut, B>
    where
        S: Clone,
    {
        if !matches!(decision, Decision::Failed { .. }) {
            self.kept = None;
            if let Err(panic) = give_back_readiness(&mut self.inner) {
                self.layers.tell_panic(head, &panic, PanicPlace::Ready);
            }
        }
        State::Decided { decision }
    }
}

// ===== what both halves of the walk ask of the configuration =====

impl<F> Layers<F> {
    /// What is answered instead of the service, in the order of the walk.
    #[inline(always)]
    fn decision<B>(
        &self,
        cors: &CorsAnswer,
        head: &RequestHead,
        request: &Request<B>,
        kept: &mut Option<Box<ApiError>>,
    ) -> Option<Decision> {
        if cors.is_preflight() {
            return Some(Decision::Preflight);
        }
        if let Some(refusal) = self.methods.resources.refusal(request) {
            return Some(Decision::Refused { refusal });
        }
        let error = kept.take()?;
        panic_to_error::tell(&self.panics.on_panic, head, &error, PanicPlace::Ready);
        Some(Decision::Failed { error })
    }

    /// The error that a panic becomes, told to the hook. Where nobody listens nothing is allocated.
    #[cold]
    pub(super) fn panicked(
        &self,
        head: &RequestHead,
        panic: &Panic,
        place: PanicPlace,
    ) -> ApiError {
        let listens = PanicReporter::is_needed(&self.panics.on_panic);
        if !listens && !self.error_body.settings.has_hook() {
            return self.panics.answer.error();
        }
        let error = self.panics.answer.error_of(panic);
        panic_to_error::tell(&self.panics.on_panic, head, &error, place);
        error
    }

    #[cold]
    fn panicked_in_call<Fut, B>(&self, head: &RequestHead, panic: &Panic) -> State<Fut, B> {
        let error = Box::new(self.panicked(head, panic, PanicPlace::Call));
        State::Decided { decision: Decision::Failed { error } }
    }

    /// Drops a request that the service is not asked about; a panic in that takes no answer with
    /// it.
    #[cold]
    fn drop_unread<B>(&self, head: &RequestHead, request: Request<B>) {
        if let Err(panic) = catch(|| drop(request)) {
            self.tell_panic(head, &panic, PanicPlace::Drop);
        }
    }

    /// Tells of a panic that changes no answer.
    #[cold]
    pub(super) fn tell_panic(&self, head: &RequestHead, panic: &Panic, place: PanicPlace) {
        if PanicReporter::is_needed(&self.panics.on_panic) {
            panic_to_error::report(&self.panics.on_panic, head, &panic.told(), place);
        }
    }

    /// What the body of a response that passes needs for its end.
    #[inline]
    pub(super) fn tail(&self, head: &RequestHead, rpc: Option<&Rpc>) -> Option<Box<Tail>> {
        let listens = PanicReporter::is_needed(&self.panics.on_panic);
        let is_needed = listens || self.body_timeout.is_some();
        is_needed.then(|| Box::new(self.new_tail(head, rpc, listens)))
    }

    #[cold]
    fn new_tail(&self, head: &RequestHead, rpc: Option<&Rpc>, listens: bool) -> Tail {
        let on_panic = &self.panics.on_panic;
        let reporter = listens.then(|| PanicReporter::new(on_panic, head.clone()));
        let client_deadline = rpc.and_then(|rpc| rpc.client_deadline);
        let clock = self.body_timeout.map(|limits| limits.start(client_deadline));
        Tail { reporter, clock }
    }
}
