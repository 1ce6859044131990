//! Refuses a request whose method the resource does not support.
//!
//! # What it promises
//!
//! A registered method that is not listed is answered 405, one that no registry knows 501 (RFC 9110,
//! 9.1), each with `Allow` (10.2.1): the methods in the order given, HEAD directly after GET. HEAD is
//! allowed wherever GET is. Method tokens are case-sensitive. A refused request never reaches the
//! service, and the readiness that it had reserved is given back.
//!
//! # What it leaves alone
//!
//! A path that [`by_path`](MethodGuardLayer::by_path) does not list: the service answers 404 itself.
//! OPTIONS goes to the service where it is listed, unless
//! [`answer_options`](MethodGuardLayer::answer_options) is on. `X-HTTP-Method-Override` is never
//! read: the method is the one on the wire. The content of a refused request is not read: over
//! HTTP/1.1 the connection then closes after the answer.
//!
//! # Where it goes
//!
//! Inside CORS, which answers preflights (they ask for a method and are none of its business) and lets
//! a page read the refusal; outside what costs something.
//!
//! # Example
//!
//! ```
//! use http::{Method, Request, Response, StatusCode};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_contract::MethodGuardLayer;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(MethodGuardLayer::new([Method::GET, Method::POST]))
//!     .service(service_fn(async |_: Request<()>| {
//!         Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
//!     }));
//! let ask = |method| Request::builder().method(method).body(()).unwrap();
//!
//! let healthy = service.clone().oneshot(ask("GET")).await.unwrap();
//! assert_eq!(healthy.body(), "hello");
//!
//! let refused = service.oneshot(ask("DELETE")).await.unwrap();
//! assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
//! assert_eq!(refused.headers()["allow"], "GET, HEAD, POST");
//! # }
//! ```

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header::ALLOW};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    api_error::{ApiError, Cause},
    short_circuit::{ShortCircuit, give_back_readiness},
};

/// Makes [`MethodGuard`] services. See the crate's walk for its place; [`new`](Self::new) for a whole
/// service, [`by_path`](Self::by_path) for resources.
#[derive(Clone, Debug)]
#[must_use]
pub struct MethodGuardLayer {
    resources: Arc<Resources>,
}

/// The service that refuses unsupported methods.
#[derive(Clone, Debug)]
pub struct MethodGuard<S> {
    inner: S,
    resources: Arc<Resources>,
}

pin_project! {
    /// The service's response, or the refusal.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: ShortCircuit<F, Answer>,
    }
}

/// The routes that [`MethodGuardLayer::by_path`] cannot take, all of them.
#[derive(Clone, PartialEq, Eq)]
pub struct MethodGuardError {
    problems: Vec<String>,
}

/// Which methods each resource supports.
#[derive(Clone, Debug)]
enum Resources {
    /// Every method passes.
    Any,
    /// The same methods at every path.
    Whole(Methods),
    ByPath {
        /// Path to index in `each`.
        paths: matchit::Router<usize>,
        each: Vec<Methods>,
        /// What the service supports anywhere, for `OPTIONS *`.
        union: Methods,
    },
}

/// The methods of one resource.
#[derive(Clone, Debug)]
struct Methods {
    listed: Vec<Method>,
    allow: HeaderValue,
    answer_options: bool,
}

/// What is answered instead of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// 405
    NotAllowed(HeaderValue),
    /// 501
    NotImplemented(HeaderValue),
    /// 200, to OPTIONS
    Options(HeaderValue),
}

// ===== impl MethodGuardLayer =====

