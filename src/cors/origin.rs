//! A serialized origin, parsed: the text that a browser will send, byte for byte.

use std::net::Ipv4Addr;

use http::HeaderValue;
use url::{Host, ParseError, Url};

use crate::cors::problem::CorsPolicyProblemKind as Kind;

/// `https://` + 253 bytes of host name (RFC 1035, 2.3.4) + `:65535`.
const MAX_LENGTH: usize = 267;

/// A host name (RFC 1035, 2.3.4).
const MAX_HOST: usize = 253;

/// A label of a host name (RFC 1035, 2.3.4).
const MAX_LABEL: usize = 63;

/// A serialized origin (HTML, 7.1.1 "Origins") with scheme http or https.
#[derive(Debug)]
pub(super) struct Origin {
    value: HeaderValue,
    scheme: Scheme,
    host: Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn parse(text: &str) -> Result<Self, Kind> {
        // RFC 3986, 3.1, in the lower case that browsers write.
        let is_scheme = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
        match text {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            "" => Err(Kind::NotSchemeAndHost),
            other if other.bytes().all(is_scheme) => Err(Kind::Scheme),
            _ => Err(Kind::NotSchemeAndHost),
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Origin {
    /// The origin that `text` is, exactly as a browser serializes it.
    pub(super) fn parse(text: &str) -> Result<Self, Kind> {
        match text {
            "*" => return Err(Kind::Wildcard),
            "null" => return Err(Kind::NullOrigin),
            _ if text.len() > MAX_LENGTH => return Err(Kind::TooLong),
            _ if !text.bytes().all(|b| b.is_ascii_graphic()) => {
                return Err(Kind::NotPrintableAscii);
            }
            _ => {}
        }
        let (scheme, rest) = text.split_once("://").ok_or(Kind::NotSchemeAndHost)?;
        let scheme = Scheme::parse(scheme)?;
        if rest.contains(['/', '\\', '?', '#', '@']) {
            return Err(Kind::MoreThanOrigin);
        }
        let (host, port) = split_port(rest)?;
        let host = parse_host(host)?;
        check_port(port, Some(scheme.default_port()))?;
        let value = HeaderValue::from_str(text).map_err(|_| Kind::NotPrintableAscii)?;
        Ok(Self { value, scheme, host })
    }

    /// The origin of a page at `url`, as the URL Standard parses it.
    pub(super) fn of_url(url: &str) -> Result<Self, Kind> {
        let url = Url::parse(url).map_err(kind_of)?;
        match url.scheme() {
            "http" | "https" => Self::parse(&url.origin().ascii_serialization()),
            _ if url.cannot_be_a_base() => Err(Kind::NotSchemeAndHost),
            _ => Err(Kind::Scheme),
        }
    }

    pub(super) fn to_text(&self) -> String {
        String::from_utf8_lossy(self.value.as_bytes()).into_owned()
    }

    pub(super) fn into_value(self) -> HeaderValue {
        self.value
    }

    /// The host, if it is a name.
    #[cfg(feature = "subdomains")]
    pub(super) fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }

    /// http, on a host that a browser may reach over a network (Secure Contexts, 3.1).
    pub(super) fn is_insecure(&self) -> bool {
        self.scheme == Scheme::Http && !is_loopback(&self.host)
    }

    /// Whether the host is one that only its own network reaches, where https is seldom to be had.
    pub(super) fn is_in_private_network(&self) -> bool {
        match &self.host {
            Host::Ipv4(address) => is_private(*address),
            Host::Ipv6(address) => match address.to_ipv4_mapped() {
                Some(address) => is_private(address),
                None => address.is_unique_local() || address.is_unicast_link_local(),
            },
            Host::Domain(name) => {
                !name.contains('.') || PRIVATE_ENDS.iter().any(|end| name.ends_with(end))
            }
        }
    }

    /// The same origin with https instead of http.
    pub(super) fn over_https(&self) -> Option<String> {
        corrected_one(&self.to_text().replacen("http:", "https:", 1))
    }
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// RFC 1918, RFC 3927, and the shared space of RFC 6598.
fn is_private(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_private() || address.is_link_local() || (first == 100 && (64..128).contains(&second))
}

/// Names that no public server has: RFC 6762, RFC 8375, RFC 6761, and what ICANN keeps free.
const PRIVATE_ENDS: [&str; 7] =
    [".local", ".home.arpa", ".internal", ".test", ".lan", ".home", ".corp"];

/// The origins that whoever wrote `text` meant, if that is clear: what quotes, commas, a path or
/// another way of writing the host hid.
pub(super) fn corrected(text: &str) -> Vec<String> {
    // With one scheme in the text, what has none is no origin but the rest of a path or a query.
    let one = if text.contains("://") { of_web } else { corrected_one };
    let of_list: Option<Vec<_>> = text
        .split([' ', '\t', '\r', '\n', ',', ';'])
        .filter(|piece| !piece.is_empty())
        .map(one)
        .collect();
    match of_list {
        Some(origins) => origins,
        None => corrected_one(text).into_iter().collect(),
    }
}

fn corrected_one(text: &str) -> Option<String> {
    of_web(text).or_else(|| with_scheme(unwrapped(text)))
}

/// Without the quotes and the space around it.
fn unwrapped(text: &str) -> &str {
    let is_wrapping = |c: char| "\"'`<>\u{feff}".contains(c) || c.is_whitespace() || c.is_control();
    text.trim_matches(is_wrapping)
}

/// With https, or on loopback http, where the scheme was left out.
fn with_scheme(text: &str) -> Option<String> {
    let authority = text.strip_prefix("//").unwrap_or(text);
    let has_scheme = authority.contains("://") || authority.starts_with(['/', ':', '.']);
    let is_host = authority.contains(['.', ':']) || authority == "localhost";
    let secure = of_web(&format!("https://{authority}")).filter(|_| is_host && !has_scheme)?;
    let plain = of_web(&format!("http://{authority}"))?;
    let is_local = Origin::parse(&plain).is_ok_and(|origin| is_loopback(&origin.host));
    Some(if is_local { plain } else { secure })
}

fn of_web(text: &str) -> Option<String> {
    let mut url = Url::parse(unwrapped(text)).ok()?;
    let name = url.host_str()?.trim_end_matches('.').to_owned();
    url.set_host(Some(&name)).ok()?;
    Origin::of_url(url.as_str()).ok().map(|origin| origin.to_text())
}

fn split_port(rest: &str) -> Result<(&str, Option<&str>), Kind> {
    if rest.starts_with('[') {
        let (address, port) = rest.split_once(']').ok_or(Kind::Ipv6)?;
        let host = rest.get(..=address.len()).ok_or(Kind::Ipv6)?;
        return match port.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if port.is_empty() => Ok((host, None)),
            None => Err(Kind::Ipv6),
        };
    }
    match rest.rsplit_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((rest, None)),
    }
}

/// Whether a port is written as browsers write it; the scheme's default they leave out.
pub(super) fn check_port(port: Option<&str>, default: Option<u16>) -> Result<(), Kind> {
    let Some(text) = port else { return Ok(()) };
    match text.parse::<u16>() {
        Ok(port) if Some(port) == default => Err(Kind::DefaultPort),
        // "+8080" and "08080" are numbers, but not what a browser writes.
        Ok(port) if port > 0 && port.to_string() == text => Ok(()),
        _ => Err(Kind::Port),
    }
}

fn parse_host(text: &str) -> Result<Host, Kind> {
    if text.len() > MAX_HOST {
        return Err(Kind::TooLong);
    }
    if !text.starts_with('[') {
        check_labels(text)?;
    }
    let host = Host::parse(text).map_err(kind_of)?;
    if host.to_string() == text {
        return Ok(host);
    }
    Err(match host {
        Host::Domain(_) => Kind::Host,
        Host::Ipv4(_) => Kind::Ipv4,
        Host::Ipv6(_) => Kind::Ipv6NotCanonical,
    })
}

/// Letters, digits, hyphens inside, and the underscore that browsers accept as well.
///
/// URLs allow more in a host ("," "'" "*"): no operator means it, and attackers register it.
fn check_labels(name: &str) -> Result<(), Kind> {
    if name.ends_with('.') {
        return Err(Kind::TrailingDot);
    }
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    match name.split('.').all(is_label) {
        false => Err(Kind::Host),
        true if name.bytes().any(|b| b.is_ascii_uppercase()) => Err(Kind::Case),
        true => Ok(()),
    }
}

fn kind_of(error: ParseError) -> Kind {
    match error {
        ParseError::EmptyHost | ParseError::InvalidDomainCharacter => Kind::Host,
        ParseError::IdnaError => Kind::Punycode,
        ParseError::InvalidPort => Kind::Port,
        ParseError::InvalidIpv4Address => Kind::Ipv4,
        ParseError::InvalidIpv6Address => Kind::Ipv6,
        ParseError::Overflow => Kind::TooLong,
        _ => Kind::NotSchemeAndHost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_serialized_origin_is_named_and_corrected() {
        for (text, kind, expected) in [
            ("https://App.example.com", Kind::Case, "https://app.example.com"),
            ("HTTPS://app.example.com", Kind::NotSchemeAndHost, "https://app.example.com"),
            ("https://bücher.example", Kind::NotPrintableAscii, "https://xn--bcher-kva.example"),
            ("https://app.example.com.", Kind::TrailingDot, "https://app.example.com"),
            ("https://app.example.com:08443", Kind::Port, "https://app.example.com:8443"),
            ("https://app.example.com:+8443", Kind::Port, ""),
            ("https://", Kind::Host, ""),
            ("https://.", Kind::TrailingDot, ""),
            ("https://a.example\\b", Kind::MoreThanOrigin, "https://a.example"),
            ("https://[::1%25lo]", Kind::Ipv6, ""),
            ("https://[2001:DB8::1]", Kind::Ipv6NotCanonical, "https://[2001:db8::1]"),
            ("a://b", Kind::Scheme, ""),
            ("://b", Kind::NotSchemeAndHost, ""),
            ("", Kind::NotSchemeAndHost, ""),
            ("app.example.com", Kind::NotSchemeAndHost, "https://app.example.com"),
            ("app.example.com:8443/a", Kind::NotSchemeAndHost, "https://app.example.com:8443"),
            ("localhost:3000", Kind::NotSchemeAndHost, "http://localhost:3000"),
            ("[::1]:3000", Kind::NotSchemeAndHost, "http://[::1]:3000"),
            ("//app.example.com", Kind::NotSchemeAndHost, "https://app.example.com"),
            ("*.example.com", Kind::NotSchemeAndHost, ""),
            ("https://a.example/?x=1,2", Kind::MoreThanOrigin, "https://a.example"),
            (
                "https://a.example/,https://b.example:444",
                Kind::MoreThanOrigin,
                "https://a.example https://b.example:444",
            ),
        ] {
            assert_eq!(Origin::parse(text).unwrap_err(), kind, "{text}");
            assert_eq!(corrected(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn http_is_secure_on_loopback_only() {
        for (insecure, text) in [
            (false, "https://app.example.com"),
            (false, "http://localhost:3000"),
            (false, "http://app.localhost"),
            (false, "http://127.9.9.9"),
            (false, "http://[::1]"),
            (true, "http://app.example.com"),
            (true, "http://notlocalhost"),
            (true, "http://localhost.example"),
            (true, "http://128.0.0.1"),
            (false, "http://[::ffff:7f00:1]"),
            (true, "http://[::ffff:a00:1]"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().is_insecure(), insecure, "{text}");
        }
    }

    #[test]
    fn a_url_has_the_origin_that_a_browser_gives_it() {
        for (url, expected) in [
            (" https://user:pw@App.Example.com:443/a?b#c ", Ok("https://app.example.com")),
            ("http://0x7f.1:80", Ok("http://127.0.0.1")),
            ("https:app.example.com", Ok("https://app.example.com")),
            ("https://ａpp.example", Ok("https://app.example")),
            ("app.example.com", Err(Kind::NotSchemeAndHost)),
            ("localhost:3000", Err(Kind::NotSchemeAndHost)),
            ("blob:https://app.example.com/1", Err(Kind::NotSchemeAndHost)),
            ("ftp://app.example.com", Err(Kind::Scheme)),
            ("https://app.example.com./", Err(Kind::TrailingDot)),
            ("https://1.2.3.4.5/", Err(Kind::Ipv4)),
            ("https://xn--f/", Err(Kind::Punycode)),
            ("https://a.example:99999/", Err(Kind::Port)),
        ] {
            let origin = Origin::of_url(url).map(|origin| origin.to_text());
            assert_eq!(origin, expected.map(str::to_owned), "{url}");
        }
    }
}
