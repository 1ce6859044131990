//! The error as a value, and the one door through which it enters a response.
//!
//! Layers and handlers that fail say so with an [`ApiError`]: [`ApiError::into_http`] puts it in
//! the extensions of a response with its status and an empty body. Only `ErrorBodyLayer`, further
//! out, turns it into bytes.

mod additions;
mod by_status;
mod defaults;
mod fields;
mod header_lines;
mod members;
mod or_api_error;
mod source;
pub(crate) mod text;
pub(crate) mod words;

use std::{borrow::Cow, error::Error, fmt, sync::Arc};

use http::{Extensions, HeaderMap, Response, StatusCode};

pub(crate) use self::members::Members;
use self::{
    additions::Additions,
    defaults::{default_description, default_title},
};
pub use self::{fields::FieldError, or_api_error::OrApiError};

/// An error as a response will tell it: status, code, title and description.
///
/// What is not set has the status's default: the code is the three-digit status, the title its
/// reason phrase, the description one fixed sentence. Title and description are sent at *any*
/// status, 5xx included: write them for the public.
///
/// A handler of a service returns it through [`into_http`](Self::into_http) (with feature `axum`:
/// as the `Err` of its `Result`); as a [`std::error::Error`] it can also be a service's error.
///
/// ```
/// use http::StatusCode;
/// use tower_contract::{ApiError, Cause};
///
/// const CARD_DECLINED: ApiError = ApiError::new(StatusCode::PAYMENT_REQUIRED).with_code(4021);
///
/// let error = CARD_DECLINED.with_description("The card was refused.");
/// assert_eq!(error.status(), StatusCode::PAYMENT_REQUIRED);
/// assert_eq!(error.code(), 4021);
/// assert_eq!(error.title(), "Payment Required");
/// assert_eq!(error.cause(), Cause::Application);
///
/// let response: http::Response<String> = error.clone().into_http();
/// assert_eq!(ApiError::of(&response), Some(&error));
/// ```
///
/// # More than five members
///
/// An error can also bring [members](Self::with_member) and [field errors](Self::with_field) of the
/// body, [header lines](Self::with_header) of the response, and its [source](Self::with_source),
/// which is never sent. They are bounded; what is left out is told in the event of the error.
///
/// ```
/// use std::time::Duration;
///
/// use tower_contract::ApiError;
///
/// let invalid = ApiError::unprocessable()
///     .with_field("email", "format", "This is no e-mail address.")
///     .with_field("age", "range", "The age is at least 18.");
/// let busy = ApiError::unavailable()
///     .with_member("reason", "OVERLOADED")
///     .with_retry_after(Duration::from_secs(5));
/// # assert_eq!(invalid.fields().len(), 2);
/// # assert!(busy.headers().any(|(name, value)| name == "retry-after" && value == "5"));
/// ```
///
/// # The errors of a team
///
/// Implement `From` for your own error type, and `?` does the rest, in axum and without:
///
/// ```
/// use std::io;
///
/// use tower_contract::{ApiError, OrApiError};
///
/// enum ShopError {
///     NoSuchItem(u32),
///     SoldOut,
///     Storage(io::Error),
/// }
///
/// impl From<ShopError> for ApiError {
///     fn from(error: ShopError) -> Self {
///         match error {
///             ShopError::NoSuchItem(id) => {
///                 ApiError::not_found().with_description(format!("There is no item {id}."))
///             }
///             ShopError::SoldOut => ApiError::conflict().with_member("reason", "SOLD_OUT"),
///             // The client reads the default sentence, the log what the storage said.
///             ShopError::Storage(source) => ApiError::internal().with_source(source),
///         }
///     }
/// }
///
/// fn price(id: u32) -> Result<u32, ShopError> {
///     match id {
///         1 => Ok(250),
///         2 => Err(ShopError::SoldOut),
///         3 => Err(ShopError::Storage(io::Error::other("disk 7 is gone"))),
///         _ => Err(ShopError::NoSuchItem(id)),
///     }
/// }
///
/// // In axum, with feature `axum`: this is a handler.
/// async fn price_of(axum::extract::Path(id): axum::extract::Path<u32>) -> Result<String, ApiError> {
///     let cents = price(id)?;
///     Ok(cents.to_string())
/// }
/// let app: axum::Router = axum::Router::new().route("/items/{id}", axum::routing::get(price_of));
/// # let _ = app;
///
/// // Without axum: `?` in a function that returns the error, and `into_http` around it.
/// fn answer(id: &str) -> http::Response<String> {
///     let answer = || -> Result<String, ApiError> {
///         let id: u32 = id.parse().or_api_error(ApiError::bad_request())?;
///         Ok(price(id)?.to_string())
///     };
///     answer().map_or_else(ApiError::into_http, http::Response::new)
/// }
/// assert_eq!(answer("1").status(), 200);
/// assert_eq!(answer("2").status(), 409);
/// assert_eq!(answer("7").status(), 404);
/// assert_eq!(answer("seven").status(), 400);
///
/// let failed = answer("3");
/// let error = ApiError::of(&failed).unwrap();
/// let source = std::error::Error::source(error).unwrap();
/// assert_eq!(source.to_string(), "disk 7 is gone");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ApiError {
    status: StatusCode,
    code: u32,
    title: Option<Cow<'static, str>>,
    description: Option<Cow<'static, str>>,
    cause: Cause,
    /// What most errors have nothing of; shared, so that a clone copies none of it.
    additions: Option<Arc<Additions>>,
}

