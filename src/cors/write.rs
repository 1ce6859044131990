//! The contract's lines on the head of a response.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, VARY,
    },
};

use crate::cors::{
    answer::{CorsAnswer, CorsHeaders, OriginHeader},
    challenge,
};

/// The contract's spelling, which no browser reads.
const ACCESS_CONTROL_ALLOW_ORIGINS: HeaderName =
    HeaderName::from_static("access-control-allow-origins");

const PREFIX: &str = "access-control-";

impl CorsHeaders {
    /// Writes the contract's lines, in place of all that the inner service said about CORS.
    #[inline(always)]
    pub(super) fn write(&self, answer: &CorsAnswer, status: StatusCode, headers: &mut HeaderMap) {
        let mut varies = answer.varies();
        if self.readable_challenges && status == StatusCode::UNAUTHORIZED {
            varies = true;
            if answer.is_admitted() {
                challenge::make_readable(headers);
            }
        }
        // One look at the names. Usually there is nothing of CORS, and no `Vary`: then each line is
        // new, and appending it is cheaper than looking for it again.
        let is_in_the_way =
            |name: &HeaderName| (varies && *name == VARY) || name.as_str().starts_with(PREFIX);
        let mut has_vary = !varies;
        if headers.keys().any(is_in_the_way) {
            remove_inner(headers);
            has_vary = has_vary || merge_vary(headers);
        }
        self.append(answer, has_vary, headers);
    }

    /// Appends the contract's lines to a head that has none of them, or only a `Vary` that is
    /// right.
    #[inline]
    fn append(&self, answer: &CorsAnswer, has_vary: bool, headers: &mut HeaderMap) {
        // A map that has no room left (32,768 lines) stays as it is: browsers then refuse the
        // response, which no connection could carry anyway.
        let lines = 5 + usize::from(self.exposed.is_some()) + usize::from(!has_vary);
        let _ = headers.try_reserve(lines);
        let mut append = |name, value| drop(headers.try_append(name, value));
        if let Some(origin) = answer.origin(self) {
            if self.origin_header != OriginHeader::Documented {
                append(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            }
            if self.origin_header != OriginHeader::Standard {
                append(ACCESS_CONTROL_ALLOW_ORIGINS, origin.clone());
            }
        }
        if let Some(allowed) = &self.headers {
            append(ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone());
        }
        append(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        if let Some(credentials) = &self.credentials {
            append(ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials.clone());
        }
        if answer.is_preflight() {
            if let Some(max_age) = &self.max_age {
                append(ACCESS_CONTROL_MAX_AGE, max_age.clone());
            }
        } else if let Some(exposed) = &self.exposed {
            append(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
        if !has_vary {
            append(VARY, const { HeaderValue::from_static("Origin") });
        }
    }
}

/// What the policy says is the whole truth: an inner `*`, or a second line, would change what a
/// browser allows.
#[cold]
fn remove_inner(headers: &mut HeaderMap) {
    let is_cors = |name: &&HeaderName| name.as_str().starts_with(PREFIX);
    if headers.keys().any(|name| is_cors(&name)) {
        let names: Vec<_> = headers.keys().filter(is_cors).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}

/// Merges `Origin` into the `Vary` that is there; whether there is one.
#[cold]
fn merge_vary(headers: &mut HeaderMap) -> bool {
    let has_vary = headers.contains_key(VARY);
    if let Some(value) = vary_with_origin(headers).filter(|_| has_vary) {
        let _ = headers.try_insert(VARY, value);
    }
    has_vary
}

/// `Vary` with `Origin` as one line (RFC 9110, 5.3 and 12.5.5), unless it says so already.
fn vary_with_origin(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_enough = |member: &[u8]| {
        let member = member.trim_ascii();
        member == b"*" || member.eq_ignore_ascii_case(b"origin")
    };
    let mut merged = Vec::new();
    for line in headers.get_all(VARY).iter().map(HeaderValue::as_bytes) {
        if line.split(|byte| *byte == b',').any(is_enough) {
            return None;
        }
        merged.extend_from_slice(line);
        merged.extend_from_slice(b", ");
    }
    if merged.is_empty() {
        return Some(HeaderValue::from_static("Origin"));
    }
    merged.extend_from_slice(b"Origin");
    HeaderValue::from_maybe_shared(Bytes::from(merged)).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::cors::CorsPolicy;

    #[test]
    fn vary_is_merged_into_one_line_and_names_the_origin_once() {
        for (expected, lines) in [
            (Some("Origin"), &[][..]),
            (Some("Accept, Origin"), &["Accept"]),
            (Some("Accept, Accept-Encoding, Origin"), &["Accept", "Accept-Encoding"]),
            (Some("X-Origin, Origin"), &["X-Origin"]),
            (None, &["*"]),
            (None, &["Accept, *"]),
            (None, &["Accept", "a , ORIGIN\t"]),
        ] {
            let headers = lines.iter().map(|line| (VARY, HeaderValue::from_static(line))).collect();
            let value = vary_with_origin(&headers);
            assert_eq!(value.as_ref().map(|v| v.to_str().unwrap()), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_map_without_room_is_left_without_a_panic() {
        let mut headers = HeaderMap::new();
        for n in 0.. {
            let name = HeaderName::try_from(format!("x-{n}")).unwrap();
            if headers.try_insert(name, HeaderValue::from_static("")).is_err() {
                break;
            }
        }
        let policy = CorsPolicy::builder(["https://a.example", "https://b.example"]).build();
        let lines = policy.unwrap().into_lines();
        let answer = lines.decide(&Request::new(()));
        let before = headers.len();
        lines.write(&answer, StatusCode::OK, &mut headers);
        assert_eq!(headers.len(), before);
    }
}
