//! Every public type by its public path, and what it is for the compiler.

use std::{
    cell::Cell,
    error::Error,
    fmt::{Debug, Display},
    future::Future,
    marker::{PhantomData, PhantomPinned},
    rc::Rc,
};

use bytes::Bytes;
use http_body::Body;
use http_body_util::Full;
use tower_contract::{service, *};

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}
fn is_unpin<T: Unpin>() {}
fn is_default<T: Default>() {}

/// What a value that is kept and shared has to be.
fn is_value<T: Send + Sync + Unpin + Clone + Debug + 'static>() {}

/// A report borrows; it is read in a hook, and copied at will.
fn is_report<T: Copy + Debug>() {}

fn is_error<T: Error + Send + Sync + Unpin + Display + 'static>() {}

#[test]
fn values_are_send_sync_unpin_clone_and_debug() {
    is_value::<ApiError>();
    is_value::<Cause>();
    is_value::<CorsPathPolicy>();
    is_value::<CorsPolicy>();
    is_value::<CorsPolicyBuilder>();
    is_value::<CorsPolicyByPath>();
    is_value::<CorsPathError>();
    is_value::<CorsPolicyError>();
    is_value::<CorsPolicyHandle>();
    is_value::<CorsPolicyProblem>();
    is_value::<CorsPolicyProblemKind>();
    is_value::<CorsPolicySetting>();
    is_value::<CorsPolicySource>();
    is_value::<PublicCorsPolicyBuilder>();
    is_value::<RequestOrigin>();
    is_value::<OriginHeader>();
    is_value::<Envelope>();
    is_value::<EnvelopeFormat>();
    is_value::<WrappedEnvelopeFormat>();
    is_value::<ProblemDetailsFormat>();
    is_value::<TextOrigin>();
    is_value::<MethodGuardBuilder>();
    is_value::<MethodGuardError>();
    is_value::<KeepBody>();
    is_value::<KeepBodyLayer>();
    is_value::<service::KeepBodies<()>>();
    is_value::<PanicPlace>();
    is_value::<PublicUrl>();
    is_value::<PublicUrlError>();
}

#[test]
fn layers_are_values() {
    is_value::<BodyTimeoutLayer>();
    is_value::<CatchErrorLayer>();
    is_value::<ContractLayer>();
    is_value::<ContractLayer<ProblemDetailsFormat>>();
    is_value::<CorsContractLayer>();
    is_value::<DrainRequestLayer>();
    is_value::<ErrorBodyLayer>();
    is_value::<ErrorBodyLayer<WrappedEnvelopeFormat>>();
    is_value::<Linger>();
    is_value::<MethodGuardLayer>();
    is_value::<PanicToErrorLayer>();
    is_value::<TimeoutLayer>();
}

#[test]
fn errors_are_errors_and_reports_are_copied() {
    is_error::<ApiError>();
    is_error::<BodyError>();
    is_error::<CorsPathError>();
    is_error::<CorsPolicyError>();
    is_error::<MethodGuardError>();
    is_error::<PublicUrlError>();
    is_report::<Occurrence<'_>>();
    is_report::<ErrorReport<'_>>();
    is_report::<PanicReport<'_>>();
}

/// A service, future or body that is Send and Sync but not Unpin.
#[derive(Clone, Debug, Default)]
struct Pinned(PhantomPinned);

/// One that is Unpin but neither Send nor Sync.
#[derive(Clone, Debug, Default)]
struct Local(PhantomData<Rc<()>>);

/// One that is Send and not Sync, as boxed futures and bodies are.
#[derive(Debug, Default)]
struct Unshared(PhantomData<Cell<u8>>);

#[test]
fn services_are_what_the_service_inside_is() {
    is_value::<service::BodyTimeout<()>>();
    is_value::<service::CatchError<()>>();
    is_value::<service::Contract<()>>();
    is_value::<service::Contract<(), ProblemDetailsFormat>>();
    is_value::<service::CorsContract<()>>();
    is_value::<service::DrainRequest<()>>();
    is_value::<service::ErrorBody<()>>();
    is_value::<service::ErrorBody<(), ProblemDetailsFormat>>();
    is_value::<service::MethodGuard<()>>();
    is_value::<service::PanicToError<()>>();
    is_value::<service::Timeout<()>>();
    is_send::<service::Contract<Unshared>>();
    is_unpin::<service::Contract<Local>>();
}

