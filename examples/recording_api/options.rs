//! The command line.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use tower_contract::PublicUrl;

use crate::media::MediaUrl;

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

    /// How long a response may take to begin: an integer and `ms`, `s` or `m`
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
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
