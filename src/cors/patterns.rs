//! Origins that nobody can list: local ports, and hosts below one. The whole value is checked, byte
//! by byte.

#[cfg(feature = "subdomains")]
use crate::cors::subdomains::Subdomains;

/// The longest host name (RFC 1035, 2.3.4).
pub(super) const MAX_HOST: usize = 253;

/// Which origins are admitted beside the listed ones.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    pub(super) any_loopback_port: bool,
    #[cfg(feature = "subdomains")]
    pub(super) subdomains: Subdomains,
}

impl Patterns {
    pub(super) fn is_empty(&self) -> bool {
        #[cfg(feature = "subdomains")]
        if !self.subdomains.is_empty() {
            return false;
        }
        !self.any_loopback_port
    }

    pub(super) fn admit(&self, origin: &[u8]) -> bool {
        #[cfg(feature = "subdomains")]
        if self.subdomains.admit(origin) {
            return true;
        }
        self.any_loopback_port && host_of(origin).is_some_and(is_loopback)
    }
}

fn is_loopback(host: &[u8]) -> bool {
    match host {
        b"localhost" | b"127.0.0.1" | b"[::1]" => true,
        // RFC 6761, 6.3: every name below `localhost` is this machine.
        _ => host.ends_with(b".localhost") && is_name(host),
    }
}

/// Labels of lower-case letters, digits and hyphens, as browsers write nearly every host name.
pub(super) fn is_name(host: &[u8]) -> bool {
    // A label is never empty: no dot stands at an end, or beside another one.
    let mut previous = b'.';
    let is_allowed = |&byte: &u8| {
        let is_dot_after_dot = byte == b'.' && previous == b'.';
        previous = byte;
        matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.') && !is_dot_after_dot
    };
    host.len() <= MAX_HOST && host.iter().all(is_allowed) && previous != b'.'
}

/// The host of an origin of the web; `None` for what no browser would serialize so, as far as
/// scheme and port tell.
fn host_of(origin: &[u8]) -> Option<&[u8]> {
    let (default_port, authority) = match origin.strip_prefix(b"https://") {
        Some(rest) => (443, rest),
        None => (80, origin.strip_prefix(b"http://")?),
    };
    let host_end = match authority.first()? {
        b'[' => authority.iter().position(|byte| *byte == b']')? + 1,
        _ => authority.iter().position(|byte| *byte == b':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_end)?;
    match port {
        [] => Some(host),
        [b':', digits @ ..] if is_port(digits, default_port) => Some(host),
        _ => None,
    }
}

/// A port as browsers write it: no leading zero, and the scheme's default never.
fn is_port(digits: &[u8], default: u16) -> bool {
    let number = match digits {
        [b'1'..=b'9', ..] if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) => {
            digits.iter().fold(0, |number: u32, digit| number * 10 + u32::from(digit - b'0'))
        }
        _ => return false,
    };
    u16::try_from(number).is_ok_and(|port| port != default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_loopback_port_is_this_machine_and_nothing_that_looks_like_it() {
        let patterns = Patterns { any_loopback_port: true, ..Patterns::default() };
        for origin in [
            "http://localhost",
            "https://localhost",
            "http://localhost:1",
            "http://localhost:65535",
            "http://localhost:443",
            "https://localhost:80",
            "http://app.localhost:3000",
            "https://a.b-c.localhost",
            "http://127.0.0.1:5173",
            "http://[::1]:5173",
            "https://[::1]",
        ] {
            assert!(patterns.admit(origin.as_bytes()), "{origin}");
        }
        for origin in [
            "",
            "null",
            "http://",
            "http://:3000",
            "localhost:3000",
            "ws://localhost:3000",
            "HTTP://localhost:3000",
            "http://LOCALHOST:3000",
            "http://localhost:",
            "http://localhost:0",
            "http://localhost:00",
            "http://localhost:080",
            "http://localhost:80",
            "https://localhost:443",
            "http://localhost:65536",
            "http://localhost:100000",
            "http://localhost:4294967297",
            "http://localhost:+1",
            "http://localhost:3000/",
            "http://localhost:3000:1",
            "http://localhost.",
            "http://localhost.evil.test",
            "http://evillocalhost",
            "http://.localhost",
            "http://a..localhost",
            "http://a_b.localhost",
            "http://A.localhost",
            "http://evil.test#.localhost",
            "http://evil.test/.localhost",
            "http://user@localhost",
            "http://127.0.0.2:3000",
            "http://127.0.0.1.evil.test",
            "http://[::1",
            "http://[::1]x",
            "http://[::1].localhost",
            "http://[0:0:0:0:0:0:0:1]:3000",
            "http://localhost:3000,http://evil.test",
            "http://localhost:3000 ",
            "http://localhost\0",
        ] {
            assert!(!patterns.admit(origin.as_bytes()), "{origin:?}");
        }
        let long = |n| format!("http://{}.localhost", "a".repeat(n));
        assert!(patterns.admit(long(243).as_bytes()));
        assert!(!patterns.admit(long(244).as_bytes()));
    }
}
