//! What an error says that sets no texts of its own: the defaults of each status.

use http::StatusCode;

/// The reason phrase of the status; without one, the name of its class.
pub(super) fn default_title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or(if status.is_server_error() {
        "Server Error"
    } else {
        "Client Error"
    })
}

/// One sentence for each status, in our words after the contract's source page.
pub(super) const fn default_description(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "The request is malformed or a parameter is missing or wrong.",
        401 => "Credentials are missing or incorrect.",
        403 => "This operation is forbidden.",
        404 => "No resource exists at this URI.",
        405 => "This resource does not support the request method.",
        413 => "The request content is too large.",
        415 => "The media type of the request content is not supported.",
        429 => "Too many requests.",
        500 => "The server met an unexpected condition.",
        501 => "The server does not know the request method.",
        502 => "A system behind this service is unavailable or failed.",
        503 => "The service cannot process the request now.",
        504.. => "The server could not complete the request.",
        _ => "The request was not accepted.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_without_a_reason_phrase_is_named_after_its_class() {
        let title = |n| default_title(StatusCode::from_u16(n).unwrap());
        assert_eq!(title(499), "Client Error");
        assert_eq!(title(599), "Server Error");
    }
}