/// Who an [`ApiError`] comes from. Never sent to an HTTP client: hooks, events and gRPC codes use
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The application said so: a handler, or a response of the service.
    #[default]
    Application,
    /// The resource does not support the request method.
    Method,
    /// Code panicked.
    Panic,
    /// A time limit passed.
    Timeout,
    /// The service has more requests than it takes.
    Overload,
    /// A system behind the service is unavailable or failed.
    Upstream,
    /// The service returned an `Err` that nothing else names.
    Service,
}

/// Fields of an error response with its envelope and all CORS headers, so that the map does not
/// grow.
const ROOM: usize = 12;

// ===== impl ApiError =====

impl ApiError {
    /// Creates an error with this status and its defaults. A status outside 400..=599 becomes 500.
    pub const fn new(status: StatusCode) -> Self {
        let status = match status.as_u16() {
            400..=599 => status,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            code: status.as_u16() as u32,
            title: None,
            description: None,
            cause: Cause::Application,
            additions: None,
        }
    }

    /// Sets the application's own error code, instead of the status.
    pub const fn with_code(mut self, code: u32) -> Self {
        self.code = code;
        self
    }

    /// Sets the title, a short text for a kind of error. At most 128 characters of it are sent.
    pub fn with_title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the description, what is wrong in this case. At most 512 characters of it are sent.
    pub fn with_description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets who the error comes from, instead of [`Cause::Application`]: events and hooks tell it,
    /// and an rpc's code follows from it.
    pub const fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// The status, 400..=599.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The error code: the application's, or the status.
    pub const fn code(&self) -> u32 {
        self.code
    }

    /// The title: the application's, or the reason phrase of the status.
    pub fn title(&self) -> &str {
        match &self.title {
            Some(title) => title,
            None => default_title(self.status),
        }
    }

    /// The description: the application's, or one sentence for the status.
    pub fn description(&self) -> &str {
        match &self.description {
            Some(description) => description,
            None => default_description(self.status),
        }
    }

    /// The title and the description that were set; empty where the status's default stands.
    pub(crate) fn own_texts(&self) -> (&str, &str) {
        (self.title.as_deref().unwrap_or_default(), self.description.as_deref().unwrap_or_default())
    }

    /// Who the error comes from.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// The error that `response` reports, if one was put there and the status is still its own.
    ///
    /// A response whose status a layer has changed since then no longer reports that error.
    pub fn of<B>(response: &Response<B>) -> Option<&Self> {
        let error = response.extensions().get::<Self>()?;
        (error.status == response.status()).then_some(error)
    }

    /// The error that a response with this head reports, as [`of`](Self::of).
    pub(crate) fn of_head(status: StatusCode, extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Self>().filter(|error| error.status == status)
    }

    /// The same error in a response of this status; a code that was the status follows it.
    pub(crate) fn at_status(mut self, status: StatusCode) -> Self {
        if self.code == u32::from(self.status.as_u16()) {
            self.code = status.as_u16().into();
        }
        self.status = status;
        self
    }

    /// The response that reports this error: its status and header lines, itself in the extensions,
    /// no body.
    pub fn into_http<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.status;
        *response.headers_mut() = HeaderMap::with_capacity(ROOM + self.headers().len());
        self.append_headers(response.headers_mut());
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StatusCode> for ApiError {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, code) = (self.status.as_u16(), self.code);
        let (title, description) = (self.title(), self.description());
        write!(f, "{status} {title}: {description} (code {code})")
    }
}

impl Error for ApiError {
    /// Why it happened, as [`with_source`](ApiError::with_source) was told.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.own_source()
    }
}

/// What is sent counts, and the cause: two errors that differ in their sources alone are equal.
impl PartialEq for ApiError {
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status
            && self.code == other.code
            && self.title == other.title
            && self.description == other.description
            && self.cause == other.cause
            && self.adds_the_same_as(other)
    }
}

impl Eq for ApiError {}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for ApiError {
    fn into_response(self) -> axum::response::Response {
        self.into_http()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_outside_400_to_599_becomes_500() {
        for status in (100..1000).filter_map(|n| StatusCode::from_u16(n).ok()) {
            let kept = (400..600).contains(&status.as_u16());
            let error = ApiError::new(status);
            assert_eq!(error.status() == status, kept || status == 500, "{status}");
            assert_eq!(error.code(), u32::from(error.status().as_u16()));
            assert!(!error.title().is_empty() && !error.description().is_empty());
        }
    }

    #[test]
    fn a_response_whose_status_was_changed_no_longer_reports_the_error() {
        let mut response: Response<()> = ApiError::not_found().into_http();
        assert_eq!(ApiError::of(&response), Some(&ApiError::not_found()));
        *response.status_mut() = StatusCode::OK;
        assert_eq!(ApiError::of(&response), None);
    }
}