impl MethodGuardLayer {
    /// A service that supports `methods` at every path.
    pub fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        Self { resources: Arc::new(Resources::Whole(Methods::new(methods))) }
    }

    /// A service whose resources support different methods.
    ///
    /// Patterns are those of axum 0.8: `/recordings/{id}`, `/media/{*rest}`. They are matched against
    /// the path that this layer sees: inside `nest`, the rest of it.
    ///
    /// ```
    /// use http::Method;
    /// use tower_contract::MethodGuardLayer;
    ///
    /// let layer = MethodGuardLayer::by_path([
    ///     ("/recordings", vec![Method::GET]),
    ///     ("/recordings/{id}", vec![Method::GET, Method::DELETE]),
    /// ])?;
    /// # let _ = layer;
    ///
    /// let error = MethodGuardLayer::by_path([("/{a", [Method::GET]), ("/{b", [Method::GET])]);
    /// assert_eq!(error.unwrap_err().problems().len(), 2);
    /// # Ok::<(), tower_contract::MethodGuardError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Lists every pattern that is malformed (an unclosed or unnamed parameter, two in one segment, a
    /// catch-all before the end, `:id` for `{id}`, no leading `/`) or that conflicts with an earlier one.
    pub fn by_path<P, M>(routes: impl IntoIterator<Item = (P, M)>) -> Result<Self, MethodGuardError>
    where
        P: Into<String>,
        M: IntoIterator<Item = Method>,
    {
        let mut paths = matchit::Router::new();
        let (mut each, mut problems) = (Vec::new(), Vec::new());
        for (pattern, methods) in routes {
            let pattern = pattern.into();
            if let Err(problem) = insert(&mut paths, &pattern, each.len()) {
                problems.push(format!("{pattern:?}: {problem}"));
            }
            each.push(Methods::new(methods));
        }
        if !problems.is_empty() {
            return Err(MethodGuardError { problems });
        }
        let union = Methods::new(each.iter().flat_map(|methods| methods.listed.iter().cloned()));
        Ok(Self { resources: Arc::new(Resources::ByPath { paths, each, union }) })
    }

    /// A service that answers every method itself.
    pub(crate) fn any() -> Self {
        Self { resources: Arc::new(Resources::Any) }
    }

    /// Answers plain OPTIONS with 200 and `Allow`, `OPTIONS *` with that of the whole service.
    ///
    /// OPTIONS then stands last in `Allow`. A CORS preflight is answered by the CORS layer outside.
    pub fn answer_options(mut self) -> Self {
        match Arc::make_mut(&mut self.resources) {
            Resources::Any => {}
            Resources::Whole(methods) => methods.answer_options(),
            Resources::ByPath { each, union, .. } => {
                each.iter_mut().for_each(Methods::answer_options);
                union.answer_options();
            }
        }
        self
    }
}

/// Adds a pattern to the routing table, or says what is wrong with it.
fn insert(paths: &mut matchit::Router<usize>, pattern: &str, index: usize) -> Result<(), String> {
    if !pattern.starts_with('/') {
        return Err(format!("a path starts with \"/\": \"/{pattern}\""));
    }
    // As axum 0.8 does: these were parameters once, and would now match nothing but themselves.
    if let Some(old) = pattern.split('/').find(|segment| segment.starts_with([':', '*'])) {
        let name = old.trim_start_matches([':', '*']);
        let star = if old.starts_with('*') { "*" } else { "" };
        return Err(format!("a parameter is written {{{star}{name}}}, not {old}"));
    }
    paths.insert(pattern, index).map_err(|problem| problem.to_string())
}

impl Resources {
    /// The decision: the answer that `request` gets instead of the service's.
    #[inline]
    fn refusal<B>(&self, request: &Request<B>) -> Option<Answer> {
        let method = request.method();
        let methods = match (self, || request.uri().path()) {
            (Self::Any, _) => return None,
            (Self::Whole(methods), _) => methods,
            (Self::ByPath { union, .. }, path) if path() == "*" && union.answer_options => union,
            // An unknown path is the service's to answer.
            (Self::ByPath { paths, each, .. }, path) => each.get(*paths.at(path()).ok()?.value)?,
        };
        if methods.answer_options && method == Method::OPTIONS {
            return Some(Answer::Options(methods.allow.clone()));
        }
        if methods.listed.contains(method) {
            return None;
        }
        Some(methods.refusal(method))
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

    /// What a method that is not listed gets.
    #[cold]
    fn refusal(&self, method: &Method) -> Answer {
        if is_registered(method) {
            Answer::NotAllowed(self.allow.clone())
        } else {
            Answer::NotImplemented(self.allow.clone())
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

impl<S> Layer<S> for MethodGuardLayer {
    type Service = MethodGuard<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MethodGuard { inner, resources: Arc::clone(&self.resources) }
    }
}

// ===== impl MethodGuard =====

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for MethodGuard<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.resources.refusal(&request) {
            None => ResponseFuture { inner: ShortCircuit::inner(self.inner.call(request)) },
            Some(answer) => {
                #[cfg(feature = "tracing")]
                answer.record(&request);
                give_back_readiness(&mut self.inner);
                ResponseFuture { inner: ShortCircuit::decided(answer) }
            }
        }
    }
}

// ===== impl ResponseFuture =====

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}

