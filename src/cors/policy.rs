//! The policy: which front ends may read the responses, and what they may send.

use std::{collections::HashSet, sync::Arc, time::Duration};

use http::HeaderValue;

use crate::cors::{
    answer::{CorsHeaders, OriginHeader},
    names,
    origin::{self, Origin},
    origins::Origins,
    problem::{
        CorsPolicyError, CorsPolicyProblem as Problem, CorsPolicyProblemKind as Kind,
        CorsPolicySetting as Setting,
    },
};

/// More front ends than this are tenants, and belong into a policy that is replaced
/// ([`CorsPolicyHandle`](crate::CorsPolicyHandle)) or into a gateway.
const MAX_SERVER_URLS: usize = 1_024;

/// The greatest `Access-Control-Max-Age` that any browser honours: Firefox's, one day.
const MAX_MAX_AGE: Duration = Duration::from_secs(86_400);

/// Which pages may read the responses of a service, credentials included, and what they may send.
///
/// A policy is valid by construction: [`build`](CorsPolicyBuilder::build) is the one place that can
/// fail, and it tells every problem at once.
///
/// ```
/// use std::time::Duration;
/// use tower_contract::CorsPolicy;
///
/// # fn main() -> Result<(), tower_contract::CorsPolicyError> {
/// let policy = CorsPolicy::builder(["https://app.example.com", "http://localhost:3000"])
///     .allow_headers(["Authorization", "Origin", "Content-Type"])
///     .expose_headers(["Retry-After"])
///     .max_age(Duration::from_secs(600))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CorsPolicy {
    lines: Arc<CorsHeaders>,
}

/// Builds a [`CorsPolicy`]; made by [`CorsPolicy::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct CorsPolicyBuilder {
    server_urls: Vec<String>,
    allow_methods: Vec<String>,
    allow_headers: Vec<String>,
    expose_headers: Vec<String>,
    max_age: Option<Duration>,
    origin_header: OriginHeader,
    allow_insecure_origins: bool,
}

// ===== impl CorsPolicy =====

impl CorsPolicy {
    /// Creates a builder that starts from the contract's values: methods `GET, POST, OPTIONS`, request headers
    /// `Authorization, Origin`, credentials allowed.
    ///
    /// `server_urls` are the origins of the front ends, 1 to 1,024 of them, each as a browser
    /// writes it: `https://app.example.com`, without slash. The first is what a foreign page is
    /// told.
    pub fn builder(server_urls: impl IntoIterator<Item = impl Into<String>>) -> CorsPolicyBuilder {
        CorsPolicyBuilder {
            server_urls: server_urls.into_iter().map(Into::into).collect(),
            allow_methods: owned(names::CONTRACT_METHODS.split(", ")),
            allow_headers: owned(names::CONTRACT_HEADERS.split(", ")),
            expose_headers: Vec::new(),
            max_age: None,
            origin_header: OriginHeader::default(),
            allow_insecure_origins: false,
        }
    }

    /// Returns the origin of a page at `url`, in the form that [`builder`](Self::builder) takes.
    ///
    /// # Errors
    ///
    /// If `url` is no absolute URL of the URL Standard, or has another scheme than http and https,
    /// or a host that no browser sends.
    ///
    /// ```
    /// use tower_contract::CorsPolicy;
    ///
    /// let origin = CorsPolicy::origin_of("https://Bücher.example:443/login?next=%2F");
    /// assert_eq!(origin.as_deref(), Ok("https://xn--bcher-kva.example"));
    /// assert!(CorsPolicy::origin_of("app.example.com").is_err());
    /// ```
    pub fn origin_of(url: &str) -> Result<String, Problem> {
        Origin::of_url(url)
            .map(|origin| origin.to_text())
            .map_err(|kind| Problem::new(Setting::ServerUrls, kind, url))
    }

    pub(super) fn into_lines(self) -> Arc<CorsHeaders> {
        self.lines
    }
}

// ===== impl CorsPolicyBuilder =====

impl CorsPolicyBuilder {
    /// Sets the methods that pages may use; the full list, the contract's among them.
    pub fn allow_methods(mut self, methods: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.allow_methods = owned(methods);
        self
    }

    /// Sets the request headers that pages may send; the full list, the contract's among them.
    ///
    /// A page that sends JSON needs `Content-Type` here.
    pub fn allow_headers(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.allow_headers = owned(names);
        self
    }

    /// Sets the response headers that pages may read, beside those that Fetch always shows.
    pub fn expose_headers(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.expose_headers = owned(names);
        self
    }

    /// Sets how long a browser may keep the answer to a preflight: whole seconds, at most one day.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Sets under which name the allowed origin is sent; both, if this is not called.
    pub fn origin_header(mut self, origin_header: OriginHeader) -> Self {
        self.origin_header = origin_header;
        self
    }

