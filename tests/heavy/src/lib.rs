//! Nothing but the guide, whose examples are compiled with the crates that they are for. The tests are
//! in `tests/`.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/errors.md")]
mod errors {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/observability.md")]
mod observability {}
