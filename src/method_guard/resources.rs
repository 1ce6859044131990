//! Which methods each resource supports, and what is answered to the others.

use std::{error::Error, fmt};

use http::{HeaderValue, Method, Request};

use crate::path_table::PathTable;

/// The routes that [`MethodGuardLayer::by_path`](crate::MethodGuardLayer::by_path) cannot take, all
/// of them.
#[derive(Clone, PartialEq, Eq)]
pub struct MethodGuardError {
    problems: Vec<String>,
}

/// Which methods each resource supports.
#[derive(Clone, Debug)]
pub(crate) enum Resources {
    /// Every method passes.
    Any,
    /// The same methods at every path.
    Whole(Methods),
    ByPath {
        /// Path to index in `each`.
        paths: PathTable<usize>,
        each: Vec<Methods>,
        /// What the service supports anywhere, for `OPTIONS *`.
        union: Methods,
    },
}

/// The methods of one resource.
#[derive(Clone, Debug)]
pub(crate) struct Methods {
    listed: Vec<Method>,
    allow: HeaderValue,
    answer_options: bool,
}

/// What is answered instead of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 405
    NotAllowed(HeaderValue),
    /// 501
    NotImplemented(HeaderValue),
    /// 200, to OPTIONS
    Options(HeaderValue),
}

// ===== impl Resources =====

impl Resources {
    pub(super) fn whole(methods: impl IntoIterator<Item = Method>) -> Self {
        Self::Whole(Methods::new(methods))
    }

    /// Each pattern's own methods, or every pattern that is wrong.
    pub(super) fn by_path<P, M>(
        routes: impl IntoIterator<Item = (P, M)>,
    ) -> Result<Self, MethodGuardError>
    where
        P: Into<String>,
        M: IntoIterator<Item = Method>,
    {
        let mut paths = PathTable::new();
        let (mut each, mut problems) = (Vec::new(), Vec::new());
        for (pattern, methods) in routes {
            let pattern = pattern.into();
            if let Err(problem) = paths.insert(&pattern, each.len()) {
                problems.push(format!("{pattern:?}: {problem}"));
            }
            each.push(Methods::new(methods));
        }
        if !problems.is_empty() {
            return Err(MethodGuardError { problems });
        }
        let union = Methods::new(each.iter().flat_map(|methods| methods.listed.iter().cloned()));
        Ok(Self::ByPath { paths, each, union })
    }

    pub(super) fn answer_options(&mut self) {
        match self {
            Self::Any => {}
            Self::Whole(methods) => methods.answer_options(),
            Self::ByPath { each, union, .. } => {
                each.iter_mut().for_each(Methods::answer_options);
                union.answer_options();
            }
        }
    }

    /// The decision: the answer that `request` gets instead of the service's.
    #[inline(always)]
    pub(crate) fn refusal<B>(&self, request: &Request<B>) -> Option<Refusal> {
        match self {
            Self::Any => None,
            Self::Whole(methods) if methods.pass(request.method()) => None,
            _ => self.refusal_at(request.uri().path(), request.method()),
        }
    }

    fn refusal_at(&self, path: &str, method: &Method) -> Option<Refusal> {
        let methods = self.methods_at(path)?;
        (!methods.pass(method)).then(|| methods.refusal(method))
    }

    /// The methods of the resource at `path`; `None` where every method passes, as at an unknown
    /// path, which is the service's to answer.
    fn methods_at(&self, path: &str) -> Option<&Methods> {
        match self {
            Self::Any => None,
            Self::Whole(methods) => Some(methods),
            Self::ByPath { union, .. } if path == "*" && union.answer_options => Some(union),
            Self::ByPath { paths, each, .. } => each.get(*paths.at(path)?),
        }
    }
}

impl Methods {
    /// These methods, each once, HEAD directly after GET.
    fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        let mut listed: Vec<Method> = Vec::new();
        for method in methods {
            if method == Method::GET && !listed.contains(&method) {
                listed.retain(|earlier| earlier != Method::HEAD);
                listed.extend([Method::GET, Method::HEAD]);
            } else if !listed.contains(&method) {
                listed.push(method);
            }
        }
        let allow = allow(&listed);
        Self { listed, allow, answer_options: false }
    }

    /// Whether this method reaches the service.
    #[inline]
    fn pass(&self, method: &Method) -> bool {
        self.listed.contains(method) && !(self.answer_options && method == Method::OPTIONS)
    }

    /// What OPTIONS gets where it is answered here, and a method that is not listed.
    #[cold]
    fn refusal(&self, method: &Method) -> Refusal {
        if self.answer_options && method == Method::OPTIONS {
            Refusal::Options(self.allow.clone())
        } else if is_registered(method) {
            Refusal::NotAllowed(self.allow.clone())
        } else {
            Refusal::NotImplemented(self.allow.clone())
        }
    }

    fn answer_options(&mut self) {
        self.answer_options = true;
        self.listed.retain(|method| method != Method::OPTIONS);
        self.listed.push(Method::OPTIONS);
        self.allow = allow(&self.listed);
    }
}

