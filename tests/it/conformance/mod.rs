//! The conformance kit: what keeps the contract passes, and what breaks one thing fails one check.

mod app;
mod examples;
mod keeps;
mod program;
mod raw;
mod twins;
mod unreachable;
