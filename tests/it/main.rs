//! What the layers do, seen from the wire.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod floors;
mod recording_api;
mod support;
mod transcripts;
