//! The policy, ready to be written: header values made once, and the answer to one request.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, VARY,
    },
};

use crate::cors::{
    origins::{Admitted, Origins},
    request,
};

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
pub(crate) struct CorsHeaders {
    pub(super) origins: Origins,
    pub(super) origin_header: OriginHeader,
    pub(super) methods: HeaderValue,
    /// `None`: no request header but the safelisted ones.
    pub(super) headers: Option<HeaderValue>,
    pub(super) exposed: Option<HeaderValue>,
    pub(super) max_age: Option<HeaderValue>,
    pub(super) allows_credentials: bool,
    /// Whether the request's origin is looked at; if not, the answer is the same for every page.
    pub(super) reads_origin: bool,
    /// Whether the answer depends on the request's origin.
    pub(super) varies: bool,
}

/// What one response will carry, decided from the head of its request.
///
/// Small, because it waits in the future of each request: a fixed policy is not in it, who writes
/// has that one already.
#[derive(Debug)]
pub(crate) struct CorsAnswer {
    /// The policy of the moment, if it can be replaced before the response comes.
    held: Option<Arc<CorsHeaders>>,
    /// Which of the origins.
    index: u16,
    /// Which of the policies, if they are chosen by path.
    policy: u16,
    is_preflight: bool,
    varies: bool,
}

// ===== impl CorsHeaders =====

impl CorsHeaders {
    /// Lets every value be cloned without allocating: the first clone of `Bytes` made from a `Vec`
    /// allocates its reference count, here and not on a request.
    pub(super) fn shared(self) -> Arc<Self> {
        let optional = [&self.headers, &self.exposed, &self.max_age].into_iter().flatten();
        for value in self.origins.iter().chain([&self.methods]).chain(optional) {
            drop(value.clone());
        }
        Arc::new(self)
    }

    /// The decision: what the response to this request will carry.
    #[inline]
    pub(super) fn decide<B>(&self, request: &Request<B>) -> CorsAnswer {
        let admitted =
            if self.reads_origin { self.origins.admitted(request.headers()) } else { None };
        let index = match admitted {
            Some(Admitted::Listed(index)) => index,
            None => 0,
        };
        CorsAnswer {
            held: None,
            index,
            policy: 0,
            is_preflight: request::is_preflight(request.method(), request.headers()),
            varies: self.varies,
        }
    }

    /// Writes the contract's lines, in place of all that the inner service said about CORS.
    #[inline]
    pub(super) fn write(&self, answer: &CorsAnswer, _status: StatusCode, headers: &mut HeaderMap) {
        let varies = answer.varies;
        // One look at the names. Usually there is nothing of CORS, and no `Vary`: then each line is
        // new, and appending it is cheaper than looking for it again.
        let is_in_the_way =
            |name: &HeaderName| (varies && *name == VARY) || name.as_str().starts_with(PREFIX);
        let mut vary = varies.then_some(const { HeaderValue::from_static("Origin") });
        if headers.keys().any(is_in_the_way) {
            remove_inner(headers);
            vary = vary.and_then(|_| merge_vary(headers));
        }
        self.append(answer, vary, headers);
    }

    /// Appends the contract's lines to a head that has none of them.
    fn append(&self, answer: &CorsAnswer, vary: Option<HeaderValue>, headers: &mut HeaderMap) {
        // A map that has no room left (32,768 lines) stays as it is: browsers then refuse the
        // response, which no connection could carry anyway.
        let lines = 5 + usize::from(self.exposed.is_some()) + usize::from(answer.varies);
        let _ = headers.try_reserve(lines);
        let mut append = |name, value| drop(headers.try_append(name, value));
        if let Some(origin) = self.origins.get(answer.index) {
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
        if self.allows_credentials {
            append(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if answer.is_preflight {
            if let Some(max_age) = &self.max_age {
                append(ACCESS_CONTROL_MAX_AGE, max_age.clone());
            }
        } else if let Some(exposed) = &self.exposed {
            append(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
        if let Some(vary) = vary {
            append(VARY, vary);
        }
    }
}

// ===== impl CorsAnswer =====

impl CorsAnswer {
    /// Of a policy that does not exist, which no table leads to.
    pub(super) const NOTHING: Self =
        Self { held: None, index: 0, policy: u16::MAX, is_preflight: false, varies: false };

    /// Whether this layer answers by itself, and the service is not called.
    #[inline]
    pub(crate) fn is_preflight(&self) -> bool {
        self.is_preflight
    }

    /// Keeps the policy in the answer, which can then be written without its source.
    #[inline]
    pub(super) fn holding(mut self, lines: impl FnOnce(u16) -> Option<Arc<CorsHeaders>>) -> Self {
        if self.held.is_none() {
            self.held = lines(self.policy);
        }
        self
    }

    /// The answer by a policy that can be replaced: it always varies, because the next policy may
    /// have more origins while a cache still holds this response.
    #[inline]
    pub(super) fn of_live<B>(lines: Arc<CorsHeaders>, request: &Request<B>) -> Self {
        let decided = lines.decide(request);
        Self { held: Some(lines), varies: true, ..decided }
    }

    /// The answer by the policy of this path.
    #[inline]
    pub(super) fn of_policy(self, policy: u16) -> Self {
        Self { policy, ..self }
    }

    pub(super) fn policy(&self) -> u16 {
        self.policy
    }

    pub(super) fn held(&self) -> Option<&CorsHeaders> {
        self.held.as_deref()
    }

    /// Writes the lines of the policy that the answer holds.
    #[inline]
    pub(super) fn write_held(&self, status: StatusCode, headers: &mut HeaderMap) {
        if let Some(lines) = &self.held {
            lines.write(self, status, headers);
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

/// Merges `Origin` into the `Vary` that is there; where none is, returns the line to append.
#[cold]
fn merge_vary(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let value = vary_with_origin(headers);
    if !headers.contains_key(VARY) {
        return value;
    }
    if let Some(value) = value {
        let _ = headers.try_insert(VARY, value);
    }
    None
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
