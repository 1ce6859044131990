//! The policy: which front ends may read the responses, and what they may send.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};

use crate::cors::{
    answer::{CorsHeaders, OriginHeader, RequestOrigin},
    lists::{self, Lists, owned},
    names,
    origin::Origin,
    origins::Origins,
    patterns::Patterns,
    problem::{CorsPolicyError, CorsPolicyProblem as Problem, CorsPolicySetting as Setting},
    server_urls,
};

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
///     .json_pages()
///     .expose_headers(["Retry-After"])
///     .max_age(Duration::from_secs(600))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CorsPolicy {
    pub(super) lines: Arc<CorsHeaders>,
}

/// Builds a [`CorsPolicy`]; made by [`CorsPolicy::builder`].
///
/// Every list is a set: what is there twice counts once, request headers without regard to case.
/// The order of the setters does not matter, except that of two whole lists the last one counts.
///
/// ```
/// use tower_contract::CorsPolicy;
///
/// let error = CorsPolicy::builder(["https://app.example.com/"]).build().unwrap_err();
/// assert_eq!(error.problems()[0].corrected(), ["https://app.example.com"]);
/// ```
#[doc(alias("AllowOrigin", "permissive"))]
#[derive(Clone, Debug)]
#[must_use]
pub struct CorsPolicyBuilder {
    server_urls: Vec<String>,
    app_origins: Vec<String>,
    #[cfg(feature = "subdomains")]
    subdomains_of: Vec<String>,
    any_loopback_port: bool,
    lists: Lists,
    origin_header: OriginHeader,
    readable_challenges: bool,
    allow_insecure_origins: bool,
}

// ===== impl CorsPolicy =====

