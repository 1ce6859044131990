//! The policy of an API that anyone may read, without credentials.

use std::time::Duration;

use http::HeaderValue;

use crate::cors::{
    answer::{CorsHeaders, OriginHeader},
    lists::{self, Lists, owned},
    names,
    origins::Origins,
    policy::CorsPolicy,
    problem::CorsPolicyError,
};

/// Builds a [`CorsPolicy`] for every page, without credentials; made by [`CorsPolicy::public`].
///
/// ```
/// use tower_contract::CorsPolicy;
///
/// # fn main() -> Result<(), tower_contract::CorsPolicyError> {
/// let policy = CorsPolicy::public().json_pages().expose_headers(["*"]).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PublicCorsPolicyBuilder {
    lists: Lists,
    origin_header: OriginHeader,
}

impl CorsPolicy {
    /// Creates a builder for an anonymous API: `Access-Control-Allow-Origin: *`, no
    /// `Access-Control-Allow-Credentials`, no `Vary`.
    ///
    /// It starts from the methods `GET, POST, OPTIONS` and no request header. A page that includes
    /// credentials cannot read such a response, so nothing here may depend on a cookie; an API that
    /// only a network protects (an intranet, a local service) must not have this policy.
    pub fn public() -> PublicCorsPolicyBuilder {
        PublicCorsPolicyBuilder {
            lists: Lists::new(names::CONTRACT_METHODS, ""),
            origin_header: OriginHeader::default(),
        }
    }
}

impl PublicCorsPolicyBuilder {
    /// Sets the methods that pages may use; the whole list.
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

    /// Sets the request headers that pages may send; the whole list. `*` is every header but
    /// `Authorization`, which browsers want to be named.
    pub fn allow_headers(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.lists.headers = owned(names);
        self
    }

    /// Adds request headers that pages may send to the list.
    pub fn also_allow_headers(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.lists.also_headers.extend(owned(names));
        self
    }

    /// Adds response headers that pages may read; `*` is every one.
    pub fn expose_headers(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.lists.exposed.extend(owned(names));
        self
    }

    /// Adds what pages that send JSON need: `Content-Type`, and PUT, PATCH and DELETE.
    pub fn json_pages(mut self) -> Self {
        self.lists.add(&lists::JSON);
        self
    }

    /// Adds what pages that call gRPC-Web need, as
    /// [`CorsPolicyBuilder::grpc_web_pages`](crate::CorsPolicyBuilder::grpc_web_pages) does.
    pub fn grpc_web_pages(mut self) -> Self {
        self.lists.add(&lists::GRPC_WEB);
        self
    }

    /// Adds what pages that call Connect need, as
    /// [`CorsPolicyBuilder::connect_pages`](crate::CorsPolicyBuilder::connect_pages) does.
    pub fn connect_pages(mut self) -> Self {
        self.lists.add(&lists::CONNECT);
        self
    }

    /// Sets how long a browser may keep the answer to a preflight: whole seconds, at most one day.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.lists.max_age = Some(max_age);
        self
    }

    /// Sets under which name `*` is sent; both, if this is not called.
    pub fn origin_header(mut self, origin_header: OriginHeader) -> Self {
        self.origin_header = origin_header;
        self
    }

    /// Builds the policy.
    ///
    /// # Errors
    ///
    /// With every problem of every setting, each with its corrected form where there is one.
    pub fn build(self) -> Result<CorsPolicy, CorsPolicyError> {
        let mut problems = Vec::new();
        let Some(lines) = self.lists.parse(true, &mut problems) else {
            return Err(CorsPolicyError::new(problems));
        };
        let lines = CorsHeaders {
            origins: Origins::anyone(HeaderValue::from_static("*")),
            origin_header: self.origin_header,
            methods: lines.methods,
            headers: lines.headers,
            exposed: lines.exposed,
            max_age: lines.max_age,
            credentials: None,
            readable_challenges: false,
            reads_origin: false,
            varies: false,
        };
        Ok(CorsPolicy { lines: lines.shared() })
    }
}
