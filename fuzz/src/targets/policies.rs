//! Configurations: front ends, lists, patterns of paths, public URLs; and what they then allow.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_contract::{
    CorsContractLayer, CorsPolicy, CorsPolicyProblemKind as Kind, CorsPolicySetting as Setting,
    MethodGuardLayer, PublicUrl,
};

use super::{Input, block_on};

/// Each piece begins with a byte that says what it is.
#[derive(Default)]
struct Written {
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    exposed: Vec<String>,
    patterns: Vec<String>,
    urls: Vec<String>,
}

pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let mut written = Written::default();
    while !input.is_empty() {
        let list = match input.byte() {
            b'm' => &mut written.methods,
            b'h' => &mut written.headers,
            b'e' => &mut written.exposed,
            b'p' => &mut written.patterns,
            b'u' => &mut written.urls,
            _ => &mut written.origins,
        };
        list.push(input.text());
    }
    check_policy(&written);
    check_patterns(&written.patterns);
    for url in written.urls.iter().chain(&written.origins) {
        check_url(url);
    }
}

fn check_policy(written: &Written) {
    let methods = ["GET", "POST", "OPTIONS"].into_iter();
    let headers = ["Authorization", "Origin"].into_iter();
    let policy = CorsPolicy::builder(&written.origins)
        .allow_methods(methods.chain(written.methods.iter().map(String::as_str)))
        .allow_headers(headers.chain(written.headers.iter().map(String::as_str)))
        .expose_headers(&written.exposed)
        .build();
    match policy {
        Err(error) => {
            assert!(!error.problems().is_empty() && !error.to_string().is_empty());
            let problems = error.problems().iter();
            for problem in problems.filter(|problem| problem.setting() == Setting::ServerUrls) {
                problem.corrected().iter().for_each(|origin| check_advice(origin));
            }
        }
        Ok(policy) => {
            for origin in &written.origins {
                assert_eq!(allowed(&policy, origin), [origin.as_bytes()]);
                let foreign = format!("{origin}.evil.example");
                assert_eq!(allowed(&policy, &foreign), [written.origins[0].as_bytes()]);
            }
        }
    }
}

/// What is advised is accepted, or it is http over a network, which is asked for by name.
fn check_advice(origin: &str) {
    if let Err(error) = CorsPolicy::builder([origin]).build() {
        let only_insecure = error.problems().iter().all(|p| p.kind() == Kind::Insecure);
        assert!(only_insecure, "{origin}: {error}");
    }
}

/// The values of `Access-Control-Allow-Origin` for a page of `origin`.
fn allowed(policy: &CorsPolicy, origin: &str) -> Vec<Vec<u8>> {
    let service =
        CorsContractLayer::new(policy.clone()).layer(service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    let request = Request::builder().header("origin", origin).body(()).unwrap();
    let response = block_on(service.oneshot(request)).unwrap();
    let values = response.headers().get_all("access-control-allow-origin").iter();
    values.map(|value| value.as_bytes().to_vec()).collect()
}

/// Patterns are taken or refused; a request for one as a path, and for its neighbours, is answered.
fn check_patterns(patterns: &[String]) {
    let routes = patterns.iter().map(|pattern| (pattern.as_str(), [Method::GET]));
    let guard = match MethodGuardLayer::by_path(routes) {
        Err(error) => {
            return assert!(!error.problems().is_empty() && !error.to_string().is_empty());
        }
        Ok(guard) => guard,
    };
    let service = guard.layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    for path in patterns.iter().flat_map(|p| [p.clone(), format!("{p}/"), p.replace('{', "")]) {
        let request = Request::builder().method("DELETE").uri(path);
        let Ok(request) = request.body(()) else { continue };
        let status = block_on(service.clone().oneshot(request)).unwrap().status();
        assert!(matches!(status.as_u16(), 200 | 405), "{status}");
    }
}

fn check_url(url: &str) {
    if let Ok(parsed) = url.parse::<PublicUrl>() {
        // What it is shown as is one, and the same one.
        assert_eq!(parsed.to_string().parse::<PublicUrl>().unwrap(), parsed);
    }
    if let Ok(origin) = CorsPolicy::origin_of(url) {
        check_advice(&origin);
    }
}
