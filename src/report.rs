//! One event and one hook call for each error response, whoever made it.

use std::{borrow::Cow, error::Error, fmt};

use http::{Extensions, Method, Response, StatusCode, response::Parts};

use crate::{
    api_error::Cause,
    error_chain::{MAX_SOURCES, source},
    request_head::method_text,
    unwind::{Hook, Panicked, catch, displayed, escaped_again},
};

/// An error response, as [`ErrorBodyLayer::on_error`](crate::ErrorBodyLayer::on_error) is told of
/// it.
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
    /// The pattern of the route that matched (feature `axum`: axum's `MatchedPath`). Metrics label
    /// by it, never by the path, of which there is no end.
    pub route: Option<&'a str>,
    /// The id of the request, where the layer is told
    /// [which header](crate::ErrorBodyLayer::request_id) it is in.
    pub request_id: Option<&'a str>,
    /// Where the texts came from.
    pub origin: TextOrigin,
    /// Whether the response keeps the body that the service wrote.
    pub kept: bool,
    /// The source of the error and its sources in turn, on one line; `None` if it has none.
    pub sources: Option<&'a str>,
    /// What the panic said, if one was the cause and someone listened.
    pub panic: Option<&'a str>,
    /// File, line and column of the panic; `None` unless the process has installed
    /// [`panic_hook`](crate::panic_hook), and for a panic that ran no hook.
    pub location: Option<&'a str>,
    /// The beginning of a text that the service wrote with a 5xx, which is not sent: escaped, on
    /// one line, at most 1 KiB of what was ready.
    pub masked: Option<&'a str>,
    /// What was added to the error and not sent, because it passed a limit or is refused:
    /// `1 field error, 2 header lines`.
    pub left_out: Option<&'a str>,
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
    /// What [`understand`](crate::ErrorBodyLayer::understand) made of the service's own content.
    Understood,
    /// The status alone: what the service wrote was not fit to be sent, or there was nothing.
    Status,
}

/// A response extension: someone was told of this error.
#[derive(Clone, Copy, Debug)]
struct Told;

pub(crate) fn is_told(extensions: &Extensions) -> bool {
    extensions.get::<Told>().is_some()
}

pub(crate) fn mark_told(head: &mut Parts) {
    head.extensions.insert(Told);
}

pub(crate) fn mark_response_told<B>(response: &mut Response<B>) {
    response.extensions_mut().insert(Told);
}

/// What the report says of why it happened, as owned text; made only where someone listens.
pub(crate) struct Why {
    pub(crate) sources: Option<String>,
    pub(crate) panic: Option<String>,
    pub(crate) location: Option<String>,
}

impl Why {
    /// Reads the sources of an error. Its own code runs under `catch`, where it may panic.
    pub(crate) fn of(error: Option<&(dyn Error + 'static)>, redact: &Hook<Redact>) -> Self {
        let panicked = error.and_then(|error| error.downcast_ref::<Panicked>());
        Self {
            panic: panicked.map(|panicked| redacted(redact, panicked.message.clone())),
            location: panicked.and_then(|panicked| panicked.location.clone()),
            sources: error.filter(|_| panicked.is_none()).map(|error| joined(error, redact)),
        }
    }
}

/// What the application does to each text before it is told.
pub(crate) type Redact = dyn for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync;

/// The text as `redact` tells it, safe and bounded again; one that it panics at is not told.
pub(crate) fn redacted(redact: &Hook<Redact>, text: String) -> String {
    if !redact.is_set() {
        return text;
    }
    let told = redact.run(|redact| redact(&text).into_owned());
    told.map_or_else(|| "(not told)".to_owned(), |told| escaped_again(&told))
}

/// The error and its sources on one line, at most 16, without what one further out says already.
fn joined(error: &(dyn Error + 'static), redact: &Hook<Redact>) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    for _ in 0..MAX_SOURCES {
        let Some(error) = next else { break };
        let text = displayed(&error);
        let text = redacted(redact, text);
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = catch(|| source(error)).ok().flatten();
    }
    line
}

impl<'a> ErrorReport<'a> {
    /// Why it happened, for who wants to downcast: the source of the [`ApiError`](crate::ApiError).
    /// `None` where the error has none.
    pub fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        self.error
    }

    /// Records the event. What is not there is no field of it.
    #[cfg(feature = "tracing")]
    pub(crate) fn record(&self, level: Level) {
        let &Self { code, cause, uri, route, request_id, origin, .. } = self;
        let &Self { sources, panic, location, masked, left_out, .. } = self;
        let (status, method) = (self.status.as_u16(), method_text(self.method));
        let kept = self.kept.then_some(true);
        match level {
            Level::Error => tracing::error!(
                status,
                code,
                ?cause,
                method,
                uri,
                route,
                request_id,
                ?origin,
                kept,
                error = sources,
                panic,
                location,
                masked,
                left_out,
                "error response"
            ),
            Level::Warn => tracing::warn!(
                status,
                code,
                ?cause,
                method,
                uri,
                route,
                request_id,
                ?origin,
                kept,
                error = sources,
                panic,
                location,
                masked,
                left_out,
                "error response"
            ),
            Level::Debug => tracing::debug!(
                status,
                code,
                ?cause,
                method,
                uri,
                route,
                request_id,
                ?origin,
                kept,
                error = sources,
                panic,
                location,
                masked,
                left_out,
                "error response"
            ),
        }
    }
}

/// One line for a log: `GET /x 502 (Upstream, code 502, request 7): why`.
impl fmt::Display for ErrorReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, cause, uri, .. } = self;
        let (status, method) = (self.status.as_u16(), method_text(self.method));
        write!(f, "{method} {uri} {status} ({cause:?}, code {code}")?;
        if let Some(request_id) = self.request_id {
            write!(f, ", request {request_id}")?;
        }
        f.write_str(if self.kept { ", kept)" } else { ")" })?;
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
        && catch(|| is_enabled(level)).unwrap_or(false)
}

/// Asks the subscriber, which may be anyone's code.
#[cfg(feature = "tracing")]
fn is_enabled(level: Level) -> bool {
    match level {
        Level::Error => tracing::enabled!(tracing::Level::ERROR),
        Level::Warn => tracing::enabled!(tracing::Level::WARN),
        Level::Debug => tracing::enabled!(tracing::Level::DEBUG),
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) const fn is_recorded(_: Level) -> bool {
    false
}
