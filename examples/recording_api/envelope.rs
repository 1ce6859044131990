//! The envelope, to which a failure adds the id of its request.

use http::HeaderValue;
use tower_contract::{EnvelopeFormat, ErrorFormat, Occurrence};

/// Every response has the id in `x-request-id`; here it is in the body of a 5xx, too.
///
/// The original API documents five members, and a 4xx says with them what is wrong. A 5xx must not
/// say it: the id is what its client can tell those who read the log.
#[derive(Clone, Debug)]
pub struct WithIdOfFailures;

impl ErrorFormat for WithIdOfFailures {
    fn content_type(&self) -> HeaderValue {
        EnvelopeFormat.content_type()
    }

    fn own_names(&self) -> &[&str] {
        EnvelopeFormat.own_names()
    }

    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
        let mut told = *error;
        told.request_id = error.request_id.filter(|_| error.status.is_server_error());
        EnvelopeFormat.write(&told, out);
    }
}
