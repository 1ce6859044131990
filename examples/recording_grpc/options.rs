//! The command line.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Parser;
use tower_contract::PublicUrl;

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

    /// How long a response may take to begin: an integer and `ms`, `s` or `m`
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub timeout: Duration,

    /// Also serve `recordings.v1.Diagnostics`, which fails for real
    #[arg(long)]
    pub diagnostics: bool,

    /// Serve without the contract, to compare
    #[arg(long)]
    pub bare: bool,
}

impl Options {
    /// The options, or how the program ends instead: 0 after `--help`, 2 after one line on what is wrong.
    pub fn from_command_line() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            if error.use_stderr() {
                let text = error.to_string();
                eprintln!("{}", text.lines().next().unwrap_or_default());
                ExitCode::from(2)
            } else {
                print!("{error}");
                ExitCode::SUCCESS
            }
        })
    }
}

/// `500ms`, `2s`, `1m`: digits and a unit, nothing else.
fn duration(text: &str) -> Result<Duration, &'static str> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let milliseconds_each = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err("write an integer and ms, s or m, like 500ms"),
    };
    let count: u64 = digits.parse().map_err(|_| "write an integer and ms, s or m, like 500ms")?;
    count.checked_mul(milliseconds_each).map(Duration::from_millis).ok_or("it is too long")
}
