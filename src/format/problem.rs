//! RFC 9457, Problem Details for HTTP APIs.

use http::HeaderValue;
use serde::Serialize;

use crate::format::{ErrorFormat, Occurrence, envelope::write_json};

/// Writes `application/problem+json` (RFC 9457) instead of the envelope.
///
/// `title`, `status`, `detail` and `instance` as the RFC says; the envelope's `code` and
/// `http_method` as extension members. There is no `type`: it is then "about:blank" (RFC 9457,
/// 4.2.1).
///
/// ```json
/// {"title":"Not Found","status":404,"detail":"No resource exists at this URI.","instance":"/nope","code":404,"http_method":"GET"}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ProblemDetailsFormat;

impl ErrorFormat for ProblemDetailsFormat {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/problem+json")
    }

    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
        let problem = Problem {
            title: error.title,
            status: error.status.as_u16(),
            detail: error.description,
            instance: error.uri,
            code: error.code,
            http_method: error.http_method,
        };
        write_json(&problem, out);
    }
}

/// The members in the order in which they are written.
#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: u32,
    http_method: &'a str,
}
