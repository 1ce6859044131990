//! What the layers do, seen from the wire.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    unreachable_pub,
    reason = "a test that cannot go on fails; transcripts are passed and written as expect-test does"
)]

mod allocations;
mod answers;
mod auto_traits;
mod body_timeout;
mod bounds;
mod browser;
mod calls;
mod cases;
mod clients;
mod conformance;
mod contained;
mod cors;
mod cors_lists;
mod cors_messages;
mod cors_model;
mod cors_paths;
mod cors_policies;
mod cors_refused;
mod cors_vectors;
mod envoy;
mod error_bodies;
mod errors;
mod errors_of_teams;
mod example;
mod examples;
mod fetch;
mod flat;
mod floors;
mod foreign_bodies;
mod fuzz_corpus;
mod gateway;
mod grpc;
mod heard;
mod hyper_alone;
mod kept_bodies;
mod lambda;
mod orders;
mod overload;
mod own_errors;
mod panic_hook;
mod panic_places;
mod panics;
mod places;
mod playground;
mod properties;
mod readiness;
mod reading;
mod readme;
mod recording_api;
mod serving;
mod sizes;
mod support;
mod timing;
mod told;
mod tracing;
mod transcripts;
mod under_tonic;
mod waiting;
mod wire;
