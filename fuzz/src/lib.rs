//! What the targets share with the library's own tests.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a target fails by a panic")]

pub mod targets;
