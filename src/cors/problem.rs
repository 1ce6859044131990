//! Why a configuration is not a policy: every problem at once, each with its corrected form.

use std::{error::Error, fmt};

/// A configuration that is no policy, with **every** problem that it has.
///
/// ```
/// use tower_contract::{CorsPolicy, CorsPolicyProblemKind};
///
/// let error = CorsPolicy::builder(["https://app.example.com/", "https://admin.example.com"])
///     .allow_methods(["GET", "POST", "OPTIONS", "put"])
///     .build()
///     .unwrap_err();
///
/// assert_eq!(error.problems().len(), 2);
/// assert_eq!(error.problems()[0].kind(), CorsPolicyProblemKind::MoreThanOrigin);
/// assert_eq!(
///     error.to_string(),
///     "2 problems with the CORS policy:\n\
///      - server_urls: \"https://app.example.com/\" has more than scheme, host and port; \
///      use \"https://app.example.com\"\n\
///      - allow_methods: \"put\" never matches, origins and methods are case-sensitive; use \"PUT\""
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CorsPolicyError {
    problems: Vec<CorsPolicyProblem>,
}

/// One problem of a configuration: where, what kind, the value, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsPolicyProblem {
    setting: CorsPolicySetting,
    kind: CorsPolicyProblemKind,
    value: String,
    corrected: Vec<String>,
    advice: Option<&'static str>,
}

/// The setting that a [`CorsPolicyProblem`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CorsPolicySetting {
    /// The server urls that [`CorsPolicy::builder`](crate::CorsPolicy::builder) was given.
    ServerUrls,
    /// [`allow_methods`](crate::CorsPolicyBuilder::allow_methods).
    AllowMethods,
    /// [`allow_headers`](crate::CorsPolicyBuilder::allow_headers).
    AllowHeaders,
    /// [`expose_headers`](crate::CorsPolicyBuilder::expose_headers).
    ExposeHeaders,
    /// [`max_age`](crate::CorsPolicyBuilder::max_age).
    MaxAge,
    /// [`app_origins`](crate::CorsPolicyBuilder::app_origins).
    AppOrigins,
    /// [`subdomains_of`](crate::CorsPolicyBuilder::subdomains_of), with feature `subdomains`.
    SubdomainsOf,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CorsPolicyProblemKind {
    /// The list is empty.
    Missing,
    /// More than 65,535 server urls and origins of apps.
    TooMany,
    /// Longer than any origin can be.
    TooLong,
    /// `*`: browsers take it literally where credentials are included, and so they always are.
    Wildcard,
    /// `null`: the origin of every sandboxed frame, so of everyone.
    NullOrigin,
    /// White space, a control character, or a character that is not ASCII.
    NotPrintableAscii,
    /// Not of the form `scheme://host`.
    NotSchemeAndHost,
    /// Not http or https in a server url; one of the web, or of no origin, in that of an app.
    Scheme,
    /// A slash, path, query, fragment or userinfo, which no origin has.
    MoreThanOrigin,
    /// Not a host name.
    Host,
    /// A host that ends in a number and is not an IPv4 address in its usual form.
    Ipv4,
    /// Not an IPv6 address in brackets.
    Ipv6,
    /// An IPv6 address in another form than the one that browsers send.
    Ipv6NotCanonical,
    /// A label that starts with `xn--` and is not valid Punycode.
    Punycode,
    /// A host name with a dot at its end, which is another origin than the one without.
    TrailingDot,
    /// Not a port from 1 to 65535.
    Port,
    /// The scheme's default port, which browsers leave out.
    DefaultPort,
    /// http on a host that is not loopback: whoever is on the network speaks for that page.
    Insecure,
    /// A host whose subdomains are not all of one owner: an address, a single label, a public
    /// suffix, or a host that has one below it.
    SharedSubdomains,
    /// Not a method or field name (RFC 9110, 5.6.2 "Tokens").
    NotAToken,
    /// A known method, or a host name, in another case than the one that browsers send.
    Case,
    /// A method or field name that Fetch forbids, so that listing it has no effect.
    Forbidden,
    /// A field of responses among those of requests, or the reverse.
    WrongDirection,
    /// Not whole seconds, or more than 86,400 of them.
    OutOfRange,
}

// ===== impl CorsPolicyError =====

impl CorsPolicyError {
    pub(super) fn new(problems: Vec<CorsPolicyProblem>) -> Self {
        Self { problems }
    }

