//! The example envoy: what its processor says to recorded messages, and what it writes for Envoy.
//!
//! The conversations need no Envoy; `tests/foreign/envoy/run` has a real one.

mod answers;
mod configuration;
mod conversations;
mod many;
mod talk;

// The example's own files, as they are.
#[path = "../../../examples/envoy/conversation.rs"]
mod conversation;
#[expect(dead_code, reason = "the configuration names it, which is tested as a process")]
#[path = "../../../examples/envoy/from_envoy.rs"]
mod from_envoy;
#[rustfmt::skip]
#[expect(
    clippy::pedantic,
    clippy::enum_variant_names,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    unnameable_types,
    reason = "nobody reads it"
)]
#[path = "../../../examples/envoy/generated/envoy.service.ext_proc.v3.rs"]
mod generated;
#[path = "../../../examples/envoy/processor.rs"]
mod processor;
#[path = "../../../examples/envoy/to_envoy.rs"]
mod to_envoy;
#[path = "../../../examples/envoy/upstream.rs"]
mod upstream;
