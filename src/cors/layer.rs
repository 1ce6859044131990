//! The layer itself; its service is in the module above.

use tower_layer::Layer;

use crate::cors::{CorsContract, live::CorsPolicySource};

/// Puts the contract's CORS headers on every response and answers preflights.
///
/// See the [module](crate::cors) for what it promises, its limits, its place and an example.
#[derive(Clone, Debug)]
#[must_use]
pub struct CorsContractLayer {
    policy: CorsPolicySource,
}

impl CorsContractLayer {
    /// By this [`CorsPolicy`](crate::CorsPolicy), or by the policy that a
    /// [`CorsPolicyHandle`](crate::CorsPolicyHandle) has when a request comes.
    pub fn new(policy: impl Into<CorsPolicySource>) -> Self {
        Self {
            policy: policy.into(),
        }
    }
}

impl<S> Layer<S> for CorsContractLayer {
    type Service = CorsContract<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CorsContract::new(inner, self.policy.clone())
    }
}