    /// Allows server urls with http on hosts that are not loopback.
    ///
    /// Whoever is on the network between such a page and its user can change the page, and then
    /// acts here with the user's credentials.
    pub fn dangerously_allow_insecure_origins(mut self) -> Self {
        self.allow_insecure_origins = true;
        self
    }

    /// Builds the policy.
    ///
    /// # Errors
    ///
    /// With every problem of every setting, each with its corrected form where there is one.
    pub fn build(self) -> Result<CorsPolicy, CorsPolicyError> {
        let origins = parse_server_urls(&self.server_urls, self.allow_insecure_origins);
        let methods = names::methods(&self.allow_methods);
        let headers = names::request_fields(&self.allow_headers);
        let exposed = names::exposed_fields(&self.expose_headers);
        let max_age = self.max_age.map(parse_max_age).transpose();
        match (origins, methods, headers, exposed, max_age) {
            (Ok(origins), Ok(methods), Ok(headers), Ok(exposed), Ok(max_age)) => {
                let origins = Origins::new(origins);
                let varies = origins.has_several();
                let lines = CorsHeaders {
                    origins,
                    origin_header: self.origin_header,
                    methods,
                    headers: Some(headers),
                    exposed,
                    max_age,
                    allows_credentials: true,
                    reads_origin: varies,
                    varies,
                };
                Ok(CorsPolicy { lines: lines.shared() })
            }
            (origins, methods, headers, exposed, max_age) => {
                let problems = [
                    origins.err(),
                    methods.err(),
                    headers.err(),
                    exposed.err(),
                    max_age.map_err(|problem| vec![problem]).err(),
                ];
                Err(CorsPolicyError::new(problems.into_iter().flatten().flatten().collect()))
            }
        }
    }
}

fn owned(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect()
}

// ===== text into values =====

fn parse_server_urls(
    urls: &[String],
    allow_insecure: bool,
) -> Result<Vec<HeaderValue>, Vec<Problem>> {
    let problem = |kind, value: &str| Problem::new(Setting::ServerUrls, kind, value);
    let mut problems = Vec::new();
    match urls.len() {
        0 => problems.push(problem(Kind::Missing, "")),
        1..=MAX_SERVER_URLS => {}
        n => problems.push(problem(Kind::TooMany, &n.to_string())),
    }
    let mut seen = HashSet::new();
    let mut origins = Vec::new();
    for url in urls {
        match Origin::parse(url) {
            Err(kind) => {
                problems.push(problem(kind, url).with_corrected(origin::corrected(url)));
            }
            Ok(_) if !seen.insert(url) => problems.push(problem(Kind::Duplicate, url)),
            Ok(origin) if origin.is_insecure() && !allow_insecure => {
                let corrected = origin.over_https().into_iter().collect();
                problems.push(problem(Kind::Insecure, url).with_corrected(corrected));
            }
            Ok(origin) => origins.push(origin.into_value()),
        }
    }
    if problems.is_empty() { Ok(origins) } else { Err(problems) }
}

fn parse_max_age(max_age: Duration) -> Result<HeaderValue, Problem> {
    if max_age <= MAX_MAX_AGE && max_age.subsec_nanos() == 0 {
        Ok(HeaderValue::from(max_age.as_secs()))
    } else {
        Err(Problem::new(Setting::MaxAge, Kind::OutOfRange, format!("{max_age:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_at_once() {
        let error = CorsPolicy::builder(["https://app.example.com/", "*", "http://a.example"])
            .allow_methods(["GET, POST, OPTIONS"])
            .allow_headers(["Authorization"])
            .expose_headers(["*"])
            .max_age(Duration::from_millis(1))
            .build()
            .unwrap_err();
        expect_test::expect![[r#"
            10 problems with the CORS policy:
            - server_urls: "https://app.example.com/" has more than scheme, host and port; use "https://app.example.com"
            - server_urls: "*" means nothing where credentials are included; list the values
            - server_urls: "http://a.example" is http and not loopback; use "https://a.example"
            - allow_methods: "GET, POST, OPTIONS" is not a name; use "GET", "POST", "OPTIONS"
            - allow_methods: "GET" is missing, the contract names it
            - allow_methods: "POST" is missing, the contract names it
            - allow_methods: "OPTIONS" is missing, the contract names it
            - allow_headers: "Origin" is missing, the contract names it
            - expose_headers: "*" means nothing where credentials are included; list the values
            - max_age: "1ms" is not a number of whole seconds from 0 to 86,400
        "#]]
        .assert_eq(&format!("{error}\n"));
    }

    #[test]
    fn a_max_age_is_whole_seconds_of_at_most_a_day() {
        for (valid, max_age) in [
            (true, Duration::ZERO),
            (true, Duration::from_secs(86_400)),
            (false, Duration::from_secs(86_401)),
            (false, Duration::from_nanos(86_400_000_000_001)),
            (false, Duration::from_millis(1_500)),
            (false, Duration::MAX),
        ] {
            assert_eq!(parse_max_age(max_age).is_ok(), valid, "{max_age:?}");
        }
    }
}
