//! The command line: every problem with it is told at once.

use std::{error::Error, fmt, net::SocketAddr, process::ExitCode, time::Duration};

use clap::Parser;
use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use tower_contract::{CorsPolicy, CorsPolicyError, CorsPolicyProblem, PublicUrl};

use crate::shared::{Limits, Log, command_line};

/// What the gateway is to do.
#[derive(Debug)]
pub struct Options {
    pub listen: SocketAddr,
    pub upstream: Upstream,
    pub policy: CorsPolicy,
    pub public_url: PublicUrl,
    pub timeout: Duration,
    pub translate_status_code: bool,
    pub log: Log,
    pub limits: Limits,
    pub websocket_same_policy: bool,
}

/// The same as the command line has it. All texts, so that a wrong one does not hide the next.
///
/// A reverse proxy that keeps one response contract in front of any HTTP service
#[derive(Debug, Parser)]
#[command(
    name = "gateway",
    about = "A reverse proxy that keeps one response contract in front of any HTTP service",
    long_about = None
)]
struct Flags {
    /// The service behind, http only: requests go to this URL and their path
    #[arg(long, value_name = "URL")]
    upstream: String,

    /// The origin of a front end whose pages may read the answers; repeatable
    #[arg(long = "server-url", value_name = "ORIGIN", required = true)]
    server_urls: Vec<String>,

    /// Where clients see the gateway: the start of `uri` in every error
    #[arg(long, value_name = "URL")]
    public_url: String,

    /// How long the upstream may take to begin its answer: `500ms`, `2s`, `1m`
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    timeout: String,

    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,

    /// A method that pages may use beside GET, POST and OPTIONS; repeatable
    #[arg(long = "allow-method", value_name = "METHOD")]
    allow_methods: Vec<String>,

    /// A request header that pages may send beside Authorization and Origin; repeatable
    #[arg(long = "allow-header", value_name = "NAME")]
    allow_headers: Vec<String>,

    /// A response header that pages may read; repeatable
    #[arg(long = "expose-header", value_name = "NAME")]
    expose_headers: Vec<String>,

    /// How long a browser may keep the answer to a preflight, in seconds, at most 86400
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<String>,

    /// Refuse a WebSocket of a page that is none of the front ends: CORS does not guard it
    #[arg(long)]
    websocket_same_policy: bool,

    /// Read errors of the form `{"statusCode": n, "statusMessage": ".."}` into the contract's
    #[arg(long)]
    translate_status_code: bool,

    #[command(flatten)]
    log: Log,

    #[command(flatten)]
    limits: Limits,
}

impl Options {
    /// The options, or how the program ends instead: 0 after `--help`, 2 after what is wrong.
    pub fn from_command_line() -> Result<Self, ExitCode> {
        let flags: Flags = command_line::options()?;
        flags.check().map_err(|problems| command_line::ended_by(2, &problems))
    }
}

impl Flags {
    fn check(self) -> Result<Options, Problems> {
        let mut problems = Problems::default();
        let listen = problems.keep("--listen", &self.listen, self.listen.parse());
        let upstream = problems.keep("--upstream", &self.upstream, upstream(&self.upstream));
        let timeout =
            problems.keep("--timeout", &self.timeout, humantime::parse_duration(&self.timeout));
        let public_url = problems.keep_told(self.public_url.parse());
        let max_age =
            self.max_age.as_deref().map(|text| problems.keep("--max-age", text, seconds(text)));
        let policy = self.policy(max_age.flatten());
        let policy = policy.map_err(|error| problems.keep_policy(&error)).ok();
        let has_max_age = max_age.is_none_or(|max_age| max_age.is_some());
        match (listen, upstream, policy, public_url, timeout) {
            (Some(listen), Some(upstream), Some(policy), Some(public_url), Some(timeout))
                if has_max_age =>
            {
                Ok(Options {
                    listen,
                    upstream,
                    policy,
                    public_url,
                    timeout,
                    translate_status_code: self.translate_status_code,
                    log: self.log,
                    limits: self.limits,
                    websocket_same_policy: self.websocket_same_policy,
                })
            }
            _ => Err(problems),
        }
    }

    /// The contract's methods and headers, and those of the command line.
    fn policy(&self, max_age: Option<Duration>) -> Result<CorsPolicy, CorsPolicyError> {
        let policy = CorsPolicy::builder(&self.server_urls)
            .also_allow_methods(&self.allow_methods)
            .also_allow_headers(&self.allow_headers)
            .expose_headers(&self.expose_headers);
        match max_age {
            Some(max_age) => policy.max_age(max_age).build(),
            None => policy.build(),
        }
    }
}

/// Everything that is wrong with the options, in their order.
#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    fn keep<T>(
        &mut self,
        flag: &str,
        text: &str,
        value: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        self.keep_told(value.map_err(|error| format!("{flag} {text:?}: {error}")))
    }

    /// Keeps an error that says by itself which value it is about.
    fn keep_told<T>(&mut self, value: Result<T, impl fmt::Display>) -> Option<T> {
        value.map_err(|error| self.0.push(error.to_string())).ok()
    }

    fn keep_policy(&mut self, error: &CorsPolicyError) {
        let problems = error.problems().iter();
        self.0.extend(problems.map(CorsPolicyProblem::to_string));
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [problem] => f.write_str(problem),
            problems => {
                write!(f, "{} problems with the options:", problems.len())?;
                let mut lines = problems.iter();
                lines.try_for_each(|problem| write!(f, "\n- {problem}"))
            }
        }
    }
}

impl Error for Problems {}

// ===== texts into values =====

/// Where the service behind is: a host, perhaps a port, perhaps a path before every path.
#[derive(Clone, Debug)]
pub struct Upstream {
    authority: Authority,
    /// Empty, or a path without a slash at its end.
    prefix: String,
}

impl Upstream {
    /// The upstream's URI for the path and query that a client asks for.
    pub fn uri_of(&self, target: PathAndQuery) -> Result<Uri, http::Error> {
        let target = if self.prefix.is_empty() {
            target
        } else {
            format!("{}{target}", self.prefix).parse()?
        };
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(target)
            .build()
    }
}

fn upstream(text: &str) -> Result<Upstream, &'static str> {
    const EXPECTED: &str = "write http://, a host, perhaps a port and a path, nothing else";
    let uri: Uri = text.parse().map_err(|_| EXPECTED)?;
    let authority = uri.authority().ok_or(EXPECTED)?;
    let has_more = authority.as_str().contains('@') || uri.query().is_some() || text.contains('#');
    if uri.scheme() != Some(&Scheme::HTTP) || authority.host().is_empty() || has_more {
        return Err(EXPECTED);
    }
    let port = authority.as_str().strip_prefix(authority.host());
    if port != Some("") && authority.port_u16().is_none_or(|port| port == 0) {
        return Err("a port is from 1 to 65535");
    }
    Ok(Upstream {
        authority: authority.clone(),
        prefix: uri.path().trim_end_matches('/').to_owned(),
    })
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    text.parse()
        .map(Duration::from_secs)
        .map_err(|_| "write an integer number of seconds, like 600")
}
