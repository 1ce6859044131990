//! The media store, a system behind this API: how it is asked, and a small one to try it with.

mod client;
mod demo;
mod wav;

pub use client::{MediaClient, MediaUrl};
pub use demo::start as start_demo;
pub use wav::Wav;
