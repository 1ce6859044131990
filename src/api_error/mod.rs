//! The error as a value, and the one door through which it enters a response.
//!
//! Layers and handlers that fail say so with an [`ApiError`]: [`ApiError::into_http`] puts it in the
//! extensions of a response with its status and an empty body. Only `ErrorBodyLayer`, further out,
//! turns it into bytes.

mod defaults;
pub(crate) mod text;

use std::{borrow::Cow, error::Error, fmt};

use http::{Extensions, HeaderMap, Response, StatusCode};

use self::defaults::{default_description, default_title};

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
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ApiError {
    status: StatusCode,
    code: u32,
    title: Option<Cow<'static, str>>,
    description: Option<Cow<'static, str>>,
    cause: Cause,
}

/// Who an [`ApiError`] comes from. Never sent to an HTTP client: hooks, events and gRPC codes use it.
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

/// Fields of an error response with its envelope and all CORS headers, so that the map does not grow.
const ROOM: usize = 12;

// ===== impl ApiError =====

impl ApiError {
    /// An error with this status and its defaults. A status outside 400..=599 becomes 500.
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
        }
    }

    /// 400: a parameter is missing or wrong, or the syntax is.
    pub const fn bad_request() -> Self {
        Self::new(StatusCode::BAD_REQUEST)
    }

    /// 401: credentials are missing or incorrect. Add `WWW-Authenticate` to the response.
    pub const fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED)
    }

    /// 403: forbidden; the description says why.
    pub const fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN)
    }

    /// 404: no such resource.
    pub const fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND)
    }

    /// 405: the resource does not support the method. Add `Allow` to the response (RFC 9110, 15.5.6).
    pub const fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED)
    }

    /// 500: an unexpected error.
    pub const fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// 502: a system behind the service is unavailable or returned an error.
    pub const fn bad_gateway() -> Self {
        Self::new(StatusCode::BAD_GATEWAY)
    }

    /// 503: the service cannot process the request now.
    pub const fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE)
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

    /// Sets who the error comes from.
    pub const fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Keeps why it happened.
    pub(crate) fn with_source(self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        drop(error.into());
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

    /// The response that reports this error: its status, itself in the extensions, no body.
    pub fn into_http<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.status;
        *response.headers_mut() = HeaderMap::with_capacity(ROOM);
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

impl Error for ApiError {}

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
