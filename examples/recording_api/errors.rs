//! Every error that this API returns by itself.
//!
//! Only code 4020, "bad parameter", is documented by the original API. **All other codes here are
//! this example's own**; an error without one has its status as the code.
//!
//! What is not here needs no code at all: unknown paths, wrong methods, malformed content, panics
//! and timeouts are answered by axum or by the layers, and get the same envelope.

use std::{
    error::Error,
    fmt::{self, Display},
};

use http::StatusCode;
use tower_contract::{ApiError, Cause};

use crate::store::BoxError;

/// The one documented application error, in the documented words.
pub fn bad_parameter(name: &str, reason: impl Display) -> ApiError {
    ApiError::bad_request()
        .with_code(4020)
        .with_title("bad parameter")
        .with_description(format!("bad parameter '{name}' reason : {reason}"))
}

/// A [`bad_parameter`] whose value is none of those that there are.
pub fn incorrect_value(name: &str, value: &str) -> ApiError {
    bad_parameter(name, format_args!("{name} has not a correct value '{value}'"))
}

pub fn role_needed(user: &str, role: impl Display) -> ApiError {
    ApiError::forbidden().with_code(4030).with_description(format!(
        "The user '{user}' is not allowed to do this: it needs the role '{role}'."
    ))
}

pub fn no_such_recording(id: &str) -> ApiError {
    ApiError::not_found().with_code(4040).with_description(format!("There is no recording '{id}'."))
}

pub fn no_such_media(id: &str, media: &str) -> ApiError {
    ApiError::not_found()
        .with_code(4041)
        .with_description(format!("There is no media '{media}' of a recording '{id}'."))
}

pub fn no_such_label(name: &str) -> ApiError {
    ApiError::not_found()
        .with_code(4042)
        .with_description(format!("There is no label definition '{name}'."))
}

pub fn recording_is_protected(id: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT)
        .with_code(4090)
        .with_description(format!("The recording '{id}' is protected from deletion."))
}

pub fn label_exists(name: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT)
        .with_code(4091)
        .with_description(format!("There is a label definition '{name}' already."))
}

/// 416 is not on the original API's list, which "is not restrictive".
pub fn range_not_satisfiable() -> ApiError {
    ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE)
        .with_description("The media is shorter than the range that was asked for.")
}

/// The source is for those who read the logs; a client sees a 502 with the default words.
pub fn media_store_failed(why: impl Into<BoxError>) -> ApiError {
    ApiError::bad_gateway().with_cause(Cause::Upstream).with_source(MediaStoreFailed(why.into()))
}

pub fn in_maintenance() -> ApiError {
    ApiError::unavailable().with_code(5030).with_description("The server is in maintenance.")
}

/// What the log says before the reason.
#[derive(Debug)]
struct MediaStoreFailed(BoxError);

impl Display for MediaStoreFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("media store")
    }
}

impl Error for MediaStoreFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
