//! A URI as a response or a log line may show it.

/// The longest text that a response or a log line repeats of a request target.
const MAX_URI_BYTES: usize = 2048;

/// What a URI may have to need no heap while it is written.
const SHORT_URI_BYTES: usize = 256;

/// A URI under construction: at most 2,048 bytes, cut before an incomplete escape.
pub(crate) struct UriText {
    /// Most URIs are short: they stay on the stack, and 2 KiB are not cleared for them.
    short: [u8; SHORT_URI_BYTES],
    /// The whole text, once it is longer than that.
    long: Vec<u8>,
    len: usize,
    full: bool,
}

impl UriText {
    pub(crate) const fn new() -> Self {
        Self { short: [0; SHORT_URI_BYTES], long: Vec::new(), len: 0, full: false }
    }

    pub(crate) fn as_str(&self) -> &str {
        let short = self.short.get(..self.len);
        // Only whole pieces of ASCII are ever pushed.
        std::str::from_utf8(short.unwrap_or(&self.long)).unwrap_or_default()
    }

    /// Appends an origin as the URL parser wrote it: ASCII, and brackets around an IPv6 address.
    pub(crate) fn push_origin(&mut self, origin: &str) {
        self.push_plain(origin.as_bytes());
    }

    /// Appends `text`, percent-encoding once what RFC 3986 does not allow in a path or query.
    ///
    /// What is encoded already stays as it is; nothing is decoded.
    pub(crate) fn push_encoded(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        loop {
            let is_allowed = |byte: &u8| ALLOWED.get(usize::from(*byte)).is_some_and(|is| *is);
            let end = rest.iter().position(|byte| !is_allowed(byte));
            let (plain, after) = rest.split_at(end.unwrap_or(rest.len()));
            self.push_plain(plain);
            rest = match after {
                [] => return,
                [b'%', high, low, after @ ..]
                    if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
                {
                    self.push(&[b'%', *high, *low]);
                    after
                }
                [byte, after @ ..] => {
                    self.push(&[b'%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
                    after
                }
            };
        }
    }

    /// Appends what fits of bytes that stand for themselves.
    fn push_plain(&mut self, bytes: &[u8]) {
        match bytes.get(..MAX_URI_BYTES - self.len) {
            Some(fits) if fits.len() < bytes.len() => {
                self.push(fits);
                self.full = true;
            }
            _ => self.push(bytes),
        }
    }

    /// Appends a piece whole, or nothing from here on.
    fn push(&mut self, piece: &[u8]) {
        let end = self.len + piece.len();
        if self.full || end > MAX_URI_BYTES {
            self.full = true;
            return;
        }
        if let Some(room) = self.short.get_mut(self.len..end) {
            room.copy_from_slice(piece);
        } else {
            if self.long.is_empty() {
                self.long.reserve_exact(MAX_URI_BYTES);
                let short = self.short.get(..self.len).unwrap_or_default();
                self.long.extend_from_slice(short);
            }
            self.long.extend_from_slice(piece);
        }
        self.len = end;
    }
}

/// Whether a byte stands for itself in a path or query: `pchar`, `/` and `?` (RFC 3986, 3.3, 3.4).
const fn is_allowed(byte: u8) -> bool {
    matches!(byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'
        | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?')
}

/// What [`is_allowed`] says of each byte: one load each, for every byte of a path.
static ALLOWED: [bool; 256] = allowed();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "in a constant: what is out of bounds does not compile, and a byte fits"
)]
const fn allowed() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_allowed(byte as u8);
        byte += 1;
    }
    table
}

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        let mut uri = UriText::new();
        uri.push_encoded(text);
        uri.as_str().to_owned()
    }

    #[test]
    fn a_path_is_encoded_once_and_never_decoded() {
        assert_eq!(encoded("/a\"b/é/%2Fc%0d%0a"), "/a%22b/%C3%A9/%2Fc%0d%0a");
        assert_eq!(encoded("/100%/%zz/%"), "/100%25/%25zz/%25");
        assert_eq!(encoded("/<>\\^`{|}[]\u{202e}"), "/%3C%3E%5C%5E%60%7B%7C%7D%5B%5D%E2%80%AE");
        assert_eq!(encoded("/a;b=c@d:e!$&'()*+,~?f"), "/a;b=c@d:e!$&'()*+,~?f");
    }

    #[test]
    fn a_long_path_is_cut_before_an_incomplete_escape() {
        assert_eq!(encoded(&"a".repeat(3000)).len(), 2048);
        // 2,047 bytes, then an escape that would end at 2,050, then a byte that would fit.
        assert_eq!(encoded(&format!("{}%20a", "a".repeat(2047))).len(), 2047);
        assert_eq!(encoded(&"é".repeat(2000)).len(), 2046);
    }
}