impl CorsPolicy {
    /// Creates a builder that starts from the contract's values: methods `GET, POST, OPTIONS`,
    /// request headers `Authorization, Origin`, credentials allowed.
    ///
    /// `server_urls` are the origins of the front ends, 1 to 65,535 of them, each as a browser
    /// writes it: `https://app.example.com`, without slash. The first is what a foreign page is
    /// told. What a request costs does not depend on their number.
    pub fn builder(server_urls: impl IntoIterator<Item = impl Into<String>>) -> CorsPolicyBuilder {
        CorsPolicyBuilder {
            server_urls: server_urls.into_iter().map(Into::into).collect(),
            app_origins: Vec::new(),
            #[cfg(feature = "subdomains")]
            subdomains_of: Vec::new(),
            any_loopback_port: false,
            lists: Lists::new(names::CONTRACT_METHODS, names::CONTRACT_HEADERS),
            origin_header: OriginHeader::default(),
            readable_challenges: false,
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

    /// Tells whether this request comes from a page that the policy admits.
    ///
    /// For what CORS does not guard: a browser opens a WebSocket, and sends a form, without asking.
    /// No layer of this crate refuses either.
    ///
    /// ```
    /// use http::{HeaderMap, header::ORIGIN};
    /// use tower_contract::{CorsPolicy, RequestOrigin};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let policy = CorsPolicy::builder(["https://app.example.com"]).build()?;
    /// let from = |origin: &str| Ok::<_, http::Error>(HeaderMap::from_iter([(ORIGIN, origin.parse()?)]));
    ///
    /// let own = policy.origin_of_request(&from("https://app.example.com")?);
    /// assert_eq!(own, RequestOrigin::Admitted);
    /// assert_eq!(policy.origin_of_request(&from("null")?), RequestOrigin::Foreign);
    /// assert_eq!(policy.origin_of_request(&HeaderMap::new()), RequestOrigin::Absent);
    /// # Ok(())
    /// # }
    /// ```
    pub fn origin_of_request(&self, headers: &HeaderMap) -> RequestOrigin {
        self.lines.origin_of_request(headers)
    }

    pub(super) fn into_lines(self) -> Arc<CorsHeaders> {
        self.lines
    }
}

// ===== impl CorsPolicyBuilder =====

impl CorsPolicyBuilder {
    /// Sets the methods that pages may use; the whole list, which need not have the contract's.
    ///
    /// GET, HEAD and POST are never refused by a browser, whatever the list says.
    pub fn allow_methods(mut self, methods: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.lists.methods = owned(methods);
        self
    }

    /// Adds methods that pages may use to the list.
    pub fn also_allow_methods(
        mut self,
        methods: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Self {
        self.lists.also_methods.extend(owned(methods));
        self
    }

    /// Sets the request headers that pages may send; the whole list, which need not have the
    /// contract's.
    pub fn allow_headers(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.lists.headers = owned(names);
        self
    }

    /// Adds request headers that pages may send to the list.
    ///
    /// A page that sends JSON needs `Content-Type`; [`json_pages`](Self::json_pages) adds it.
    pub fn also_allow_headers(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.lists.also_headers.extend(owned(names));
        self
    }

    /// Adds response headers that pages may read, beside those that Fetch always shows.
    pub fn expose_headers(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.lists.exposed.extend(owned(names));
        self
    }

    /// Adds what pages that send JSON need: `Content-Type`, and PUT, PATCH and DELETE.
    pub fn json_pages(mut self) -> Self {
        self.lists.add(&lists::JSON);
        self
    }

    /// Adds what pages that call gRPC-Web need: its request headers, and the fields of a call's
    /// status, `Grpc-Status-Details-Bin` among them, to be read. Metadata of your own is not in it.
    pub fn grpc_web_pages(mut self) -> Self {
        self.lists.add(&lists::GRPC_WEB);
        self
    }

    /// Adds what pages that call Connect need: its request headers, and its fields to be read.
    /// Metadata of your own is not in it.
    pub fn connect_pages(mut self) -> Self {
        self.lists.add(&lists::CONNECT);
        self
    }

    /// Sets how long a browser may keep the answer to a preflight: whole seconds, at most one day.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.lists.max_age = Some(max_age);
        self
    }

    /// Sets under which name the allowed origin is sent; both, if this is not called.
    pub fn origin_header(mut self, origin_header: OriginHeader) -> Self {
        self.origin_header = origin_header;
        self
    }

    /// Adds the origins of an app's own pages, exactly as its web view sends them:
    /// `tauri://localhost`, `capacitor://localhost`, `ionic://localhost`,
    /// `chrome-extension://<id>`.
    ///
    /// Such an origin is that of **any app that uses this scheme** and host on a user's machine;
    /// only the `<id>` of an extension is its own. The schemes of the web are not taken, nor those
    /// whose pages have no origin, as `file` and `data`.
    pub fn app_origins(mut self, origins: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.app_origins.extend(owned(origins));
        self
    }

    /// Admits every host below these, with the same scheme and port:
    /// `https://preview.example.com` admits `https://pr-7.preview.example.com`, and not itself.
    ///
    /// Whoever can serve a page on one of these hosts reads what your own pages read. So a host is
    /// refused here if those below it belong to many: an IP address, a single label, a public
    /// suffix (`github.io`, `co.uk`), and a host below which there is one (`amazonaws.com`). Hosts
    /// are of lower-case letters, digits, hyphens and dots, at most 253 bytes.
    #[cfg(feature = "subdomains")]
    pub fn subdomains_of(mut self, origins: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.subdomains_of.extend(owned(origins));
        self
    }

    /// Admits `localhost`, all names below it, `127.0.0.1` and `[::1]` at any port, by http and
    /// https: for development, where a port is whatever was free.
    ///
    /// Every program that serves pages on a user's machine then reads what your own pages read.
    pub fn any_loopback_port(mut self) -> Self {
        self.any_loopback_port = true;
        self
    }

    /// Lets pages read a 401 that a browser would keep for itself.
    ///
    /// A page that has sent credentials never gets a response whose `WWW-Authenticate` names Basic,
    /// Digest, NTLM or Negotiate: the browser asks the user for a password, and the page waits. For
    /// requests whose `Origin` the policy admits these lines are sent as `X-WWW-Authenticate`,
    /// which is exposed. Pages of the service's own origin, and clients that send no `Origin`, get
    /// the challenge as it is. A 401 then has `Vary: Origin`, also with one front end.
    pub fn readable_challenges(mut self) -> Self {
        self.readable_challenges = true;
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
    pub fn build(mut self) -> Result<CorsPolicy, CorsPolicyError> {
        let mut problems = Vec::new();
        let insecure = self.allow_insecure_origins;
        let mut listed = server_urls::parse(&self.server_urls, insecure, &mut problems);
        let apps =
            server_urls::parse_apps(&self.app_origins, self.server_urls.len(), &mut problems);
        listed.extend(apps);
        let patterns = Patterns {
            any_loopback_port: self.any_loopback_port,
            #[cfg(feature = "subdomains")]
            subdomains: server_urls::parse_subdomains(&self.subdomains_of, insecure, &mut problems),
        };
        if self.readable_challenges {
            self.lists.exposed.push("X-WWW-Authenticate".to_owned());
        }
        let lines = self.lists.parse(false, &mut problems);
        let Some(lines) = lines.filter(|_| problems.is_empty()) else {
            return Err(CorsPolicyError::new(problems));
        };
        let origins = Origins::new(listed, patterns);
        let varies = origins.are_several();
        let lines = CorsHeaders {
            origins,
            origin_header: self.origin_header,
            methods: lines.methods,
            headers: lines.headers,
            exposed: lines.exposed,
            max_age: lines.max_age,
            credentials: Some(HeaderValue::from_static("true")),
            readable_challenges: self.readable_challenges,
            reads_origin: varies || self.readable_challenges,
            varies,
        };
        Ok(CorsPolicy { lines: lines.shared() })
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
            6 problems with the CORS policy:
            - server_urls: "https://app.example.com/" has more than scheme, host and port; use "https://app.example.com"
            - server_urls: "*" means nothing where credentials are included; list the values; a pattern is no origin: for every page, without credentials, there is CorsPolicy::public()
            - server_urls: "http://a.example" is http and not loopback; use "https://a.example"
            - allow_methods: "GET, POST, OPTIONS" is not a name; use "GET", "POST", "OPTIONS"
            - expose_headers: "*" means nothing where credentials are included; list the values
            - max_age: "1ms" is not a number of whole seconds from 0 to 86,400
        "#]].assert_eq(&format!("{error}\n"));
    }
}
