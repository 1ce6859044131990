//! The media store's client.

use std::{fmt, str::FromStr};

use axum::body::Body;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use url::Url;

use crate::store::BoxError;

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
}

impl MediaClient {
    /// No time is limited here: the contract's limits are for the whole way to the head, and for each
    /// silence within the body.
    pub fn new(url: MediaUrl) -> Self {
        Self {
            url,
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

    /// The store's answer, as soon as its head is there: the body is still on its way.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Response<Incoming>, BoxError> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = self.uri_of(path).parse()?;
        *request.headers_mut() = headers;
        Ok(self.client.request(request).await?)
    }
}
