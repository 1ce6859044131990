#![doc = "skeleton"]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod api_error;
pub mod cors;
mod short_circuit;
pub use crate::api_error::{ApiError, Cause};
#[doc(inline)]
pub use crate::cors::{
    layer::CorsContractLayer,
    live::{CorsPolicyHandle, CorsPolicySource},
    policy::{CorsPolicy, CorsPolicyBuilder, OriginHeader},
    problem::{CorsPolicyError, CorsPolicyProblem, CorsPolicyProblemKind, CorsPolicySetting},
};
