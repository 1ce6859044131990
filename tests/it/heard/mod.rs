//! Answers that are made before a request was read, and whether the client hears them.

mod drain;
mod linger;
mod wire;
