//! The media store's client.

use std::{error::Error, fmt, str::FromStr, time::Duration};

use axum::body::Body;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower_http::timeout::TimeoutBody;
use url::Url;

/// Where a media store is: `http`, a host, perhaps a port and a path.
#[derive(Clone, Debug)]
pub struct MediaUrl(String);

impl FromStr for MediaUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| "it is not a URL")?;
        let extra = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if url.scheme() != "http" || extra {
            return Err("a media store is at http://host:port/path, without user, query, fragment");
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Asks one media store; clones share its connections.
#[derive(Clone, Debug)]
pub struct MediaClient {
    url: MediaUrl,
    client: Client<HttpConnector, Body>,
    patience: Duration,
}

impl MediaClient {
    /// A store that is silent for longer than `patience` within a body has failed. The time until
    /// the body begins is not limited here: the contract's limit is for the whole way to the head.
    pub fn new(url: MediaUrl, patience: Duration) -> Self {
        Self {
            url,
            patience,
            // Without a timer, idle connections are kept for ever.
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build_http(),
        }
    }

    /// The URI of a file in the store; `path` begins with a slash.
    pub fn uri_of(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The store's answer, as soon as its head is there: the body is still on its way. Or why there
    /// is none, for the log.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Response<TimeoutBody<Incoming>>, String> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = self.uri_of(path).parse().map_err(|error| causes(&error))?;
        *request.headers_mut() = headers;
        let answer = self.client.request(request).await.map_err(|error| causes(&error))?;
        Ok(answer.map(|body| TimeoutBody::new(self.patience, body)))
    }
}

/// An error and what caused it: the client's own text says only at which step it failed.
fn causes(mut error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    while let Some(cause) = error.source() {
        text = format!("{text}: {cause}");
        error = cause;
    }
    text
}
