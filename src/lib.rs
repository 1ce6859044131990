#![doc = "skeleton"]
mod api_error;
pub use crate::api_error::{ApiError, Cause};
