//! The head of a response whose body was replaced.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
    },
};

/// Whether a header speaks of the body that is replaced (RFC 9110, 8; RFC 9530).
///
/// What a 416 says of ranges is about the resource (RFC 9110, 15.5.17). The language stays that of
/// the words where those stay.
fn describes_old_body(name: &HeaderName, old: Old) -> bool {
    match name.as_str() {
        "content-language" => !old.keeps_words,
        "content-length"
        | "content-encoding"
        | "content-location"
        | "content-disposition"
        | "content-md5"
        | "content-digest"
        | "repr-digest"
        | "digest"
        | "etag"
        | "last-modified"
        | "transfer-encoding"
        | "trailer" => true,
        "content-range" | "accept-ranges" => old.status != StatusCode::RANGE_NOT_SATISFIABLE,
        _ => false,
    }
}

/// The response whose body is replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Old {
    pub(super) status: StatusCode,
    /// Whether the new body says what the old one said, in its words.
    pub(super) keeps_words: bool,
}

/// What the head says of the content that was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) content_type: HeaderValue,
    /// `None` leaves what there is.
    pub(super) language: Option<HeaderValue>,
    /// `None` for HEAD.
    pub(super) length: Option<usize>,
}

/// Removes what speaks of the old body, one header after the other.
pub(super) fn remove_old_headers(headers: &mut HeaderMap, old: Old) {
    while let Some(name) = headers.keys().find(|name| describes_old_body(name, old)).cloned() {
        headers.remove(name);
    }
}

/// Makes the head speak of the body that was written.
pub(super) fn set_headers(headers: &mut HeaderMap, old: Old, written: Written) {
    let Written { content_type, language, length } = written;
    let seen = Seen::of(headers, old);
    if seen.kept == 0 && headers.capacity() < ROOM {
        // Nothing stays: a new map with room for all is cheaper than one that grows.
        *headers = HeaderMap::with_capacity(ROOM);
    } else {
        if seen.old > 0 {
            remove_old_headers(headers, old);
        }
        // At once, for these and for those of the CORS layer outside: one that grows twice copies
        // twice.
        let _ = headers.try_reserve(4 + 7);
    }
    // A map that has no room left (32,768 lines) stays as it is, and no connection could carry it.
    let _ = headers.try_insert(CONTENT_TYPE, content_type);
    if let Some(length) = length {
        let _ = headers.try_insert(CONTENT_LENGTH, length_value(length));
    }
    if let Some(language) = language {
        let _ = headers.try_insert(CONTENT_LANGUAGE, language);
    }
    if !seen.has_nosniff {
        let _ = headers.try_insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    if !seen.has_cache_control {
        let _ = headers.try_insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Fields of an error response with its envelope and all CORS headers, so that the map does not
/// grow.
const ROOM: usize = 12;

/// What one look at the names of an error's head tells.
struct Seen {
    /// How many fields speak of the old body, and go, and how many stay.
    old: usize,
    kept: usize,
    has_nosniff: bool,
    has_cache_control: bool,
}

impl Seen {
    fn of(headers: &HeaderMap, old: Old) -> Self {
        let mut seen = Self { old: 0, kept: 0, has_nosniff: false, has_cache_control: false };
        for name in headers.keys() {
            if *name == CONTENT_TYPE {
                continue;
            }
            let is_old = *name == CONTENT_LENGTH || describes_old_body(name, old);
            seen.old += usize::from(is_old);
            seen.kept += usize::from(!is_old);
            seen.has_nosniff |= *name == X_CONTENT_TYPE_OPTIONS;
            seen.has_cache_control |= *name == CACHE_CONTROL;
        }
        seen
    }
}

/// The value of `content-length`. Three digits, as most envelopes have, are not formatted and not
/// allocated.
fn length_value(length: usize) -> HeaderValue {
    length
        .checked_sub(100)
        .and_then(|n| THREE_DIGITS.get(n))
        .and_then(|digits| HeaderValue::from_maybe_shared(Bytes::from_static(digits)).ok())
        .unwrap_or_else(|| HeaderValue::from(length))
}

/// "100" to "999".
static THREE_DIGITS: [[u8; 3]; 900] = three_digits();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "in a constant: what is out of bounds does not compile, and a digit fits"
)]
const fn three_digits() -> [[u8; 3]; 900] {
    let mut table = [[b'0'; 3]; 900];
    let mut n = 100;
    while n < 1000 {
        table[n - 100] =
            [b'0' + (n / 100) as u8, b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    table
}
