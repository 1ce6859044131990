//! The command line: what the processor answers and what Envoy is configured with come from the same
//! options.

use std::{fmt, net::SocketAddr, path::PathBuf, process::ExitCode, str::FromStr, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use http::uri::Authority;
use tower_contract::{ContractLayer, CorsPolicy, CorsPolicyProblem, MethodGuardLayer, PublicUrl};

use super::methods::{self, Resource};

/// The contract inside Envoy: an external processor, and the configuration that asks it
#[derive(Debug, Parser)]
#[command(name = "envoy")]
pub struct Flags {
    /// Where the processor listens: an address, or `unix:` and a path
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:18000", global = true)]
    pub listen: Listen,

    /// The origin of a front end whose pages may read the answers; repeatable
    #[arg(long = "server-url", value_name = "ORIGIN", global = true)]
    server_urls: Vec<String>,

    /// The origin of an app's pages, like `tauri://localhost`; repeatable
    #[arg(long = "app-origin", value_name = "ORIGIN", global = true)]
    app_origins: Vec<String>,

    /// An https origin: pages of every host below it are front ends; repeatable; `full` only
    #[arg(long, value_name = "ORIGIN", global = true)]
    subdomains_of: Vec<String>,

    /// Pages of this machine are front ends, at any port; `full` only
    #[arg(long, global = true)]
    any_loopback_port: bool,

    /// Tell front ends of challenges that a browser would keep to itself; `full` only
    #[arg(long, global = true)]
    readable_challenges: bool,

    /// Where clients see Envoy: the start of `uri` in every error
    #[arg(long, value_name = "URL", global = true)]
    public_url: Option<String>,

    /// A file with the methods of each resource: lines like `/recordings/{id} GET DELETE`
    #[arg(long, value_name = "FILE", global = true)]
    methods: Option<PathBuf>,

    /// How long the upstream may take to begin its answer: an integer and `ms`, `s` or `m`
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration, global = true)]
    timeout: Duration,

    /// A method that pages may use beside GET, POST and OPTIONS; repeatable
    #[arg(long = "allow-method", value_name = "METHOD", global = true)]
    allow_methods: Vec<String>,

    /// A request header that pages may send beside Authorization and Origin; repeatable
    #[arg(long = "allow-header", value_name = "NAME", global = true)]
    allow_headers: Vec<String>,

    /// A response header that pages may read; repeatable
    #[arg(long = "expose-header", value_name = "NAME", global = true)]
    expose_headers: Vec<String>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write Envoy's configuration for the same contract, complete enough for `envoy -c`
    PrintConfig {
        /// Ask the processor about every exchange, or only about errors
        configuration: Configuration,

        /// The service behind Envoy
        #[arg(long, value_name = "HOST:PORT")]
        upstream: Authority,

        /// Speak HTTP/2 to the upstream, as gRPC needs it
        #[arg(long)]
        upstream_http2: bool,

        /// Where Envoy listens
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
        envoy_listen: SocketAddr,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Configuration {
    Full,
    Errors,
}

/// Where the processor listens.
#[derive(Clone, Debug)]
pub enum Listen {
    Address(SocketAddr),
    Unix(PathBuf),
}

/// What the program is to do.
#[derive(Debug)]
pub enum Task {
    Serve,
    PrintConfig(Configuration, Addresses),
}

/// Between whom Envoy stands.
#[derive(Debug)]
pub struct Addresses {
    pub envoy: SocketAddr,
    pub upstream: Authority,
    pub upstream_http2: bool,
}

/// The options, checked.
#[derive(Debug)]
pub struct Options {
    pub task: Task,
    pub listen: Listen,
    pub policy: CorsPolicy,
    /// The front ends whose origins are written out.
    pub front_ends: Vec<String>,
    /// The options that Envoy cannot follow without the processor.
    pub processor_only: Vec<&'static str>,
    pub public_url: PublicUrl,
    /// Empty: every method reaches the upstream.
    pub resources: Vec<Resource>,
    pub methods: Option<MethodGuardLayer>,
    pub timeout: Duration,
}

impl Options {
    /// The options, or how the program ends instead: 0 after `--help`, 2 after what is wrong.
    pub fn from_command_line() -> Result<Self, ExitCode> {
        let flags = Flags::try_parse().map_err(|error| {
            if error.use_stderr() {
                let text = error.to_string();
                let words = text.lines().map_while(|line| (!line.is_empty()).then(|| line.trim()));
                eprintln!("{}", words.collect::<Vec<_>>().join(" "));
                ExitCode::from(2)
            } else {
                print!("{error}");
                ExitCode::SUCCESS
            }
        })?;
        flags.check().map_err(|problems| {
            eprintln!("error: {problems}");
            ExitCode::from(2)
        })
    }

    /// What every answer promises.
    pub fn contract(&self) -> ContractLayer {
        let contract = self.responses().timeout(self.timeout);
        match &self.methods {
            Some(methods) => contract.methods(methods.clone()),
            None => contract,
        }
    }

    /// The same for responses that Envoy has already: no method is refused, and no time passes.
    pub fn responses(&self) -> ContractLayer {
        ContractLayer::new(self.policy.clone()).public_url(self.public_url.clone())
    }
}

impl Flags {
    fn check(self) -> Result<Options, Problems> {
        let mut problems = Problems::default();
        let policy = self.policy(&mut problems);
        let public_url = match &self.public_url {
            Some(url) => problems.keep(url.parse::<PublicUrl>()),
            None => problems.keep(Err("--public-url is missing: write where clients see Envoy")),
        };
        let resources = self.methods.as_deref().map(methods::read).transpose();
        let resources = problems.keep(resources).flatten().unwrap_or_default();
        let methods = (!resources.is_empty()).then(|| guard(&resources)).transpose();
        let methods = methods.map_err(|error| error.problems().to_vec());
        let methods = methods.map_err(|all| problems.0.extend(all)).ok();
        let (Some(policy), Some(public_url), Some(methods), []) =
            (policy, public_url, methods, problems.0.as_slice())
        else {
            return Err(problems);
        };
        let processor_only = [
            ("--subdomains-of", !self.subdomains_of.is_empty()),
            ("--any-loopback-port", self.any_loopback_port),
            ("--readable-challenges", self.readable_challenges),
        ];
        let processor_only = processor_only
            .into_iter()
            .filter_map(|(name, is_given)| is_given.then_some(name))
            .collect();
        Ok(Options {
            task: self.command.map_or(Task::Serve, Command::task),
            listen: self.listen,
            policy,
            processor_only,
            front_ends: [self.server_urls, self.app_origins].concat(),
            public_url,
            resources,
            methods,
            timeout: self.timeout,
        })
    }

    /// The contract's methods and headers, and those of the command line.
    fn policy(&self, problems: &mut Problems) -> Option<CorsPolicy> {
        if self.server_urls.is_empty() {
            problems.0.push("--server-url is missing: write the origin of a front end".to_owned());
            return None;
        }
        let mut policy = CorsPolicy::builder(&self.server_urls)
            .also_allow_methods(&self.allow_methods)
            .also_allow_headers(&self.allow_headers)
            .expose_headers(&self.expose_headers)
            .app_origins(&self.app_origins)
            .subdomains_of(&self.subdomains_of);
        if self.any_loopback_port {
            policy = policy.any_loopback_port();
        }
        if self.readable_challenges {
            policy = policy.readable_challenges();
        }
        let policy = policy.build();
        let policy = policy.map_err(|error| {
            problems.0.extend(error.problems().iter().map(CorsPolicyProblem::to_string));
        });
        policy.ok()
    }
}

/// Plain OPTIONS is answered with what a resource supports.
fn guard(resources: &[Resource]) -> Result<MethodGuardLayer, tower_contract::MethodGuardError> {
    let routes = resources.iter().map(|resource| (&*resource.pattern, resource.methods.clone()));
    Ok(MethodGuardLayer::by_path(routes)?.answer_options())
}

impl Command {
    fn task(self) -> Task {
        let Self::PrintConfig { configuration, upstream, upstream_http2, envoy_listen } = self;
        Task::PrintConfig(
            configuration,
            Addresses { envoy: envoy_listen, upstream, upstream_http2 },
        )
    }
}

/// Everything that is wrong with the options.
#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    fn keep<T>(&mut self, value: Result<T, impl fmt::Display>) -> Option<T> {
        value.map_err(|error| self.0.push(error.to_string())).ok()
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

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("write a path after unix:"),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text
                .parse()
                .map(Self::Address)
                .map_err(|_| "write an IP address and a port, or unix: and a path"),
        }
    }
}

/// `500ms`, `2s`, `1m`: digits and a unit, nothing else.
fn duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "write an integer and ms, s or m, like 500ms";
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let milliseconds_each = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(EXPECTED),
    };
    let count: u64 = digits.parse().map_err(|_| EXPECTED)?;
    count.checked_mul(milliseconds_each).map(Duration::from_millis).ok_or("it is too long")
}
