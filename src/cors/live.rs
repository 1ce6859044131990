//! A policy that is replaced while the service runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, Request};

use crate::cors::{
    answer::{CorsAnswer, CorsHeaders, RequestOrigin},
    policy::CorsPolicy,
};

/// A policy that can be replaced while the service runs: a new customer's front end, say.
///
/// Give a clone to the layer and keep one. A request sees the old policy or the new one, whole;
/// reading it takes no lock. All clones are the same policy.
///
/// ```
/// use tower_contract::{CorsContractLayer, CorsPolicy, CorsPolicyHandle};
///
/// # fn main() -> Result<(), tower_contract::CorsPolicyError> {
/// let front_ends = vec!["https://app.example.com"];
/// let policy = CorsPolicyHandle::new(CorsPolicy::builder(front_ends.clone()).build()?);
/// let layer = CorsContractLayer::new(policy.clone());
///
/// // Later, in another task:
/// let front_ends = [front_ends, vec!["https://customer.example"]].concat();
/// policy.replace(CorsPolicy::builder(front_ends).build()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CorsPolicyHandle {
    lines: Arc<ArcSwap<CorsHeaders>>,
}

/// A policy that stays, or one that is replaced.
#[derive(Clone, Debug)]
pub(super) enum OnePolicy {
    Fixed(Arc<CorsHeaders>),
    Live(Arc<ArcSwap<CorsHeaders>>),
}

// ===== impl CorsPolicyHandle =====

impl CorsPolicyHandle {
    /// Creates a handle whose first policy is `policy`.
    pub fn new(policy: CorsPolicy) -> Self {
        Self { lines: Arc::new(ArcSwap::new(policy.into_lines())) }
    }

    /// Replaces the policy for every request that comes from now on.
    pub fn replace(&self, policy: CorsPolicy) {
        self.lines.store(policy.into_lines());
    }

    /// Tells whether this request comes from a page that the policy of this moment admits, as
    /// [`CorsPolicy::origin_of_request`] does.
    pub fn origin_of_request(&self, headers: &HeaderMap) -> RequestOrigin {
        self.lines.load().origin_of_request(headers)
    }
}

// ===== the decision =====

impl OnePolicy {
    #[inline(always)]
    pub(super) fn decide<B>(&self, request: &Request<B>) -> CorsAnswer {
        match self {
            Self::Fixed(lines) => lines.decide(request),
            Self::Live(lines) => CorsAnswer::of_live(lines.load_full(), request),
        }
    }

    /// The policy that stays; what can be replaced is held by every answer.
    #[inline]
    pub(super) fn fixed(&self) -> Option<&Arc<CorsHeaders>> {
        match self {
            Self::Fixed(lines) => Some(lines),
            Self::Live(_) => None,
        }
    }
}

impl From<CorsPolicy> for OnePolicy {
    fn from(policy: CorsPolicy) -> Self {
        Self::Fixed(policy.into_lines())
    }
}

impl From<CorsPolicyHandle> for OnePolicy {
    fn from(handle: CorsPolicyHandle) -> Self {
        Self::Live(handle.lines)
    }
}
