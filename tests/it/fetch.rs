//! What a browser does with CORS, written from the Fetch standard and from RFC 9111, not from the layer.
//!
//! The section names are Fetch's.

use http::{HeaderMap, HeaderValue, Method, Request, Response};

/// What a page asks for.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The page's serialized origin.
    pub origin: String,
    pub method: Method,
    /// Names of the request headers that the page sets.
    pub headers: Vec<String>,
    /// Whether the page includes credentials, as the contract's pages do.
    pub credentials: bool,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The preflight failed: the request was not sent.
    NotSent,
    /// The request was sent, the page learns nothing.
    Unreadable,
    /// The page reads status, body and these headers, among those that it is told about.
    Readable(Vec<String>),
}

/// "HTTP fetch": a preflight if one is due, the request, the check.
pub fn fetch<B>(asked: &Fetch, mut send: impl FnMut(Request<()>) -> Response<B>) -> Outcome {
    let unsafe_names = unsafe_names(&asked.headers);
    if !is_safelisted(&asked.method) || !unsafe_names.is_empty() {
        let answer = send(preflight(asked, &unsafe_names));
        if !preflight_allows(asked, &unsafe_names, &answer) {
            return Outcome::NotSent;
        }
    }
    let request = Request::builder().method(&asked.method).header("origin", &asked.origin);
    let response = send(request.body(()).unwrap());
    if !cors_check(asked, response.headers()) {
        return Outcome::Unreadable;
    }
    // "CORS-exposed header-name list": `*` is every name, and only where credentials are not
    // included; here it stands for itself.
    let exposed = extract(response.headers(), "access-control-expose-headers").unwrap_or_default();
    Outcome::Readable(exposed)
}

/// "CORS-preflight fetch", steps 1 to 6.
fn preflight(asked: &Fetch, unsafe_names: &[String]) -> Request<()> {
    let mut request = Request::options("/")
        .header("origin", &asked.origin)
        .header("access-control-request-method", asked.method.as_str());
    if !unsafe_names.is_empty() {
        request = request.header("access-control-request-headers", unsafe_names.join(","));
    }
    request.body(()).unwrap()
}

/// "CORS-preflight fetch", step 7.
pub fn preflight_allows<B>(asked: &Fetch, unsafe_names: &[String], answer: &Response<B>) -> bool {
    let headers = answer.headers();
    if !cors_check(asked, headers) || !answer.status().is_success() {
        return false;
    }
    let (Some(methods), Some(names)) = (
        extract(headers, "access-control-allow-methods"),
        extract(headers, "access-control-allow-headers"),
    ) else {
        return false;
    };
    let any = |list: &[String]| !asked.credentials && list.iter().any(|listed| listed == "*");
    let is_listed = |name: &String| {
        // "CORS non-wildcard request-header name".
        let by_wildcard = any(&names) && name != "authorization";
        by_wildcard || names.iter().any(|listed| listed.eq_ignore_ascii_case(name))
    };
    let method = asked.method.as_str();
    (is_safelisted(&asked.method) || methods.iter().any(|listed| listed == method) || any(&methods))
        && unsafe_names.iter().all(is_listed)
}

/// "CORS check".
pub fn cors_check(asked: &Fetch, headers: &HeaderMap) -> bool {
    let Some(allowed) = combined(headers, "access-control-allow-origin") else {
        return false;
    };
    if !asked.credentials && allowed == "*" {
        return true;
    }
    let credentials = combined(headers, "access-control-allow-credentials");
    allowed == asked.origin && (!asked.credentials || credentials.is_some_and(|c| c == "true"))
}

/// "get": all lines of that name as one, joined by a comma and a space.
fn combined(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(name).iter();
    let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// "extract header list values": none at all is an empty list, anything but tokens a failure.
fn extract(headers: &HeaderMap, name: &str) -> Option<Vec<String>> {
    let Some(list) = combined(headers, name) else {
        return Some(Vec::new());
    };
    let members = list.split(',').map(str::trim).filter(|member| !member.is_empty());
    let members = members.map(str::to_owned).collect::<Vec<_>>();
    let is_token = |member: &String| Method::from_bytes(member.as_bytes()).is_ok();
    members.iter().all(is_token).then_some(members)
}

/// "CORS-safelisted method".
fn is_safelisted(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::POST].contains(method)
}

/// "CORS-unsafe request-header names", for values that are short and ordinary, and a content type
/// that no form can send.
pub fn unsafe_names(names: &[String]) -> Vec<String> {
    const SAFELISTED: [&str; 3] = ["accept", "accept-language", "content-language"];
    let mut names: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.retain(|name| !SAFELISTED.contains(&name.as_str()));
    names.sort();
    names.dedup();
    names
}

/// A cache that all front ends share, with one entry (RFC 9111, 4.1 "Calculating Cache Keys").
#[derive(Debug, Default)]
pub struct SharedCache {
    stored: Option<(HeaderMap, HeaderMap)>,
}

impl SharedCache {
    /// The stored answer to a GET if it may be used for this request, else that of `send`.
    pub fn send(
        &mut self,
        request: Request<()>,
        send: impl FnOnce(Request<()>) -> Response<()>,
    ) -> Response<()> {
        if *request.method() != Method::GET {
            return send(request);
        }
        let asked = request.headers().clone();
        if !self.stored.as_ref().is_some_and(|(before, answer)| may_reuse(&asked, before, answer)) {
            self.stored = Some((asked, send(request).headers().clone()));
        }
        let mut response = Response::new(());
        let (_, headers) = self.stored.as_ref().unwrap();
        response.headers_mut().clone_from(headers);
        response
    }
}

fn may_reuse(asked: &HeaderMap, before: &HeaderMap, answer: &HeaderMap) -> bool {
    let values = |of: &HeaderMap, name: &str| -> Vec<HeaderValue> {
        of.get_all(name).iter().cloned().collect()
    };
    let vary = combined(answer, "vary").unwrap_or_default();
    let fields = vary.split(',').map(str::trim).filter(|field| !field.is_empty());
    fields.clone().all(|field| field != "*" && values(asked, field) == values(before, field))
}
