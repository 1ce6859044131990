#![doc = "skeleton"]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod api_error;

mod body;
mod format;
mod protocol;
mod request_head;
mod short_circuit;
mod unwind;

mod catch_error;
mod error_body;
mod method_guard;
mod panic_to_error;
mod timeout;

pub use crate::{
    api_error::{ApiError, Cause},
    body::BodyError,
    catch_error::{CatchErrorLayer, ServiceErrorReport},
    error_body::{
        ErrorBodyLayer, ErrorSource, NoErrorBody, PublicUrl, PublicUrlError, RewriteReport,
    },
    format::{
        Envelope, EnvelopeFormat, ErrorFormat, Occurrence, ProblemDetailsFormat,
        WrappedEnvelopeFormat,
    },
    method_guard::{MethodGuardError, MethodGuardLayer},
    panic_to_error::{PanicPlace, PanicReport, PanicToErrorLayer},
    timeout::TimeoutLayer,
};
pub mod service {
    //! services
    pub use crate::{
        body::ResponseBody,
        catch_error::{CatchError, ResponseFuture as CatchErrorFuture},
        error_body::{ErrorBody, ResponseFuture as ErrorBodyFuture},
        method_guard::{MethodGuard, ResponseFuture as MethodGuardFuture},
        panic_to_error::{GuardedBody, PanicToError, ResponseFuture as PanicToErrorFuture},
        timeout::{ResponseFuture as TimeoutFuture, Timeout},
    };
}
