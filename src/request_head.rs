//! What is remembered of a request after it was handed on: its method and its target, and what
//! else someone asked for.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, uri::PathAndQuery};

use crate::uri_text::UriText;

/// The longest method that is repeated; the longest registered one has 17 bytes.
const MAX_METHOD_BYTES: usize = 32;
/// The longest id of a request that is told: a UUID has 36 bytes, a W3C `traceparent` 55.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// The method of a request, and the path and query of its target.
///
/// The authority is not kept: an unvalidated `Host`, or userinfo, can then never be repeated.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    method: Method,
    /// `None` for the authority form of CONNECT.
    target: Option<PathAndQuery>,
    /// `None` where nobody asked for more, or the request has nothing of it.
    noted: Option<Arc<Noted>>,
}

/// What is remembered of a request only where someone asked for it.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    request_id: Option<HeaderValue>,
    headers: HeaderMap,
    route: Option<Route>,
}

impl Noted {
    /// The route of `request`, and the headers that are wanted.
    #[cold]
    pub(crate) fn of<B>(request: &Request<B>, wanted: Option<&Wanted>) -> Option<Arc<Self>> {
        let mut noted = Noted { route: route(request), ..Self::default() };
        if let Some(Wanted { request_id, headers }) = wanted {
            let first = |name: &HeaderName| request.headers().get(name).cloned();
            let id = request_id.as_ref().and_then(|name| id_line(request.headers(), name));
            noted.request_id = id.cloned();
            for name in headers {
                // A map that is full remembers no more.
                let _ = first(name).map(|line| noted.headers.try_insert(name, line));
            }
        }
        let is_empty =
            noted.route.is_none() && noted.request_id.is_none() && noted.headers.is_empty();
        (!is_empty).then(|| Arc::new(noted))
    }
}

/// Which header of a request is its id, and which others are remembered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) request_id: Option<HeaderName>,
    pub(crate) headers: Vec<HeaderName>,
}

impl RequestHead {
    #[inline]
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self::noting(request, None)
    }

    /// Remembers what was noted of `request` too.
    #[inline(always)]
    pub(crate) fn noting<B>(request: &Request<B>, noted: Option<Arc<Noted>>) -> Self {
        let (method, target) = (request.method().clone(), target(request).cloned());
        Self { method, target, noted }
    }

    /// The id of the request: 1 to 128 bytes of visible ASCII, where one is wanted.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.noted.as_deref()?.request_id.as_ref()?.to_str().ok()
    }

    /// The pattern that matched the request, where a router told it.
    pub(crate) fn route(&self) -> Option<&str> {
        Some(text_of(self.noted.as_deref()?.route.as_ref()?))
    }

    /// The first line of each header that is wanted.
    pub(crate) fn headers(&self) -> Option<&HeaderMap> {
        Some(&self.noted.as_deref()?.headers)
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// The method as an answer repeats it: at most 32 bytes.
    pub(crate) fn method_text(&self) -> &str {
        method_text(&self.method)
    }

    /// The path; `*` for the asterisk form, `/` for the authority form.
    pub(crate) fn path(&self) -> &str {
        self.target.as_ref().map_or("/", PathAndQuery::path)
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.target.as_ref()?.query()
    }

    /// The path as hooks and events tell it: percent-encoded, cut, without the query.
    pub(crate) fn report_uri(&self) -> UriText {
        let mut uri = UriText::new();
        uri.push_encoded(self.path());
        uri
    }
}

/// The method as answers and logs repeat it: at most 32 bytes, whatever a client sends.
pub(crate) fn method_text(method: &Method) -> &str {
    let method = method.as_str();
    method.get(..MAX_METHOD_BYTES).unwrap_or(method)
}

#[cfg(feature = "axum")]
#[inline]
fn target<B>(request: &Request<B>) -> Option<&PathAndQuery> {
    // Inside `nest`, the request's own URI has lost the prefix that the client knows.
    let original = request.extensions().get::<axum::extract::OriginalUri>();
    original.map_or_else(|| request.uri(), |original| &original.0).path_and_query()
}

#[cfg(not(feature = "axum"))]
#[inline]
fn target<B>(request: &Request<B>) -> Option<&PathAndQuery> {
    request.uri().path_and_query()
}

/// The id in these headers: exactly one line of this name, of 1 to 128 bytes of visible ASCII.
/// Of several lines nobody knows which one is meant.
pub(crate) fn id_line<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).into_iter();
    let line = lines.next().filter(|line| is_request_id(line));
    line.filter(|_| lines.next().is_none())
}

/// Whether the value can be repeated in a body and in a log as it is.
fn is_request_id(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=MAX_REQUEST_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

#[cfg(feature = "axum")]
type Route = axum::extract::MatchedPath;

#[cfg(not(feature = "axum"))]
type Route = std::convert::Infallible;

#[cfg(feature = "axum")]
fn route<B>(request: &Request<B>) -> Option<Route> {
    request.extensions().get::<Route>().cloned()
}

#[cfg(not(feature = "axum"))]
const fn route<B>(_: &Request<B>) -> Option<Route> {
    None
}

#[cfg(feature = "axum")]
fn text_of(route: &Route) -> &str {
    route.as_str()
}

#[cfg(not(feature = "axum"))]
const fn text_of(route: &Route) -> &str {
    match *route {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_visible_ascii_of_a_bounded_length() {
        let is_id = |text: &[u8]| is_request_id(&HeaderValue::from_bytes(text).unwrap());
        assert!(is_id(b"7") && is_id(&[b'a'; 128]) && is_id(b"{\"<>~!"));
        assert!(!is_id(b"") && !is_id(&[b'a'; 129]) && !is_id(&vec![b'a'; 1 << 20]));
        assert!(!is_id(b"a b") && !is_id(b"a\tb") && !is_id("\u{e9}".as_bytes()));
    }

    #[test]
    fn an_id_that_is_sent_twice_is_none() {
        let name = HeaderName::from_static("x-request-id");
        let id = |lines: &[&'static str]| {
            let line = |text: &&'static str| (name.clone(), HeaderValue::from_static(text));
            let headers: HeaderMap = lines.iter().map(line).collect();
            id_line(&headers, &name).map(|id| id.to_str().unwrap().to_owned())
        };
        assert_eq!(id(&[]), None);
        assert_eq!(id(&["7"]).as_deref(), Some("7"));
        assert_eq!(id(&["7", "7"]), None);
    }

    #[test]
    fn nothing_is_remembered_that_nobody_wants() {
        let request = Request::builder().header("x-request-id", "7").header("a", "b");
        let request = request.body(()).unwrap();
        let head = RequestHead::of(&request);
        assert!(head.noted.is_none());
        assert!(Noted::of(&request, None).is_none());
        let other = HeaderName::from_static("other");
        let wanted = Wanted { request_id: Some(other.clone()), headers: vec![other] };
        assert!(Noted::of(&request, Some(&wanted)).is_none());
        let id = HeaderName::from_static("x-request-id");
        let wanted = Wanted { request_id: Some(id), headers: vec![HeaderName::from_static("a")] };
        let head = RequestHead::noting(&request, Noted::of(&request, Some(&wanted)));
        assert_eq!(head.request_id(), Some("7"));
        assert_eq!(head.headers().unwrap().get("a").unwrap(), "b");
        assert_eq!(head.route(), None);
    }
}
