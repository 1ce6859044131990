//! Challenges that a browser would keep for itself.

use http::{HeaderMap, HeaderName, HeaderValue, header::WWW_AUTHENTICATE};

/// The name under which a page reads such a challenge.
pub(super) const READABLE: HeaderName = HeaderName::from_static("x-www-authenticate");

/// Schemes for which a browser asks the user, while the page waits (seen in Chromium).
const ASKED_FOR: [&[u8]; 4] = [b"basic", b"digest", b"negotiate", b"ntlm"];

/// Renames each `WWW-Authenticate` line for which a browser would ask the user.
#[cold]
pub(super) fn make_readable(headers: &mut HeaderMap) {
    let lines: Vec<HeaderValue> = headers.get_all(WWW_AUTHENTICATE).iter().cloned().collect();
    if !lines.iter().any(is_asked_for) {
        return;
    }
    headers.remove(WWW_AUTHENTICATE);
    for line in lines {
        let name = if is_asked_for(&line) { READABLE } else { WWW_AUTHENTICATE };
        let _ = headers.try_append(name, line);
    }
}

/// Whether one of the challenges in a line is of such a scheme (RFC 9110, 11.6.1).
///
/// Every comma counts, also one in a quoted string: a challenge that is taken for one too many only
/// has another name, one that is missed makes the page wait.
fn is_asked_for(line: &HeaderValue) -> bool {
    line.as_bytes().split(|byte| *byte == b',').any(|challenge| {
        let mut words = challenge.trim_ascii().split(u8::is_ascii_whitespace);
        let scheme = words.next().unwrap_or_default();
        ASKED_FOR.iter().any(|asked_for| scheme.eq_ignore_ascii_case(asked_for))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_of_any_such_scheme_is_found_alone_and_among_others() {
        for line in [
            "Basic realm=\"x\"",
            "basic",
            "Basic",
            " DIGEST nonce=1",
            "Bearer realm=\"a\", Basic realm=\"b\"",
            "Bearer,Negotiate",
            "NTLM",
            "Basic\trealm=x",
        ] {
            assert!(is_asked_for(&HeaderValue::from_str(line).unwrap()), "{line}");
        }
        for line in ["", "Bearer realm=\"Basic\"", "Bearer", "BasicX a", "Bearer a=basic, b=digest"]
        {
            assert!(!is_asked_for(&HeaderValue::from_str(line).unwrap()), "{line}");
        }
    }
}