/// The value of `Allow`; empty where nothing is supported (RFC 9110, 10.2.1).
fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let value = HeaderValue::from_str(&names.join(", "));
    // A method is a token; every token is a valid field value.
    value.unwrap_or(HeaderValue::from_static(""))
}

// ===== impl MethodGuardError =====

impl MethodGuardError {
    /// What is wrong, a line for each route.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for MethodGuardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "routes that cannot be used: {}", self.problems.join("; "))
    }
}

/// As `Display`: it is what a `main` that returns the error prints.
impl fmt::Debug for MethodGuardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for MethodGuardError {}

// ===== the registry =====

/// Whether the IANA HTTP Method Registry knows the method.
fn is_registered(method: &Method) -> bool {
    REGISTERED.binary_search(&method.as_str()).is_ok()
}

/// The HTTP Method Registry of IANA as of November 2026, sorted; "*" is reserved there, no method.
const REGISTERED: [&str; 40] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn method(name: &str) -> Method {
        Method::from_bytes(name.as_bytes()).unwrap()
    }

    #[track_caller]
    fn check(resources: &Resources, cases: &[(&str, &str, &str)]) {
        for &(name, path, expected) in cases {
            let mut request = Request::new(());
            *request.method_mut() = method(name);
            *request.uri_mut() = path.parse().unwrap_or_default();
            let answer = match resources.refusal(&request) {
                None => String::from("passes"),
                Some(Refusal::NotAllowed(allow)) => format!("405 {}", allow.to_str().unwrap()),
                Some(Refusal::NotImplemented(allow)) => format!("501 {}", allow.to_str().unwrap()),
                Some(Refusal::Options(allow)) => format!("200 {}", allow.to_str().unwrap()),
            };
            assert_eq!(answer, expected, "{name} {path}");
        }
    }

    #[test]
    fn a_whole_service_refuses_what_is_not_listed() {
        let long = "A".repeat(100_000);
        check(
            &Resources::whole([Method::POST, Method::GET]),
            &[
                ("GET", "/", "passes"),
                ("HEAD", "/", "passes"),
                ("POST", "/any", "passes"),
                ("PUT", "/", "405 POST, GET, HEAD"),
                ("QUERY", "/", "405 POST, GET, HEAD"),
                ("TRACE", "/", "405 POST, GET, HEAD"),
                ("CONNECT", "", "405 POST, GET, HEAD"),
                ("OPTIONS", "*", "405 POST, GET, HEAD"),
                ("get", "/", "501 POST, GET, HEAD"),
                ("FOOBAR", "/", "501 POST, GET, HEAD"),
                (&long, "/", "501 POST, GET, HEAD"),
            ],
        );
    }

    #[test]
    fn head_stands_once_directly_after_get() {
        let allow = |methods: &[Method]| Methods::new(methods.to_vec()).allow;
        assert_eq!(allow(&[Method::HEAD, Method::PUT, Method::GET]), "PUT, GET, HEAD");
        assert_eq!(allow(&[Method::GET, Method::GET, Method::HEAD, Method::PUT]), "GET, HEAD, PUT");
        assert_eq!(allow(&[Method::HEAD, Method::PUT]), "HEAD, PUT");
        assert_eq!(allow(&[]), "");
    }

    #[test]
    fn each_resource_has_its_own_methods_and_an_unknown_path_passes() {
        let routes = [("/a", vec![Method::GET]), ("/a/{id}", vec![Method::PUT, Method::OPTIONS])];
        let mut resources = Resources::by_path(routes).unwrap();
        check(
            &resources,
            &[
                ("GET", "/a", "passes"),
                ("PUT", "/a", "405 GET, HEAD"),
                ("PUT", "/a/1", "passes"),
                ("OPTIONS", "/a/1", "passes"),
                ("GET", "/a/1", "405 PUT, OPTIONS"),
                ("FOO", "/a/1", "501 PUT, OPTIONS"),
                ("FOO", "/b", "passes"),
                ("OPTIONS", "*", "passes"),
                ("CONNECT", "", "passes"),
            ],
        );
        resources.answer_options();
        check(
            &resources,
            &[
                ("OPTIONS", "/a", "200 GET, HEAD, OPTIONS"),
                ("OPTIONS", "/a/1", "200 PUT, OPTIONS"),
                ("OPTIONS", "*", "200 GET, HEAD, PUT, OPTIONS"),
                ("OPTIONS", "/b", "passes"),
                ("DELETE", "/a", "405 GET, HEAD, OPTIONS"),
            ],
        );
    }

    #[test]
    fn every_route_that_cannot_be_used_is_listed() {
        let routes = ["/ok/{id}", "/ok/{name}", "/{open", "bare", "/a/:id", "/*rest"];
        let routes = routes.map(|path| (path, []));
        let error = Resources::by_path(routes).unwrap_err();
        assert_eq!(error.problems().len(), 5, "{error}");
        assert_eq!(error.problems()[4], "\"/*rest\": a parameter is written {*rest}, not *rest");
        assert!(error.to_string().contains("\"bare\": a path starts with \"/\": \"/bare\""));
    }

    #[test]
    fn the_registry_is_sorted() {
        assert!(REGISTERED.is_sorted());
    }
}
