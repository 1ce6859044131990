//! Why a browser will refuse a preflight: one event, for who wonders about `Failed to fetch`.

use std::fmt;

use http::{
    HeaderMap, HeaderValue,
    header::{ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN},
};

use crate::cors::answer::CorsHeaders;

/// So much of `Access-Control-Request-Headers` is read; the list is as long as a client likes.
const MAX_READ: usize = 1_024;

/// A value in the event is no longer than this.
const MAX_SHOWN: usize = 200;

/// Methods that every page may use (Fetch, 2.2.1 "CORS-safelisted method").
const SAFELISTED: [&[u8]; 3] = [b"GET", b"HEAD", b"POST"];

/// What a browser will refuse, and the value.
#[derive(Debug, PartialEq, Eq)]
enum Refused<'a> {
    Origin(&'a [u8]),
    Method(&'a [u8]),
    Header(&'a [u8]),
}

/// Tells of a preflight that a browser will refuse, if anyone listens.
#[inline]
pub(super) fn tell(lines: &CorsHeaders, request: &HeaderMap) {
    if tracing::enabled!(tracing::Level::DEBUG) {
        tell_listener(lines, request);
    }
}

#[cold]
fn tell_listener(lines: &CorsHeaders, request: &HeaderMap) {
    let (reason, value) = match refused(lines, request) {
        None => return,
        Some(Refused::Origin(value)) => ("origin", value),
        Some(Refused::Method(value)) => ("method", value),
        Some(Refused::Header(value)) => ("header", value),
    };
    let origin = Shown(first(request, ORIGIN));
    tracing::debug!(reason, value = ?Shown(value), ?origin, "a browser refuses this preflight");
}

/// The first thing that a browser refuses, in its own order (Fetch, 4.9 "CORS-preflight fetch").
fn refused<'a>(lines: &CorsHeaders, request: &'a HeaderMap) -> Option<Refused<'a>> {
    if !lines.origins.is_anyone() && lines.origins.admitted(request).is_none() {
        return Some(Refused::Origin(first(request, ORIGIN)));
    }
    let method = first(request, ACCESS_CONTROL_REQUEST_METHOD);
    if !SAFELISTED.contains(&method) && !is_listed(&lines.methods, method, <[u8]>::eq) {
        return Some(Refused::Method(method));
    }
    let allows = |name: &&[u8]| {
        let Some(list) = &lines.headers else { return false };
        // `*` is every name but one, and only where credentials are not included.
        let is_any =
            !name.eq_ignore_ascii_case(b"authorization") && is_listed(list, b"*", <[u8]>::eq);
        is_any || is_listed(list, name, <[u8]>::eq_ignore_ascii_case)
    };
    asked_headers(request).find(|name| !allows(name)).map(Refused::Header)
}

/// The names that the page wants to set, as far as they are read.
fn asked_headers(request: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let mut left = MAX_READ;
    let lines = request.get_all(ACCESS_CONTROL_REQUEST_HEADERS).into_iter();
    lines.flat_map(move |line| {
        let line = line.as_bytes();
        let whole = left.min(line.len());
        left -= whole;
        let is_cut = whole < line.len();
        let read = line.get(..whole).unwrap_or_default();
        // A name that is cut is not judged.
        let last_comma = read.iter().rposition(|byte| *byte == b',');
        let end = if is_cut { last_comma.unwrap_or_default() } else { read.len() };
        let names = read.get(..end).unwrap_or_default().split(|byte| *byte == b',');
        names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
    })
}

fn is_listed(list: &HeaderValue, name: &[u8], is_same: fn(&[u8], &[u8]) -> bool) -> bool {
    list.as_bytes().split(|byte| *byte == b',').any(|listed| is_same(listed.trim_ascii(), name))
}

fn first(request: &HeaderMap, name: http::HeaderName) -> &[u8] {
    request.get(name).map(HeaderValue::as_bytes).unwrap_or_default()
}

/// A value that a client has sent, escaped and cut.
struct Shown<'a>(&'a [u8]);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..MAX_SHOWN) {
            Some(start) if start.len() < self.0.len() => {
                write!(f, "\"{}…\"", start.escape_ascii())
            }
            _ => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}
