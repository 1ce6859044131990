//! The guide: tasks and symptoms, and what to write. It exists in the documentation alone.
//!
//! [cors]: cors
//! [errors]: errors
//! [from-tower-http]: from_tower_http
//! [observability]: observability
//! [clients]: clients
//! [overload]: overload
//! [placing]: placing
//! [proxies]: proxies
//! [limits]: limits
//! [check]: check
//! [mesh]: mesh
#![doc = ""]
#![doc = include_str!("../docs/guide/README.md")]

#[doc = include_str!("../docs/guide/check.md")]
pub mod check {}
/// [cors]: self::cors
/// [errors]: self::errors
#[doc = ""]
#[doc = include_str!("../docs/guide/clients.md")]
pub mod clients {}
#[doc = include_str!("../docs/guide/cors.md")]
pub mod cors {}
// Its examples need a validator and more: `tests/heavy` runs them.
#[cfg(not(doctest))]
#[doc = include_str!("../docs/guide/errors.md")]
pub mod errors {}
/// [errors]: self::errors
/// [placing]: self::placing
#[doc = ""]
#[doc = include_str!("../docs/guide/from-tower-http.md")]
pub mod from_tower_http {}
/// [cors]: self::cors
/// [overload]: self::overload
/// [placing]: self::placing
/// [proxies]: self::proxies
#[doc = ""]
#[doc = include_str!("../docs/guide/limits.md")]
pub mod limits {}
#[doc = include_str!("../docs/guide/mesh.md")]
pub mod mesh {}
// As `errors`.
#[cfg(not(doctest))]
#[doc = include_str!("../docs/guide/observability.md")]
pub mod observability {}
#[doc = include_str!("../docs/guide/overload.md")]
pub mod overload {}
#[doc = include_str!("../docs/guide/placing.md")]
pub mod placing {}
/// [check]: self::check
/// [mesh]: self::mesh
#[doc = ""]
#[doc = include_str!("../docs/guide/proxies.md")]
pub mod proxies {}
