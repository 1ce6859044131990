//! The origin of an app's pages: a scheme of its own.

use crate::cors::{origin::check_port, problem::CorsPolicyProblemKind as Kind};

/// As for web pages: a scheme, 253 bytes of host, a port.
const MAX_LENGTH: usize = 300;

/// Schemes of the web, whose origins are server urls, and schemes whose pages have no origin that
/// could be allowed (HTML, 7.1.1 "Origins": opaque ones are sent as `null`).
const NO_APP: [&str; 11] = [
    "about",
    "blob",
    "data",
    "file",
    "filesystem",
    "ftp",
    "http",
    "https",
    "javascript",
    "ws",
    "wss",
];

/// Checks that `text` is the origin of an app's pages, exactly as its web view sends it.
pub(super) fn check(text: &str) -> Result<(), Kind> {
    match text {
        "*" => return Err(Kind::Wildcard),
        "null" => return Err(Kind::NullOrigin),
        _ if text.len() > MAX_LENGTH => return Err(Kind::TooLong),
        _ if !text.bytes().all(|b| b.is_ascii_graphic()) => return Err(Kind::NotPrintableAscii),
        _ => {}
    }
    let (scheme, rest) = text.split_once("://").ok_or(Kind::NotSchemeAndHost)?;
    // RFC 3986, 3.1, in the lower case that web views write.
    let is_scheme = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    if !scheme.starts_with(|c: char| c.is_ascii_lowercase()) || !scheme.bytes().all(is_scheme) {
        return Err(Kind::NotSchemeAndHost);
    }
    if NO_APP.contains(&scheme) {
        return Err(Kind::Scheme);
    }
    if rest.contains(['/', '\\', '?', '#', '@']) {
        return Err(Kind::MoreThanOrigin);
    }
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (rest, None),
    };
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err(Kind::Host);
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(Kind::Case);
    }
    check_port(port, None)
}

/// The origin that was meant, if that is clear.
pub(super) fn corrected(text: &str) -> Option<String> {
    let trimmed = text.trim_matches(|c: char| "\"'`<>\u{feff}".contains(c) || c.is_whitespace());
    let (scheme, rest) = trimmed.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let origin = format!("{scheme}://{authority}").to_ascii_lowercase();
    check(&origin).is_ok().then_some(origin)
}

/// Whether the scheme is one that [`check`] would take.
pub(super) fn is_app_scheme(text: &str) -> bool {
    corrected(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_origin_is_a_scheme_of_its_own_and_a_host() {
        for text in [
            "tauri://localhost",
            "capacitor://localhost",
            "ionic://localhost",
            "capacitor://localhost:3000",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "moz-extension://5cd3a0b1-7a4e-4a0c-9d6c-0d9e4e0b6a3a",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, kind, meant) in [
            ("", Kind::NotSchemeAndHost, ""),
            ("null", Kind::NullOrigin, ""),
            ("*", Kind::Wildcard, ""),
            ("file://", Kind::Scheme, ""),
            ("file://localhost", Kind::Scheme, ""),
            ("https://app.example.com", Kind::Scheme, ""),
            ("tauri://*", Kind::Host, ""),
            ("*://localhost", Kind::NotSchemeAndHost, ""),
            ("app://", Kind::Host, ""),
            ("app", Kind::NotSchemeAndHost, ""),
            ("app:localhost", Kind::NotSchemeAndHost, ""),
            ("tauri://localhost/", Kind::MoreThanOrigin, "tauri://localhost"),
            ("tauri://localhost/index.html#a", Kind::MoreThanOrigin, "tauri://localhost"),
            ("tauri://user@localhost", Kind::MoreThanOrigin, ""),
            ("Tauri://localhost", Kind::NotSchemeAndHost, "tauri://localhost"),
            ("app://Obsidian.md", Kind::Case, "app://obsidian.md"),
            ("tauri://localhost:0", Kind::Port, ""),
            ("tauri://local host", Kind::NotPrintableAscii, ""),
            ("javascript://a", Kind::Scheme, ""),
        ] {
            assert_eq!(check(text), Err(kind), "{text}");
            assert_eq!(corrected(text).unwrap_or_default(), meant, "{text}");
        }
    }
}
