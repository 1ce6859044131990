//! Where a layer finds its policy: one that stays, or one that is replaced while the service runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, Method};

use crate::cors::{
    answer::{CorsAnswer, CorsHeaders},
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

/// What a layer takes: a [`CorsPolicy`], or a [`CorsPolicyHandle`] that the caller keeps.
#[derive(Clone, Debug)]
pub struct CorsPolicySource {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
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
}

// ===== impl CorsPolicySource =====

impl CorsPolicySource {
    /// Decides by the policy of this moment, which the answer keeps.
    #[inline]
    pub(super) fn answer(&self, method: &Method, headers: &HeaderMap) -> CorsAnswer {
        match &self.kind {
            Kind::Fixed(lines) => {
                let varies = lines.has_several_origins();
                CorsAnswer::new(Arc::clone(lines), method, headers, varies)
            }
            // Always `Vary`: the next policy may have more origins while a cache still holds this
            // answer.
            Kind::Live(lines) => CorsAnswer::new(lines.load_full(), method, headers, true),
        }
    }
}

impl From<CorsPolicy> for CorsPolicySource {
    fn from(policy: CorsPolicy) -> Self {
        Self { kind: Kind::Fixed(policy.into_lines()) }
    }
}

impl From<CorsPolicyHandle> for CorsPolicySource {
    fn from(handle: CorsPolicyHandle) -> Self {
        Self { kind: Kind::Live(handle.lines) }
    }
}
