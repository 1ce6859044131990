//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Parser;
use tower_contract::PublicUrl;

use crate::{
    media::MediaUrl,
    shared::{Limits, Log},
};

/// The Interaction Recording API, with one response contract on everything it answers
#[derive(Debug, Parser)]
#[command(name = "recording_api")]
pub struct Options {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Where clients see this server: the start of `uri` in every error
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    pub public_url: PublicUrl,

    /// The origin of a front end whose pages may read the answers; repeatable
    #[arg(long = "server-url", value_name = "ORIGIN", default_value = "http://localhost:3000")]
    pub server_urls: Vec<String>,

    /// How long a response may take to begin: `500ms`, `2s`, `1m`
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,

    /// The SQLite file [default: a fresh one with sample recordings, removed at the end]
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,

    /// The media store [default: a small one of its own, on another loopback port]
    #[arg(long, value_name = "URL")]
    pub media_url: Option<MediaUrl>,

    /// Also serve `/diagnostics/...`, which fails for real
    #[arg(long)]
    pub diagnostics: bool,

    #[command(flatten)]
    pub log: Log,

    #[command(flatten)]
    pub limits: Limits,
}
