//! The routes: all to the upstream, or what Envoy can answer by itself before.

use serde_json::{Value, json};

use super::{
    answers::{Answers, Audience, line},
    local_replies::MARK,
};
use crate::{
    from_envoy::GUARD_ROUTE,
    methods::Resource,
    options::{Configuration, Options},
    to_envoy::REFUSED,
};

/// Response headers of an upstream that never pass: what the policy says is the whole truth, and
/// nobody forges Envoy's mark. A route removes before it adds; a virtual host would remove after it.
const REMOVED: [&str; 9] = [
    "access-control-allow-origin",
    "access-control-allow-origins",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-credentials",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
    MARK,
];

/// The virtual host of all names.
pub async fn virtual_host(
    options: &Options,
    configuration: Configuration,
    answers: &Answers<'_>,
) -> Value {
    let routes = match configuration {
        Configuration::Full => refused_heads().chain([everything_to_the_upstream()]).collect(),
        Configuration::Errors => routes(options, answers).await,
    };
    json!({
        "name": "contract",
        "domains": ["*"],
        "routes": routes,
    })
}

/// The processor keeps the time limit; it ends with the head of the response.
fn everything_to_the_upstream() -> Value {
    json!({
        "name": "contract-upstream",
        "match": { "prefix": "/" },
        "route": { "cluster": "upstream", "timeout": "0s" },
        "response_headers_to_remove": REMOVED,
    })
}

/// The place of an answer to HEAD that the processor wants to give instead of the upstream's. Envoy
/// takes `content-type` from an `ImmediateResponse` to HEAD, but not from a response of its own.
fn refused_heads() -> impl Iterator<Item = Value> {
    [405, 501].into_iter().map(|status: u16| {
        let header = json!({
            "name": REFUSED, "string_match": { "exact": status.to_string() },
        });
        json!({
            "name": "contract-refused",
            "match": { "prefix": "/", "headers": [header, method(&["HEAD"])] },
            "direct_response": { "status": status },
        })
    })
}

async fn routes(options: &Options, answers: &Answers<'_>) -> Vec<Value> {
    let mut resources: Vec<_> = options.resources.iter().collect();
    resources.sort_by_key(|resource| specificity(&resource.pattern));
    let mut routes = Vec::new();
    for audience in answers.audiences() {
        let front_end = match audience {
            Audience::FrontEnd => Some(front_end(&options.front_ends)),
            Audience::Others => None,
        };
        let cors = answers.healthy(*audience).await;
        let route =
            |name: &str, path: Value, method: Option<Value>, does: Value, lines: &[Value]| {
                let mut matches = path;
                matches["headers"] = front_end.iter().cloned().chain(method).collect();
                let mut route = does;
                route["name"] = name.into();
                route["match"] = matches;
                route["response_headers_to_add"] = cors.iter().chain(lines).cloned().collect();
                route["response_headers_to_remove"] = json!(REMOVED);
                route
            };
        routes.push(preflight(front_end.as_ref(), &answers.preflight(*audience).await));
        for Resource { pattern, .. } in &resources {
            let allow = answers.allow(&sample(pattern)).await;
            let path = || json!({ "safe_regex": { "regex": regex(pattern) } });
            let upstream = || to_the_upstream(options);
            let allowed =
                method(&allow.split(", ").filter(|m| *m != "OPTIONS").collect::<Vec<_>>());
            let options = method(&["OPTIONS"]);
            let allow = [line("allow", &allow)];
            routes.extend([
                route("contract-upstream", path(), Some(allowed), upstream(), &[]),
                route("contract-options", path(), Some(options), answered(200), &allow),
                route(GUARD_ROUTE, path(), None, answered(405), &allow),
            ]);
        }
        let all = json!({ "prefix": "/" });
        routes.push(route("contract-upstream", all, None, to_the_upstream(options), &[]));
    }
    routes
}

/// The limit ends with the head of the response: past it, `per_try_timeout` lets the response go on.
fn to_the_upstream(options: &Options) -> Value {
    let limit = format!("{:.3}s", options.timeout.as_secs_f64());
    json!({ "route": {
        "cluster": "upstream",
        "timeout": "0s",
        "retry_policy": { "num_retries": 0, "per_try_timeout": limit },
    } })
}

fn answered(status: u16) -> Value {
    json!({ "direct_response": { "status": status } })
}

fn preflight(front_end: Option<&Value>, lines: &[Value]) -> Value {
    let asks = [
        method(&["OPTIONS"]),
        json!({ "name": "origin", "present_match": true }),
        json!({ "name": "access-control-request-method", "present_match": true }),
    ];
    let headers: Value = front_end.cloned().into_iter().chain(asks).collect();
    json!({
        "name": "contract-preflight",
        "match": { "prefix": "/", "headers": headers },
        "direct_response": { "status": 200 },
        "response_headers_to_add": lines,
    })
}

fn method(methods: &[&str]) -> Value {
    let methods: Vec<_> = methods.iter().map(|method| escaped(method)).collect();
    let regex = methods.join("|");
    json!({ "name": ":method", "string_match": { "safe_regex": { "regex": regex } } })
}

/// One `Origin` line that is byte for byte that of a front end. Envoy joins several lines with commas.
pub fn front_end(origins: &[String]) -> Value {
    let origins: Vec<_> = origins.iter().map(|origin| escaped(origin)).collect();
    let regex = origins.join("|");
    json!({ "name": "origin", "string_match": { "safe_regex": { "regex": regex } } })
}

// ===== patterns =====

/// What a pattern matches, as an expression over a whole path.
fn regex(pattern: &str) -> String {
    let mut regex = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        regex.push_str(&escaped(before));
        regex.push_str(if name.starts_with('*') { ".+" } else { "[^/]+" });
        rest = after;
    }
    regex + &escaped(rest)
}

/// A path that a pattern matches, and hardly another one.
fn sample(pattern: &str) -> String {
    let mut sample = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}').unwrap_or((after, ""));
        sample.push_str(before);
        sample.push_str("any-contract-sample");
        rest = after;
    }
    sample + rest
}

/// Sorts the patterns so that Envoy's first match is the one that the layers would choose: a segment
/// that is written out comes before a parameter, this before the rest of the path.
fn specificity(pattern: &str) -> Vec<(u8, String)> {
    let segments = pattern.split('/').map(|segment| {
        let kind = match segment.find('{') {
            None => 0,
            Some(at) if segment[at..].starts_with("{*") => 2,
            Some(_) => 1,
        };
        (kind, segment.to_owned())
    });
    segments.collect()
}

/// A text as an expression that matches it alone.
fn escaped(text: &str) -> String {
    let mut regex = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && c.is_ascii() && !matches!(c, '/' | '-' | '_' | ':') {
            regex.push('\\');
        }
        regex.push(c);
    }
    regex
}