    /// Returns every problem, in the order of the settings; there is at least one.
    pub fn problems(&self) -> &[CorsPolicyProblem] {
        &self.problems
    }
}

impl fmt::Display for CorsPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("1 problem with the CORS policy:")?,
            n => write!(f, "{n} problems with the CORS policy:")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

/// As `Display`: it is what a `main` that returns the error prints.
impl fmt::Debug for CorsPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CorsPolicyError {}

// ===== impl CorsPolicyProblem =====

impl CorsPolicyProblem {
    pub(super) fn new(
        setting: CorsPolicySetting,
        kind: CorsPolicyProblemKind,
        value: impl Into<String>,
    ) -> Self {
        Self { setting, kind, value: value.into(), corrected: Vec::new(), advice: None }
    }

    pub(super) fn with_corrected(mut self, corrected: Vec<String>) -> Self {
        self.corrected = corrected;
        self
    }

    pub(super) fn with_advice(mut self, advice: Option<&'static str>) -> Self {
        self.advice = advice;
        self
    }

    /// Returns the setting that the value was given to.
    pub fn setting(&self) -> CorsPolicySetting {
        self.setting
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> CorsPolicyProblemKind {
        self.kind
    }

    /// Returns the value as it was given; of a list without values, the empty text.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns what to write instead, where that is known: one value, or several if a list was
    /// given as one text.
    ///
    /// A policy with these values in the place of [`value`](Self::value) is accepted, if
    /// [`advice`](Self::advice) asks for nothing else.
    pub fn corrected(&self) -> &[String] {
        &self.corrected
    }

    /// Returns what else is needed, or what there is instead, where another value is not enough.
    pub fn advice(&self) -> Option<&str> {
        self.advice
    }
}

impl fmt::Display for CorsPolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.setting)?;
        if self.kind != CorsPolicyProblemKind::Missing {
            write!(f, "{} ", Quoted(&self.value))?;
        }
        write!(f, "{}", self.kind)?;
        let mut separator = "; use ";
        for value in &self.corrected {
            write!(f, "{separator}{}", Quoted(value))?;
            separator = ", ";
        }
        if let Some(advice) = self.advice {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}

impl Error for CorsPolicyProblem {}

/// A value on one line, escaped, and no longer than a line.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An origin's greatest length: what is longer is wrong for its length.
        const LIMIT: usize = 300;
        match self.0.char_indices().nth(LIMIT) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}…", self.0.get(..end).unwrap_or_default()),
        }
    }
}

// ===== the words =====

impl fmt::Display for CorsPolicySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerUrls => "server_urls",
            Self::AllowMethods => "allow_methods",
            Self::AllowHeaders => "allow_headers",
            Self::ExposeHeaders => "expose_headers",
            Self::MaxAge => "max_age",
            Self::AppOrigins => "app_origins",
            Self::SubdomainsOf => "subdomains_of",
        })
    }
}

impl fmt::Display for CorsPolicyProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "at least one value is needed",
            Self::TooMany => "are more than 65,535",
            Self::TooLong => "is longer than any origin",
            Self::Wildcard => "means nothing where credentials are included; list the values",
            Self::NullOrigin => "is the origin of every sandboxed frame",
            Self::NotPrintableAscii => "has white space, control or non-ASCII characters",
            Self::NotSchemeAndHost => "is not of the form scheme://host",
            Self::Scheme => "has a scheme that is not allowed here",
            Self::MoreThanOrigin => "has more than scheme, host and port",
            Self::Host => "has no valid host name",
            Self::Ipv4 => "has no valid IPv4 address, and ends in a number",
            Self::Ipv6 => "has no valid IPv6 address",
            Self::Ipv6NotCanonical => "never matches, browsers write this IPv6 address differently",
            Self::Punycode => "has a label that is not valid Punycode",
            Self::TrailingDot => "ends in a dot, which makes it another origin",
            Self::Port => "has no valid port",
            Self::DefaultPort => "never matches, browsers leave a default port out",
            Self::Insecure => "is http and not loopback",
            Self::SharedSubdomains => "has subdomains that belong to others",
            Self::NotAToken => "is not a name",
            Self::Case => "never matches, origins and methods are case-sensitive",
            Self::Forbidden => "is forbidden by the Fetch standard, listing it has no effect",
            Self::WrongDirection => "has no meaning in this direction",
            Self::OutOfRange => "is not a number of whole seconds from 0 to 86,400",
        })
    }
}
