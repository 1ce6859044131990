//! One event and one hook call for each error response, whoever made it.

use std::{error::Error, fmt};

use http::{Method, StatusCode};

use crate::{
    api_error::Cause,
    error_chain::error_chain,
    unwind::{Panicked, displayed},
};

/// An error response, as [`ErrorBodyLayer::on_error`](crate::ErrorBodyLayer::on_error) is told of it.
///
/// Nothing in it is sent to the client but status, code and the words that its
/// [`origin`](Self::origin) names. Its `Display` is one line for a log.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ErrorReport<'a> {
    /// The status of the response.
    pub status: StatusCode,
    /// The application's code, or the status.
    pub code: u32,
    /// Who the error comes from.
    pub cause: Cause,
    /// The method of the request.
    pub method: &'a Method,
    /// The path of the request, percent-encoded, without the query.
    pub uri: &'a str,
    /// Where the texts came from.
    pub origin: TextOrigin,
    /// The source of the error and its sources in turn, on one line; `None` if it has none.
    pub sources: Option<&'a str>,
    /// What the panic said, if one was the cause and someone listened.
    pub panic: Option<&'a str>,
    /// File, line and column of the panic; `None` unless the process has installed
    /// [`panic_hook`](crate::panic_hook), and for a panic that ran no hook.
    pub location: Option<&'a str>,
    /// The beginning of a text that the service wrote with a 5xx, which is not sent: escaped, on one
    /// line, at most 1 KiB of what was ready.
    pub masked: Option<&'a str>,
    pub(crate) error: Option<&'a (dyn Error + 'static)>,
}

/// Where the texts of an error body came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextOrigin {
    /// An [`ApiError`](crate::ApiError) of a layer or of the application.
    ApiError,
    /// An envelope that the service wrote.
    Envelope,
    /// Problem details (RFC 9457) that the service wrote.
    ProblemDetails,
    /// Plain text, as frameworks reject with.
    Text,
    /// The status alone: what the service wrote was not fit to be sent, or there was nothing.
    Status,
}

/// A response extension: someone was told of this error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told;

/// What the report says of why it happened, as owned text; made only where someone listens.
pub(crate) struct Why {
    pub(crate) sources: Option<String>,
    pub(crate) panic: Option<String>,
    pub(crate) location: Option<String>,
}

impl Why {
    /// Reads the sources of an error. Its own code runs under `catch`, where it may panic.
    pub(crate) fn of(error: Option<&(dyn Error + 'static)>) -> Self {
        let panicked = error.and_then(|error| error.downcast_ref::<Panicked>());
        Self {
            panic: panicked.map(|panicked| panicked.message.clone()),
            location: panicked.and_then(|panicked| panicked.location.clone()),
            sources: error.filter(|_| panicked.is_none()).map(joined),
        }
    }
}

/// The error and its sources on one line, without what the one outside says already.
fn joined(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut outer = String::new();
    for error in error_chain(error) {
        let text = displayed(&error);
        if outer.is_empty() || !outer.contains(&text) {
            let separator = if line.is_empty() { "" } else { ": " };
            line.push_str(separator);
            line.push_str(&text);
        }
        outer = text;
    }
    line
}

impl<'a> ErrorReport<'a> {
    /// Why it happened, for who wants to downcast: the source of the [`ApiError`](crate::ApiError).
    pub fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        self.error
    }

    /// Records the event: an error for a 5xx or a panic, a warning for time and overload, and for the
    /// rest a line for who debugs.
    #[cfg(feature = "tracing")]
    pub(crate) fn record(&self) {
        let &Self { status, code, cause, uri, origin, sources, panic, location, masked, .. } = self;
        let status = status.as_u16();
        let method = crate::request_head::method_text(self.method);
        match level(cause, status) {
            Level::Error => tracing::error!(
                status,
                code,
                ?cause,
                method,
                uri,
                ?origin,
                error = sources,
                panic,
                location,
                masked,
                "error response"
            ),
            Level::Warn => tracing::warn!(
                status,
                code,
                ?cause,
                method,
                uri,
                ?origin,
                error = sources,
                panic,
                location,
                masked,
                "error response"
            ),
            Level::Debug => tracing::debug!(
                status,
                code,
                ?cause,
                method,
                uri,
                ?origin,
                error = sources,
                panic,
                location,
                masked,
                "error response"
            ),
        }
    }
}

/// One line for a log: `GET /x 502 Bad Gateway (Upstream, code 502): why`.
impl fmt::Display for ErrorReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, code, cause, method, uri, .. } = self;
        write!(f, "{method} {uri} {status} ({cause:?}, code {code})")?;
        match self.sources.or(self.panic).or(self.masked) {
            None => Ok(()),
            Some(why) => write!(f, ": {why}"),
        }
    }
}

/// How much an error response matters to the people who run the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warn,
    Debug,
}

pub(crate) const fn level(cause: Cause, status: u16) -> Level {
    match cause {
        Cause::Panic => Level::Error,
        // The client's doing, a 501 too.
        Cause::Method => Level::Debug,
        Cause::Timeout | Cause::Overload => Level::Warn,
        _ if status >= 500 => Level::Error,
        _ => Level::Debug,
    }
}

/// Whether an event of this kind would be recorded.
#[cfg(feature = "tracing")]
#[inline]
pub(crate) fn is_recorded(level: Level) -> bool {
    // One load and a comparison where nobody subscribes.
    tracing::level_filters::LevelFilter::current() != tracing::level_filters::LevelFilter::OFF
        && match level {
            Level::Error => tracing::enabled!(tracing::Level::ERROR),
            Level::Warn => tracing::enabled!(tracing::Level::WARN),
            Level::Debug => tracing::enabled!(tracing::Level::DEBUG),
        }
}

#[cfg(not(feature = "tracing"))]
pub(crate) const fn is_recorded(_: Level) -> bool {
    false
}
