//! An error occurrence as bytes: what a format is told, and the formats that are provided.

mod decode;
mod envelope;
mod envelope_format;
pub(crate) mod grpc;
mod json;
mod occurrence;
mod problem;

use http::HeaderValue;

pub use self::{
    envelope::Envelope,
    envelope_format::{EnvelopeFormat, WrappedEnvelopeFormat},
    occurrence::Occurrence,
    problem::ProblemDetailsFormat,
};

/// Writes the body of an error response.
///
/// # What it promises
///
/// It is called once for each error body, never for a healthy response, with texts that are safe to
/// send: sanitised, cut, and free of anything that a foreign 5xx said. `ErrorBodyLayer` sets
/// `content-type` and `content-length` after it.
///
/// Writing cannot fail. A format that panics is caught, and [`EnvelopeFormat`] writes instead, as
/// it does for one that writes nothing.
///
/// # Example
///
/// ```
/// use http::HeaderValue;
/// use tower_contract::{ErrorBodyLayer, ErrorFormat, Occurrence};
///
/// /// Nothing but the code: `{"code":404}`.
/// #[derive(Clone)]
/// struct CodeOnly;
///
/// impl ErrorFormat for CodeOnly {
///     fn content_type(&self) -> HeaderValue {
///         HeaderValue::from_static("application/json")
///     }
///
///     fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
///         out.extend_from_slice(format!(r#"{{"code":{}}}"#, error.code).as_bytes());
///     }
/// }
///
/// let layer = ErrorBodyLayer::new().format(CodeOnly);
/// # let _ = layer;
/// ```
pub trait ErrorFormat: Clone + Send + Sync + 'static {
    /// The `content-type` of what [`write`](Self::write) writes.
    fn content_type(&self) -> HeaderValue;

    /// Appends the whole body for `error` to `out`, which is empty and has no capacity.
    ///
    /// Where the length is known, `out.reserve_exact` saves the copy into a buffer of that size.
    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>);

    /// The names of the members that [`write`](Self::write) writes itself. Members of an error that
    /// have one of them are left out of [`Occurrence::members`]. None by default.
    ///
    /// A format that hands its work to another one returns the names of that one.
    fn own_names(&self) -> &[&str] {
        &[]
    }

    /// The `content-language` of what [`write`](Self::write) writes for `error`; none by default.
    fn content_language(&self, error: &Occurrence<'_>) -> Option<HeaderValue> {
        let _ = error;
        None
    }
}
