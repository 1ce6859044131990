//! What the examples share: how they read their command line, and how they serve.
//!
//! The folder is there to be copied. What plain [`axum::serve`](https://docs.rs/axum) lacks is in
//! [`Server`]: a limit for the head of a request, a stop that ends, a limit of connections, and sockets
//! that linger until their clients have heard the last response.
//!
//! | file | what it tells |
//! |---|---|
//! | `command_line.rs` | options, and what a program that cannot start says |
//! | `log.rs` | [`Log`]: lines of text or JSON on standard error |
//! | `server.rs` | [`Server`]: accepts, serves HTTP/1.1 and HTTP/2, stops in time |
//! | `places.rs` | the limit of connections, and who makes room when it is reached |
//! | `socket.rs` | an accepted connection, which holds its place until it is closed |
//! | `signals.rs` | Ctrl-C and SIGTERM |

pub mod command_line;
mod log;
mod places;
mod server;
mod signals;
mod socket;

pub use log::Log;
pub use server::{Limits, Server, announce, listen};
