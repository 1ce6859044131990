//! The policy, ready to be written: header values made once, and the answer to one request.

use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, VARY,
    },
};

use crate::cors::request;

/// The contract's spelling, which no browser reads.
const ACCESS_CONTROL_ALLOW_ORIGINS: HeaderName =
    HeaderName::from_static("access-control-allow-origins");

const PREFIX: &str = "access-control-";

/// Under which name the allowed origin is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OriginHeader {
    /// `Access-Control-Allow-Origin`, which browsers read, and `Access-Control-Allow-Origins`,
    /// which the contract names; both with the same value.
    #[default]
    Both,
    /// `Access-Control-Allow-Origin` only.
    Standard,
    /// `Access-Control-Allow-Origins` only: no browser lets a page read such a response.
    Documented,
}

/// A policy whose values are valid, as header values.
#[derive(Debug)]
pub(super) struct CorsHeaders {
    /// The first is the answer to a page that is not among them.
    origins: Vec<HeaderValue>,
    /// The indices of `origins`, by value: the request's cost does not grow with their number, and
    /// the keys of the standard map's hash are random, so no tenant can choose colliding names.
    indices: HashMap<Box<[u8]>, u16>,
    /// Of the origins: what is longer or shorter is foreign, and is not hashed.
    lengths: RangeInclusive<usize>,
    origin_header: OriginHeader,
    methods: HeaderValue,
    headers: HeaderValue,
    exposed: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

/// What one response will carry, decided from its request.
#[derive(Debug)]
pub(super) struct CorsAnswer {
    lines: Arc<CorsHeaders>,
    index: u16,
    is_preflight: bool,
    varies: bool,
}

// ===== impl CorsHeaders =====

impl CorsHeaders {
    pub(super) fn new(
        origins: Vec<HeaderValue>,
        [methods, headers]: [HeaderValue; 2],
        [exposed, max_age]: [Option<HeaderValue>; 2],
        origin_header: OriginHeader,
    ) -> Self {
        for value in origins.iter().chain([&methods, &headers]).chain(&exposed).chain(&max_age) {
            // The first clone of `Bytes` made from a `Vec` allocates its reference count: here,
            // not on a request.
            drop(value.clone());
        }
        let bytes = origins.iter().map(HeaderValue::as_bytes);
        let shortest = bytes.clone().map(<[u8]>::len).min().unwrap_or_default();
        let longest = bytes.clone().map(<[u8]>::len).max().unwrap_or_default();
        Self {
            indices: bytes.map(Box::from).zip(0..).collect(),
            lengths: shortest..=longest,
            origins,
            origin_header,
            methods,
            headers,
            exposed,
            max_age,
        }
    }

    pub(super) fn has_several_origins(&self) -> bool {
        self.origins.len() > 1
    }

    /// The index of the request's origin, byte for byte, or of the first. What comes from the
    /// request is compared and never parsed, split, trimmed, folded or sent back.
    #[inline]
    fn index(&self, request: &HeaderMap) -> u16 {
        if !self.has_several_origins() {
            return 0;
        }
        request::only_origin(request)
            .filter(|origin| self.lengths.contains(&origin.len()))
            .and_then(|origin| self.indices.get(origin).copied())
            .unwrap_or_default()
    }
}

// ===== impl CorsAnswer =====

impl CorsAnswer {
    #[inline]
    pub(super) fn new(
        lines: Arc<CorsHeaders>,
        method: &Method,
        request: &HeaderMap,
        varies: bool,
    ) -> Self {
        Self {
            index: lines.index(request),
            is_preflight: request::is_preflight(method, request),
            varies,
            lines,
        }
    }

    pub(super) fn is_preflight(&self) -> bool {
        self.is_preflight
    }

    /// Writes the contract's lines, in place of all that the inner service said about CORS.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        remove_inner(headers);
        let lines = &*self.lines;
        // A map that has no room left (32,768 lines) stays as it is: browsers then refuse the
        // response, which no connection could carry anyway.
        let _ = headers
            .try_reserve(5 + usize::from(lines.exposed.is_some()) + usize::from(self.varies));
        let mut insert = |name, value| drop(headers.try_insert(name, value));

        if let Some(origin) = lines.origins.get(usize::from(self.index)) {
            if lines.origin_header != OriginHeader::Documented {
                insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            }
            if lines.origin_header != OriginHeader::Standard {
                insert(ACCESS_CONTROL_ALLOW_ORIGINS, origin.clone());
            }
        }
        insert(ACCESS_CONTROL_ALLOW_HEADERS, lines.headers.clone());
        insert(ACCESS_CONTROL_ALLOW_METHODS, lines.methods.clone());
        insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if self.is_preflight {
            if let Some(max_age) = &lines.max_age {
                insert(ACCESS_CONTROL_MAX_AGE, max_age.clone());
            }
        } else if let Some(exposed) = &lines.exposed {
            insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
        if self.varies {
            if let Some(value) = vary_with_origin(headers) {
                let _ = headers.try_insert(VARY, value);
            }
        }
    }
}

/// What the policy says is the whole truth: an inner `*`, or a second line, would change what a
/// browser allows.
fn remove_inner(headers: &mut HeaderMap) {
    let is_cors = |name: &&HeaderName| name.as_str().starts_with(PREFIX);
    if headers.keys().any(|name| is_cors(&name)) {
        let names: Vec<_> = headers.keys().filter(is_cors).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
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
    use super::*;

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
        let value = || HeaderValue::from_static("v");
        let lines =
            CorsHeaders::new(vec![value()], [value(), value()], [None, None], OriginHeader::Both);
        let answer = CorsAnswer::new(Arc::new(lines), &Method::GET, &HeaderMap::new(), true);
        let before = headers.len();
        answer.write(&mut headers);
        assert_eq!(headers.len(), before);
    }
}