#[test]
fn futures_are_what_the_future_inside_is() {
    fn check<T: Send + Debug>() {}
    check::<service::ContractFuture<Unshared, Unshared>>();
    check::<service::BodyTimeoutFuture<Unshared>>();
    check::<service::CatchErrorFuture<Unshared>>();
    check::<service::CorsContractFuture<Unshared>>();
    check::<service::DrainRequestFuture<Unshared, Unshared, Unshared>>();
    check::<service::ErrorBodyFuture<Unshared, Unshared>>();
    check::<service::ErrorBodyFuture<Unshared, Unshared, ProblemDetailsFormat>>();
    check::<service::KeepBodyFuture<Unshared>>();
    check::<service::MethodGuardFuture<Unshared>>();
    check::<service::PanicToErrorFuture<Unshared>>();
    check::<service::TimeoutFuture<Unshared>>();
    is_sync::<service::ContractFuture<Pinned, Pinned>>();
    is_sync::<service::BodyTimeoutFuture<Pinned>>();
    is_sync::<service::CatchErrorFuture<Pinned>>();
    is_sync::<service::CorsContractFuture<Pinned>>();
    is_sync::<service::DrainRequestFuture<Pinned, Pinned, Pinned>>();
    is_sync::<service::ErrorBodyFuture<Pinned, Pinned>>();
    is_sync::<service::MethodGuardFuture<Pinned>>();
    is_sync::<service::PanicToErrorFuture<Pinned>>();
    is_unpin::<service::BodyTimeoutFuture<Local>>();
    is_unpin::<service::CatchErrorFuture<Local>>();
    is_unpin::<service::CorsContractFuture<Local>>();
    is_unpin::<service::MethodGuardFuture<Local>>();
    is_unpin::<service::PanicToErrorFuture<Local>>();
}

#[test]
fn a_drainable_body_and_a_lingering_socket_are_what_is_inside() {
    fn check<T: Send + Debug>() {}
    check::<service::DrainableBody<Unshared>>();
    is_sync::<service::DrainableBody<Pinned>>();
    is_unpin::<service::DrainableBody<Local>>();
    check::<Lingering<tokio::net::TcpStream>>();
    is_sync::<Lingering<tokio::net::TcpStream>>();
    is_unpin::<Lingering<tokio::net::TcpStream>>();
    is_value::<LingeringListener<()>>();
}

#[test]
fn bodies_are_default_for_every_body_and_are_what_it_is() {
    fn check<T: Default + Debug>() {}
    check::<service::ResponseBody<Pinned>>();
    check::<service::GuardedBody<Pinned>>();
    // Of a type that has no empty value.
    is_default::<service::ResponseBody<std::num::NonZeroU8>>();
    is_default::<service::GuardedBody<hyper::body::Incoming>>();
    is_default::<service::TimedBody<hyper::body::Incoming>>();

    is_send::<service::ResponseBody<Unshared>>();
    is_send::<service::GuardedBody<Unshared>>();
    is_send::<service::TimedBody<Unshared>>();
    is_sync::<service::ResponseBody<Pinned>>();
    is_sync::<service::GuardedBody<Pinned>>();
    is_sync::<service::TimedBody<Pinned>>();
    is_unpin::<service::ResponseBody<Local>>();
    is_unpin::<service::GuardedBody<Local>>();
    is_unpin::<service::TimedBody<Local>>();
}

#[test]
fn the_stack_takes_hypers_own_body_and_its_answer_goes_back_to_hyper() {
    use std::convert::Infallible;
    fn check<B>()
    where
        B: Body<Data = Bytes, Error: Into<tower::BoxError>> + Send + 'static,
    {
        type Answer<B> = Result<http::Response<B>, tower::BoxError>;
        type Inner<B> =
            tower::util::BoxCloneService<http::Request<()>, http::Response<B>, tower::BoxError>;
        fn is_service<S, R>()
        where
            S: tower::Service<R, Error = Infallible, Future: Future + Send> + Clone + Send,
        {
        }
        let _: Option<Answer<B>> = None;
        is_service::<service::Contract<Inner<B>>, http::Request<()>>();
    }
    check::<hyper::body::Incoming>();
    check::<axum::body::Body>();
    check::<Full<Bytes>>();
}
