//! The command line.

use std::{net::SocketAddr, time::Duration};

use clap::Parser;
use tower_contract::PublicUrl;

use crate::shared::{Limits, Log};

/// Recordings over gRPC, gRPC-Web and JSON, with one response contract on everything it answers
#[derive(Debug, Parser)]
#[command(name = "recording_grpc")]
pub struct Options {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    pub listen: SocketAddr,

    /// Where clients see this server: the start of `uri` in every error
    #[arg(long, value_name = "URL", default_value = "http://localhost:50051")]
    pub public_url: PublicUrl,

    /// The origin of a front end whose pages may read the answers; repeatable
    #[arg(long = "server-url", value_name = "ORIGIN", default_value = "http://localhost:3000")]
    pub server_urls: Vec<String>,

    /// How long a response may take to begin: `500ms`, `2s`, `1m`
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,

    /// Also serve `recordings.v1.Diagnostics`, which fails for real
    #[arg(long)]
    pub diagnostics: bool,

    /// Serve without the contract, to compare
    #[arg(long)]
    pub bare: bool,

    #[command(flatten)]
    pub log: Log,

    #[command(flatten)]
    pub limits: Limits,
}
