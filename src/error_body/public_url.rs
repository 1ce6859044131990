//! Where clients reach the service, as a value that is parsed once.

use std::{error::Error, fmt, str::FromStr};

use url::Url;

/// Where clients reach the service: the start of an absolute `uri` member.
///
/// `http` or `https`, a host, and optionally a port and a path, for a service behind a prefix.
/// Trailing slashes are dropped; the path of the request is appended, never resolved against it.
///
/// ```
/// use tower_contract::PublicUrl;
///
/// let url: PublicUrl = "https://api.example.com/v1/".parse()?;
/// assert_eq!(url.to_string(), "https://api.example.com/v1");
///
/// let error = "https://user@api.example.com?a".parse::<PublicUrl>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "public URL \"https://***@api.example.com?a\": it has userinfo; it has a query; \
///      use \"https://api.example.com\"",
/// );
/// # Ok::<(), tower_contract::PublicUrlError>(())
/// ```
///
/// # Errors
///
/// Parsing lists every reason at once: not an absolute `http` or `https` URL with a host; userinfo;
/// a query; a fragment; white space or a backslash in it; more than 1,024 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicUrl {
    url: String,
    path_at: usize,
}

/// The longest public URL: half of the longest `uri`, so that the path of the request has room.
const MAX_PUBLIC_URL: usize = 1_024;

/// Why a text is no [`PublicUrl`]. Userinfo in it is masked, as in `Debug`, which `main` prints.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrlError {
    /// Without userinfo.
    value: String,
    problems: Vec<String>,
    corrected: Option<String>,
}

// ===== impl PublicUrl =====

impl PublicUrl {
    /// `https://host:port`, and the path without its last slash.
    pub(super) fn origin_and_path(&self) -> (&str, &str) {
        self.url.split_at(self.path_at)
    }
}

/// Where the path begins in a URL that is parsed.
fn path_at(url: &str) -> usize {
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let path = url.get(authority..).and_then(|rest| rest.find('/'));
    path.map_or(url.len(), |at| authority + at)
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        let fail = |problems, corrected| {
            let value = masked(value);
            Err(PublicUrlError { value, problems, corrected })
        };
        let mut url = match http_url(value) {
            Ok(url) => url,
            Err(problem) => return fail(vec![problem], None),
        };
        let problems = flaws(value, &url);
        // Only URLs that cannot have userinfo refuse these, and http has it.
        let _ = (url.set_username(""), url.set_password(None));
        url.set_query(None);
        url.set_fragment(None);
        let url = url.as_str().trim_end_matches('/').to_owned();
        match (problems.is_empty(), url.len() <= MAX_PUBLIC_URL) {
            (true, true) => Ok(Self { path_at: path_at(&url), url }),
            (false, true) => fail(problems, Some(url)),
            (_, false) => fail(vec![format!("it is longer than {MAX_PUBLIC_URL} bytes")], None),
        }
    }
}

/// The URL, if it is one of http with its two slashes; the URL Standard would add them silently.
fn http_url(value: &str) -> Result<Url, String> {
    let is_http = |scheme: &str| ["http", "https"].iter().any(|h| scheme.eq_ignore_ascii_case(h));
    match value.split_once("://") {
        Some((scheme, rest)) if is_http(scheme) && !rest.starts_with(['/', '?', '#']) => {
            Url::parse(value).map_err(|error| error.to_string())
        }
        _ => Err("it is not an absolute http or https URL with a host".to_owned()),
    }
}

/// What a URL has that no public URL may have.
fn flaws(value: &str, url: &Url) -> Vec<String> {
    let has_userinfo = !url.username().is_empty() || url.password().is_some();
    let is_repaired = value.contains(is_repaired);
    [
        (has_userinfo, "it has userinfo"),
        (url.query().is_some(), "it has a query"),
        (url.fragment().is_some(), "it has a fragment"),
        (is_repaired, "it has white space or a backslash in it"),
    ]
    .into_iter()
    .filter(|(present, _)| *present)
    .map(|(_, problem)| problem.to_owned())
    .collect()
}

/// `value` with `***` for what could be a user and password.
fn masked(value: &str) -> String {
    let (before, rest) = value.split_once("://").unwrap_or(("", value));
    match rest.rsplit_once('@') {
        Some((_, rest)) if before.is_empty() => format!("***@{rest}"),
        Some((_, rest)) => format!("{before}://***@{rest}"),
        None => value.to_owned(),
    }
}

/// What the URL Standard drops or replaces in silence.
fn is_repaired(character: char) -> bool {
    character.is_whitespace() || character.is_control() || character == '\\'
}

impl TryFrom<&str> for PublicUrl {
    type Error = PublicUrlError;

    fn try_from(value: &str) -> Result<Self, Self::Error> {
        value.parse()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Display for PublicUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "public URL {:?}: {}", self.value, self.problems.join("; "))?;
        match &self.corrected {
            Some(corrected) => write!(f, "; use {corrected:?}"),
            None => f.write_str("; use one like \"https://api.example.com\""),
        }
    }
}

impl fmt::Debug for PublicUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PublicUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_parsed_by_the_url_standard() {
        for (value, expected) in [
            ("http://localhost:8080", "http://localhost:8080"),
            ("HTTPS://Bücher.example:443/", "https://xn--bcher-kva.example"),
            ("http://[::1]:80/a/b/", "http://[::1]/a/b"),
        ] {
            assert_eq!(value.parse::<PublicUrl>().unwrap().to_string(), expected);
        }
        for (value, problem) in [
            ("http://a:99999", "invalid port number"),
            ("http://", "empty host"),
            ("http://user:secret@a b", "invalid international domain name"),
        ] {
            let error = value.parse::<PublicUrl>().unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains("secret"), "{error}");
        }
        let long = format!("https://a.example/{}", "a".repeat(1024));
        let error = long.parse::<PublicUrl>().unwrap_err().to_string();
        assert!(error.contains("longer than 1024 bytes"), "{error}");
        for value in
            ["", "api.example.com", "ftp://a.example", "http:/a.example", "http:///a", "/a"]
        {
            let error = value.parse::<PublicUrl>().unwrap_err().to_string();
            assert!(error.contains("not an absolute http or https URL with a host"), "{error}");
        }
        let error = "http://a.example/a b#f".parse::<PublicUrl>().unwrap_err().to_string();
        assert!(error.contains("fragment; it has white space"), "{error}");
    }
}
