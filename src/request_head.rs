//! What is remembered of a request after it was handed on: its method and its target.

use http::{Method, Request, uri::PathAndQuery};

use crate::uri_text::UriText;

/// The longest method that is repeated; the longest registered one has 17 bytes.
const MAX_METHOD_BYTES: usize = 32;

/// The method of a request, and the path and query of its target.
///
/// The authority is not kept: an unvalidated `Host`, or userinfo, can then never be repeated.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    method: Method,
    /// `None` for the authority form of CONNECT.
    target: Option<PathAndQuery>,
}

impl RequestHead {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self { method: request.method().clone(), target: target(request).cloned() }
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
fn target<B>(request: &Request<B>) -> Option<&PathAndQuery> {
    // Inside `nest`, the request's own URI has lost the prefix that the client knows.
    let original = request.extensions().get::<axum::extract::OriginalUri>();
    original.map_or_else(|| request.uri(), |original| &original.0).path_and_query()
}

#[cfg(not(feature = "axum"))]
fn target<B>(request: &Request<B>) -> Option<&PathAndQuery> {
    request.uri().path_and_query()
}
