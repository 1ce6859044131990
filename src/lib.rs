#![doc = "skeleton"]
mod api_error;
mod short_circuit;
pub use crate::api_error::{ApiError, Cause};
