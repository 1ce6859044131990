//! The recording API, started as a program: every row of its table, asked over real HTTP.
//!
//! [`Connection::ask`](program::Connection::ask) checks on every answer what the contract promises:
//! the mandatory headers, and on errors the envelope with exactly five members and its headers. The
//! texts of whole answers leave out these headers and the date.

mod access;
mod damage;
mod failures;
mod framework;
mod labels;
mod log;
mod media_store;
mod playback;
mod process;
mod program;
mod recordings;
mod server;
