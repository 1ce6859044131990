//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use tower_contract::conformance::{self, CannotCheck, Format, Run};

/// Checks whether a service keeps one response contract.
#[derive(Debug, Parser)]
#[command(name = "tower-contract", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks the service behind a URL. Exit code 0: kept, 1: broken, 2: could not check.
    Check(Box<Check>),
}

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
#[expect(clippy::doc_markdown, reason = "the comments are what --help prints")]
#[command(group = ArgGroup::new("what").required(true).args(["url", "list", "explain"]))]
pub(crate) struct Check {
    /// The service: http://127.0.0.1:8080
    pub(crate) url: Option<String>,

    /// An origin of a front end: https://app.example.com. A second one checks that both are told
    /// apart.
    #[arg(long, value_name = "URL")]
    origin: Vec<String>,
    /// A path that exists and answers GET with success; else /
    #[arg(long, value_name = "/PATH")]
    get: Option<String>,
    /// A field with credentials, which --get needs: 'Authorization: Bearer ..'. It is never
    /// printed.
    #[arg(long, value_name = "LINE")]
    auth: Vec<String>,
    /// The URL under which clients know the service
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The shape of errors
    #[arg(long, value_enum, default_value_t = Shape::Auto)]
    envelope: Shape,
    /// Methods and request fields that pages send: PUT,content-type
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    page_sends: Vec<String>,

    /// A path whose GET panics
    #[arg(long, value_name = "/PATH")]
    panic: Option<String>,
    /// A path whose answer fails after its body has begun
    #[arg(long, value_name = "/PATH")]
    panic_body: Option<String>,
    /// A path that passes the service's limit, and the limit: /slow=2s
    #[arg(long, value_name = "/PATH=TIME", value_parser = slow)]
    slow: Option<(String, Duration)>,
    /// A path that refuses when --load requests come at once
    #[arg(long, value_name = "/PATH")]
    overload: Option<String>,
    /// A path whose upstream is down
    #[arg(long, value_name = "/PATH")]
    upstream_down: Option<String>,
    /// A path that takes JSON by POST; what is sent there is never right
    #[arg(long, value_name = "/PATH")]
    post_json: Option<String>,
    /// A path that takes a POST, and its limit: /upload=1048576
    #[arg(long, value_name = "/PATH=BYTES", value_parser = upload)]
    upload_limit: Option<(String, usize)>,
    /// A gRPC method; one beside it is called
    #[arg(long, value_name = "SERVICE/METHOD")]
    grpc: Option<String>,
    /// A gRPC method that takes longer than a millisecond; it is called
    #[arg(long, value_name = "SERVICE/METHOD")]
    grpc_slow: Option<String>,

    /// Sends nothing over HTTP/2
    #[arg(long, conflicts_with = "h2c")]
    h1: bool,
    /// Sends nothing over HTTP/1.1
    #[arg(long, visible_alias = "h2")]
    h2c: bool,
    /// A PEM file with certificates to trust (https)
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Also sends POST, PUT, PATCH and DELETE
    #[arg(long)]
    unsafe_methods: bool,
    /// Requests at once where a check asks for load
    #[arg(long, value_name = "N", default_value_t = 20)]
    load: usize,

    /// Checks to leave out: 25,49
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    skip: Vec<u8>,
    /// Checks to run alone: 5,7
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    only: Vec<u8>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) format: Output,
    /// Tells every broken promise in full
    #[arg(long)]
    pub(crate) details: bool,
    /// Prints what would be sent, and sends nothing
    #[arg(long, requires = "url")]
    pub(crate) dry_run: bool,
    /// Prints all checks
    #[arg(long)]
    pub(crate) list: bool,
    /// Prints one check: what it asks, and how to fix it
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u8).range(1..=70))]
    pub(crate) explain: Option<u8>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
    Junit,
    Markdown,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    Auto,
    Envelope,
    Wrapped,
    Problem,
}

/// A reason of this program's own.
pub(crate) fn cannot(reason: &str) -> CannotCheck {
    CannotCheck::because(reason)
}

impl Check {
    /// The run that the command line asks for.
    pub(crate) fn to_run(&self) -> Result<Run, CannotCheck> {
        let mut run = conformance::at(self.url.as_deref().unwrap_or_default())?;
        for line in &self.auth {
            let Some((name, value)) = line.split_once(':') else {
                return Err(cannot("--auth is no header line: write 'Authorization: Bearer ..'"));
            };
            run = run.auth(name.trim(), value.trim());
        }
        run = self.origin.iter().fold(run, Run::origin);
        run = self.ca.iter().fold(run, Run::trust);
        run = set(run, self.get.as_ref(), Run::get);
        run = set(run, self.public_url.as_ref(), Run::public_url);
        run = set(run, self.panic.as_ref(), Run::panic_at);
        run = set(run, self.panic_body.as_ref(), Run::panic_body_at);
        run = set(run, self.overload.as_ref(), Run::overload_at);
        run = set(run, self.upstream_down.as_ref(), Run::upstream_down_at);
        run = set(run, self.post_json.as_ref(), Run::post_json_at);
        run = set(run, self.grpc.as_ref(), Run::grpc);
        run = set(run, self.grpc_slow.as_ref(), Run::grpc_slow);
        run = set(run, self.slow.as_ref(), |run, (path, limit)| run.slow_at(path, *limit));
        run = set(run, self.upload_limit.as_ref(), |run, (path, n)| run.upload_limit_at(path, *n));
        run = set(run, self.envelope.format(), Run::format);
        run = run.page_sends(self.page_sends.clone());
        run = run.load(self.load).skip(self.skip.clone()).only(self.only.clone());
        run = if self.unsafe_methods { run.unsafe_methods() } else { run };
        run = if self.h1 { run.http1_only() } else { run };
        Ok(if self.h2c { run.http2_only() } else { run })
    }
}

/// Sets what was given.
fn set<T>(run: Run, given: Option<T>, setter: impl FnOnce(Run, T) -> Run) -> Run {
    match given {
        Some(value) => setter(run, value),
        None => run,
    }
}

impl Shape {
    fn format(self) -> Option<Format> {
        match self {
            Self::Auto => None,
            Self::Envelope => Some(Format::Envelope),
            Self::Wrapped => Some(Format::Wrapped),
            Self::Problem => Some(Format::Problem),
        }
    }
}

/// `/slow=2s`, `/slow=500ms`.
fn slow(text: &str) -> Result<(String, Duration), String> {
    let wrong = || format!("{text:?} has no time: write /path=2s or /path=500ms");
    let (path, time) = text.rsplit_once('=').ok_or_else(wrong)?;
    let (digits, unit) = match time.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (time.strip_suffix('s').ok_or_else(wrong)?, 1_000),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    Ok((path.to_owned(), Duration::from_millis(number.saturating_mul(unit))))
}

/// `/upload=1048576`.
fn upload(text: &str) -> Result<(String, usize), String> {
    let wrong = || format!("{text:?} has no limit: write /path=1048576");
    let (path, bytes) = text.rsplit_once('=').ok_or_else(wrong)?;
    Ok((path.to_owned(), bytes.parse().map_err(|_| wrong())?))
}
