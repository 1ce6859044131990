//! The header lines that an error brings to its response.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Most lines: a response has to fit into what clients read of a head.
const MAX_LINES: usize = 32;
/// Most bytes of names and values: nginx reads a head of 8 KiB from its upstream at most.
const MAX_BYTES: usize = 8 * 1024;

/// Lines in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderLines {
    lines: Vec<(HeaderName, HeaderValue)>,
    left_out: usize,
}

impl HeaderLines {
    /// Adds a line; `None`, a refused name and what does not fit are left out.
    pub(super) fn push(&mut self, line: Option<(HeaderName, HeaderValue)>) {
        match line {
            Some((name, value)) if !is_refused(&name) && self.has_room(&name, &value) => {
                self.lines.push((name, value));
            }
            _ => self.left_out = self.left_out.saturating_add(1),
        }
    }

    /// Removes the lines of a name.
    pub(super) fn remove(&mut self, name: &HeaderName) {
        self.lines.retain(|(other, _)| other != name);
    }

    fn has_room(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        let len = |name: &HeaderName, value: &HeaderValue| name.as_str().len() + value.len();
        let used: usize = self.lines.iter().map(|(name, value)| len(name, value)).sum();
        self.lines.len() < MAX_LINES && used + len(name, value) <= MAX_BYTES
    }

    pub(crate) fn as_slice(&self) -> &[(HeaderName, HeaderValue)] {
        &self.lines
    }

    /// How many were given and are not among these.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }

    /// Appends the lines to a head, after those of the same names.
    pub(super) fn append_to(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.lines {
            // A map that has no room left (32,768 lines) stays as it is.
            let _ = headers.try_append(name.clone(), value.clone());
        }
    }
}

/// Whether a name belongs to someone else: what frames the message (RFC 9112, 6; RFC 9110, 7.6.1)
/// and its date to the server, what describes the content to the layer that writes it, CORS and
/// gRPC to theirs.
fn is_refused(name: &HeaderName) -> bool {
    const REFUSED: [HeaderName; 9] = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::DATE,
    ];
    REFUSED.contains(name)
        || name == "keep-alive"
        || ["access-control-", "grpc-"].iter().any(|prefix| name.as_str().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
        Some((name.parse().ok()?, value.parse().ok()?))
    }

    fn given(lines: &[(&str, &str)]) -> HeaderLines {
        let mut header_lines = HeaderLines::default();
        for (name, value) in lines {
            header_lines.push(line(name, value));
        }
        header_lines
    }

    #[test]
    fn framing_cors_and_grpc_headers_and_what_does_not_parse_are_left_out() {
        let lines = given(&[
            ("Content-Type", "text/html"),
            ("content-length", "7"),
            ("content-encoding", "gzip"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("te", "trailers"),
            ("trailer", "a"),
            ("date", "now"),
            ("access-control-allow-origin", "*"),
            ("grpc-status", "0"),
            ("a b", "c"),
            ("x-a", "b\r\nset-cookie: c=d"),
        ]);
        assert_eq!((lines.as_slice().len(), lines.left_out()), (0, 14));
    }

    #[test]
    fn a_name_may_stand_on_several_lines() {
        let lines = given(&[("link", "</a>"), ("x-b", "1"), ("link", "</c>")]);
        let mut headers = HeaderMap::from_iter(line("link", "</0>"));
        lines.append_to(&mut headers);
        assert!(headers.get_all("link").iter().eq(["</0>", "</a>", "</c>"]));
        assert_eq!((headers.len(), lines.left_out()), (4, 0));
    }

    #[test]
    fn thirty_two_lines_of_eight_kibibytes_fit_and_no_more() {
        let lines = given(&[("a", "b"); 33]);
        assert_eq!((lines.as_slice().len(), lines.left_out()), (32, 1));
        let fits = "x".repeat(MAX_BYTES - 1);
        assert_eq!(given(&[("a", &fits)]).left_out(), 0);
        let lines = given(&[("a", &(fits + "x")), ("b", "c")]);
        assert_eq!((lines.as_slice().len(), lines.left_out()), (1, 1));
    }
}
