//! Checks whether a service keeps the contract: 70 checks, for a tower service or a URL.
//!
//! In a test, one line checks a service in process. hyper's own server serves it on connections in
//! memory, so that what is judged is what a client would read.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_contract::{ContractLayer, CorsPolicy, conformance};
//!
//! fn app() -> Router {
//!     let policy = CorsPolicy::builder(["https://app.example.com"]).build().unwrap();
//!     Router::new().route("/ping", get(async || "pong")).layer(ContractLayer::new(policy))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! // In your test: #[tokio::test] async fn the_contract_holds() { .. }
//! conformance::of(app()).origin("https://app.example.com").get("/ping").assert_kept().await;
//!
//! // Without the contract, the report says what is broken, and what to do.
//! let bare = Router::new().route("/ping", get(async || "pong"));
//! let run = conformance::of(bare).origin("https://app.example.com").get("/ping");
//! let report = run.report().await.unwrap();
//! assert!(!report.is_kept());
//! let first = report.broken().next().unwrap();
//! assert_eq!(first.title, "A page of the front end can read a healthy answer.");
//! # }
//! ```
//!
//! [`at`] checks a service behind a URL, in any language; the program `tower-contract` (feature
//! `cli`) does the same from the command line.
//!
//! # What is sent
//!
//! Requests of GET, HEAD, OPTIONS, TRACE, PROPFIND and FROBNICATE alone, unless a route is named
//! that asks for more; at most 4 at once, but for the checks of load; each with 10 seconds of time,
//! and 1 MiB of its body is read. [`Run::dry_run`] tells all of them.
//!
//! # Levels
//!
//! [`Level::Must`] and [`Level::Contract`] fail a run, [`Level::Advice`] never does. What failed is
//! tried twice again; what then does not fail is told as such, and fails nothing.

mod answer;
mod ask;
mod check;
#[expect(clippy::unnecessary_wraps, reason = "every plan and every judgement has one signature")]
mod checks;
mod credentials;
mod envelope;
mod execute;
mod http1;
mod http2;
mod machine;
mod options;
mod report;
mod run;
mod subject;
mod text;
mod transport;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tower_service::Service;

use self::transport::{Place, Server};
pub use self::{
    answer::Version,
    check::{Check, Level},
    options::Format,
    report::{CheckResult, Finding, Outcome, Report},
    run::{CannotCheck, Run},
    subject::Profile,
    text::Text,
};

/// Prepares a run against a service in this process: an axum Router, a service under
/// [`ContractLayer`](crate::ContractLayer), tonic's Routes.
///
/// Nothing is sent before [`Run::report`] or [`Run::assert_kept`]. Checks that take a socket are
/// not run (ALPN, what a server answers by itself). The clock of the runtime must not be paused.
pub fn of<S, B>(service: S) -> Run
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Run::new(Place::in_process(service), "in process".to_owned(), String::new())
}

/// Prepares a run against the service at `url`: scheme, host and port, and the path below which it
/// answers, where that is not all of the host.
///
/// # Errors
///
/// If `url` is no URL of http or https, or has a query or credentials.
///
/// ```
/// use tower_contract::conformance;
///
/// let run = conformance::at("http://127.0.0.1:8080")?.origin("https://app.example.com");
/// assert!(run.dry_run().len() > 40);
/// assert!(conformance::at("127.0.0.1:8080").is_err());
/// # Ok::<(), conformance::CannotCheck>(())
/// ```
pub fn at(url: &str) -> Result<Run, CannotCheck> {
    let (server, base) =
        parse(url).map_err(|why| CannotCheck::because(format!("{url:?} {why}")))?;
    Ok(Run::new(Place::Socket(server), url.trim_end_matches('/').to_owned(), base))
}

fn parse(url: &str) -> Result<(Server, String), String> {
    let meant = |url: &str| format!("is no URL of a service: write http://{url}");
    let parsed = match url::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => parsed,
        // `localhost:8080` parses as a scheme and a path.
        _ => return Err(meant(url.trim_start_matches('/'))),
    };
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err("has a query: give the URL without it".to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("has credentials: give them with --auth 'Authorization: ..'".to_owned());
    }
    let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
        return Err(meant("127.0.0.1:8080"));
    };
    let server = Server {
        tls: parsed.scheme() == "https",
        host: host.to_owned(),
        port,
        trusted: Vec::new(),
        roots: None,
    };
    Ok((server, parsed.path().trim_end_matches('/').to_owned()))
}