impl<B: Default> From<Answer> for Response<B> {
    fn from(answer: Answer) -> Self {
        let (mut response, allow) = match answer {
            Answer::NotAllowed(allow) => (NOT_ALLOWED.into_http(), allow),
            Answer::NotImplemented(allow) => (NOT_IMPLEMENTED.into_http(), allow),
            Answer::Options(allow) => (Response::new(B::default()), allow),
        };
        response.headers_mut().insert(ALLOW, allow);
        response
    }
}

#[cfg(feature = "tracing")]
impl Answer {
    /// One event for a refusal; the client's doing, so not a warning.
    fn record<B>(&self, request: &Request<B>) {
        let status = match self {
            Self::NotAllowed(_) => NOT_ALLOWED.status(),
            Self::NotImplemented(_) => NOT_IMPLEMENTED.status(),
            Self::Options(_) => return,
        };
        let head = crate::request_head::RequestHead::of(request);
        tracing::debug!(
            status = status.as_u16(),
            method = head.method_text(),
            uri = head.report_uri().as_str(),
            "method not supported"
        );
    }
}

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

/// 405: the method is one that HTTP knows; the resource does not support it (RFC 9110, 15.5.6).
const NOT_ALLOWED: ApiError = ApiError::method_not_allowed().with_cause(Cause::Method);

/// 501: the method is one that nobody registered (RFC 9110, 15.6.2).
const NOT_IMPLEMENTED: ApiError =
    ApiError::new(StatusCode::NOT_IMPLEMENTED).with_cause(Cause::Method);

#[cfg(test)]
mod tests {
    use super::*;

    fn method(name: &str) -> Method {
        Method::from_bytes(name.as_bytes()).unwrap()
    }

    #[track_caller]
    fn check(layer: &MethodGuardLayer, cases: &[(&str, &str, &str)]) {
        for &(name, path, expected) in cases {
            let mut request = Request::new(());
            *request.method_mut() = method(name);
            *request.uri_mut() = path.parse().unwrap_or_default();
            let answer = match layer.resources.refusal(&request) {
                None => String::from("passes"),
                Some(Answer::NotAllowed(allow)) => format!("405 {}", allow.to_str().unwrap()),
                Some(Answer::NotImplemented(allow)) => format!("501 {}", allow.to_str().unwrap()),
                Some(Answer::Options(allow)) => format!("200 {}", allow.to_str().unwrap()),
            };
            assert_eq!(answer, expected, "{name} {path}");
        }
    }

    #[test]
    fn a_whole_service_refuses_what_is_not_listed() {
        let long = "A".repeat(100_000);
        check(
            &MethodGuardLayer::new([Method::POST, Method::GET]),
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
        let layer = MethodGuardLayer::by_path(routes).unwrap();
        check(
            &layer,
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
        check(
            &layer.answer_options(),
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
        let error = MethodGuardLayer::by_path(routes).unwrap_err();
        assert_eq!(error.problems().len(), 5, "{error}");
        assert_eq!(error.problems()[4], "\"/*rest\": a parameter is written {*rest}, not *rest");
        assert!(error.to_string().contains("\"bare\": a path starts with \"/\": \"/bare\""));
    }

    #[test]
    fn the_registry_is_sorted() {
        assert!(REGISTERED.is_sorted());
    }
}
