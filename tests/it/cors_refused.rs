//! Why a browser refuses a preflight: one event, for whoever listens at `debug`.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use http::Response;
use tower::{Layer, ServiceExt};
use tower_contract::{CorsContractLayer, CorsPolicy};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::support::{answering, now, request};

/// Keeps each event as a line.
#[derive(Clone)]
struct Log {
    most: Level,
    lines: Arc<Mutex<Vec<String>>>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.most && metadata.target().starts_with("tower_contract")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What is told of a request to a service under this policy.
fn told_at(most: Level, policy: &CorsPolicy, asked: &str) -> Vec<String> {
    let log = Log { most, lines: Arc::default() };
    let service =
        CorsContractLayer::new(policy.clone()).layer(answering(|_| Response::new(String::new())));
    tracing::subscriber::with_default(log.clone(), || {
        now(service.oneshot(request(asked))).unwrap();
    });
    let lines = log.lines.lock().unwrap();
    lines.clone()
}

/// What is told of a preflight with these lines.
fn told(policy: &CorsPolicy, lines: &str) -> String {
    told_at(Level::DEBUG, policy, &format!("OPTIONS /\n{lines}")).join("\n")
}

fn policy() -> CorsPolicy {
    let builder = CorsPolicy::builder(["https://app.example.com", "https://b.example"]);
    builder.json_pages().build().unwrap()
}

const METHOD: &str = "access-control-request-method";
const HEADERS: &str = "access-control-request-headers";
const OWN: &str = "origin: https://app.example.com\naccess-control-request-method";

#[test]
fn a_preflight_that_a_browser_will_refuse_is_told_with_what_it_asks_for() {
    let event = |reason: &str, value: &str, origin: &str| {
        let message = "message=a browser refuses this preflight";
        format!("DEBUG {message} reason=\"{reason}\" value=\"{value}\" origin=\"{origin}\"")
    };
    let own = "https://app.example.com";
    let foreign = "https://evil.example";
    for (expected, lines) in [
        (String::new(), format!("{OWN}: DELETE")),
        (event("method", "QUERY", own), format!("{OWN}: QUERY")),
        (event("method", "put", own), format!("{OWN}: put")),
        (String::new(), format!("{OWN}: GET")),
        (String::new(), format!("{OWN}: HEAD")),
        (String::new(), format!("{OWN}: POST\n{HEADERS}: content-type,authorization")),
        (event("header", "x-a", own), format!("{OWN}: POST\n{HEADERS}: content-type, x-a,x-b")),
        (event("origin", foreign, foreign), format!("origin: {foreign}\n{METHOD}: GET")),
        (event("origin", "null", "null"), format!("origin: null\n{METHOD}: GET")),
    ] {
        assert_eq!(told(&policy(), &lines), expected, "{lines}");
    }
}

#[test]
fn what_is_no_preflight_and_what_nobody_listens_to_is_not_told() {
    let asked = format!("OPTIONS /\n{OWN}: QUERY");
    assert_eq!(told_at(Level::INFO, &policy(), &asked), [""; 0]);
    for asked in ["OPTIONS /", "OPTIONS /\norigin: https://evil.example", "GET /\norigin: null"] {
        assert_eq!(told_at(Level::TRACE, &policy(), asked), [""; 0], "{asked}");
    }
}

#[test]
fn at_most_1024_bytes_of_the_list_are_read_and_a_cut_name_is_not_judged() {
    let allowed = "authorization,".repeat(73);
    assert_eq!(allowed.len(), 1_022);
    assert_eq!(told(&policy(), &format!("{OWN}: GET\n{HEADERS}: {allowed}x-a")), "");
    assert_ne!(told(&policy(), &format!("{OWN}: GET\n{HEADERS}: {allowed}x,")), "");
    let endless = "content-type,".repeat(10_000);
    assert_eq!(told(&policy(), &format!("{OWN}: GET\n{HEADERS}: {endless}x-a")), "");
}

#[test]
fn a_value_is_cut_and_stands_on_one_line() {
    let lines = format!("origin: https://\u{fc}\"{}\n{METHOD}: GET", "a".repeat(1_000));
    let line = told(&policy(), &lines);
    assert!(line.contains(r#"value="https://\xc3\xbc\"aaa"#), "{line}");
    assert!(line.contains("aaa…\" origin"), "{line}");
    assert!(line.len() < 600 && line.lines().count() == 1, "{line}");
}

#[test]
fn a_policy_for_everyone_refuses_by_its_lists_alone() {
    let policy = CorsPolicy::public().allow_headers(["*"]).build().unwrap();
    let from = |lines: &str| told(&policy, &format!("origin: https://anyone.example\n{lines}"));
    assert_eq!(from(&format!("{METHOD}: GET\n{HEADERS}: x-a")), "");
    assert!(from(&format!("{METHOD}: PUT")).contains("reason=\"method\""));
    assert!(from(&format!("{METHOD}: GET\n{HEADERS}: authorization")).contains("\"header\""));
}
