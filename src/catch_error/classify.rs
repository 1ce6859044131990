//! What an error of a service says to the client.

use std::{error::Error, io};

use http::StatusCode;

use crate::{
    api_error::{ApiError, Cause},
    error_chain::error_chain,
};

/// What is known of an error.
pub(super) enum Known {
    /// It says itself what is answered.
    Own(ApiError),
    /// It is of this kind.
    Kind(ApiError),
}

/// What an error says to the client.
pub(super) fn classify(error: &(dyn Error + 'static)) -> Known {
    let own = error_chain(error).find_map(|error| error.downcast_ref::<ApiError>());
    own.cloned().map_or_else(
        || Known::Kind(error_chain(error).find_map(of_kind).unwrap_or(UNKNOWN)),
        Known::Own,
    )
}

/// What an error of a kind that is known says; `None` for any other.
fn of_kind(error: &(dyn Error + 'static)) -> Option<ApiError> {
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        return Some(ELAPSED);
    }
    if error.is::<tower::load_shed::error::Overloaded>() || is_closed_buffer(error) {
        return Some(OVERLOADED);
    }
    if error.is::<http_body_util::LengthLimitError>() {
        return Some(TOO_LARGE);
    }
    let io = error.downcast_ref::<io::Error>();
    (io.is_some_and(is_connection_error) || is_hyper(error)).then_some(UPSTREAM)
}

fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::TimedOut
            | Kind::UnexpectedEof
    )
}

#[cfg(feature = "buffer")]
fn is_closed_buffer(error: &(dyn Error + 'static)) -> bool {
    error.is::<tower::buffer::error::Closed>()
}

#[cfg(not(feature = "buffer"))]
fn is_closed_buffer(_: &(dyn Error + 'static)) -> bool {
    false
}

#[cfg(feature = "hyper")]
fn is_hyper(error: &(dyn Error + 'static)) -> bool {
    error.is::<hyper::Error>() || error.is::<hyper_util::client::legacy::Error>()
}

#[cfg(not(feature = "hyper"))]
fn is_hyper(_: &(dyn Error + 'static)) -> bool {
    false
}

/// 500: an error that nothing here knows.
pub(super) const UNKNOWN: ApiError = ApiError::internal().with_cause(Cause::Service);
/// 503: a time limit inside the service passed.
const ELAPSED: ApiError = ApiError::unavailable().with_cause(Cause::Timeout);
/// 503: a limit of requests is reached, or a queue is closed.
const OVERLOADED: ApiError = ApiError::unavailable().with_cause(Cause::Overload);
/// 502: a system behind the service refused, broke off or did not answer.
const UPSTREAM: ApiError = ApiError::bad_gateway().with_cause(Cause::Upstream);
/// 413: the request content is longer than the service reads.
const TOO_LARGE: ApiError = ApiError::new(StatusCode::PAYLOAD_TOO_LARGE);
