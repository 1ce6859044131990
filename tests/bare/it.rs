//! Tests of `tests/it` that need no feature of the library, run without any by `.ci/bare`.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    dead_code,
    unreachable_pub,
    reason = "as in tests/it/main.rs, and of its support only a part is used"
)]

#[path = "../it/calls.rs"]
mod calls;
#[path = "../it/cors.rs"]
mod cors;
#[path = "../it/cors_lists.rs"]
mod cors_lists;
#[path = "../it/error_bodies.rs"]
mod error_bodies;
#[path = "../it/foreign_bodies.rs"]
mod foreign_bodies;
#[path = "../it/panics.rs"]
mod panics;
#[path = "../it/properties.rs"]
mod properties;
#[path = "../it/support.rs"]
mod support;
#[path = "../it/timing.rs"]
mod timing;
#[path = "../it/transcripts.rs"]
mod transcripts;
