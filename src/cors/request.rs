//! What a request is to CORS: a CORS-preflight request or anything else, and which origin it names.

use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN},
};

/// A CORS-preflight request, recognised by presence alone (Fetch, 3.2.2 "HTTP requests").
///
/// `Access-Control-Request-Headers` plays no part: it is optional, and as long as a client likes.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The value of the one `Origin` line, as it came.
///
/// Several lines are not one origin: no browser sends them, and picking one of them would let
/// whoever can add a line choose which one counts.
pub(super) fn only_origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let first = headers.get(ORIGIN)?;
    // Usually no name has a second line.
    let is_only =
        headers.len() == headers.keys_len() || headers.get_all(ORIGIN).iter().nth(1).is_none();
    is_only.then_some(first)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_preflight_is_options_with_an_origin_and_a_requested_method() {
        let asked = ("access-control-request-method", "");
        let fields = ("access-control-request-headers", "authorization");
        for (expected, method, lines) in [
            (true, "OPTIONS", &[("origin", ""), asked][..]),
            (true, "OPTIONS", &[("origin", "a"), ("origin", "b"), asked, asked]),
            (false, "OPTIONS", &[asked]),
            (false, "OPTIONS", &[("origin", "https://a.example"), fields]),
            (false, "OPTIONS", &[]),
            (false, "options", &[("origin", "https://a.example"), asked]),
            (false, "GET", &[("origin", "https://a.example"), asked]),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(is_preflight(&method, &headers(lines)), expected, "{method} {lines:?}");
        }
    }

    #[test]
    fn only_one_origin_line_is_an_origin() {
        for (expected, lines) in [
            (None, &[][..]),
            (Some("a"), &[("origin", "a")]),
            (Some(""), &[("origin", "")]),
            (None, &[("origin", "a"), ("origin", "a")]),
        ] {
            let headers = headers(lines);
            let origin = only_origin(&headers).map(HeaderValue::as_bytes);
            assert_eq!(origin, expected.map(str::as_bytes), "{lines:?}");
        }
    }
}
