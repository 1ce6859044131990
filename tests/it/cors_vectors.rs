//! Every vector of `vectors/cors.json`: requests, configurations to reject, configurations to accept.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header::HeaderName};
use http_body_util::Full;
use serde::Deserialize;
use tower::{Layer, ServiceExt};
use tower_contract::{
    CorsContractLayer, CorsPolicy, CorsPolicyError, CorsPolicyProblem,
    CorsPolicyProblemKind as Kind, CorsPolicySetting as Setting,
};

use crate::{
    fetch::{self, Fetch},
    support::{answering, now},
};

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
    invalid_configs: Vec<Invalid>,
    valid_configs: Vec<Valid>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    config: Config,
    request: Asked,
    inner: Option<Inner>,
    expect: Expected,
    transport: String,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    headers: Vec<(String, String)>,
}

#[derive(Clone, Deserialize)]
struct Inner {
    status: u16,
    headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the file's own fields")]
struct Expected {
    preflight: bool,
    cors_request: bool,
    allow_origin: String,
    credentials: bool,
    methods: BTreeSet<String>,
    headers: BTreeSet<String>,
    vary_contains: BTreeSet<String>,
    browser_allows: bool,
    status: Option<u16>,
    max_age: Option<u64>,
    expose: Option<BTreeSet<String>>,
    #[serde(default)]
    absent: Vec<String>,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    config: serde_json::Value,
    error_kind: String,
    error_count: usize,
    suggest: Option<String>,
}

#[derive(Deserialize)]
struct Valid {
    name: String,
    config: Config,
}

/// What the builder's types can be given.
#[derive(Deserialize)]
struct Config {
    server_urls: Vec<String>,
    allow_methods: Vec<String>,
    allow_headers: Vec<String>,
    #[serde(default)]
    expose: Vec<String>,
    max_age: Option<u64>,
    #[serde(default)]
    dangerously_allow_insecure_origins: bool,
}

/// Configurations that cannot be written down: the setters' types exclude them.
const EXCLUDED_BY_TYPES: [&str; 4] = [
    "max-age-float",    // a `Duration` is not the number 600.5
    "max-age-negative", // nor a negative one
    "url-number",       // 443 is not `Into<String>`
    "urls-absent",      // `builder` takes the list as its argument
];

/// Counts of the file that hold the contract's lists to be a minimum, which they no longer are.
const WHOLE_LISTS: [(&str, usize); 3] =
    [("methods-comma", 1), ("methods-star", 1), ("many-bad", 5)];

fn file() -> File {
    serde_json::from_str(include_str!("vectors/cors.json")).unwrap()
}

impl Config {
    fn build(self) -> Result<CorsPolicy, CorsPolicyError> {
        let mut builder = CorsPolicy::builder(self.server_urls)
            .allow_methods(self.allow_methods)
            .allow_headers(self.allow_headers)
            .expose_headers(self.expose);
        if let Some(seconds) = self.max_age {
            builder = builder.max_age(Duration::from_secs(seconds));
        }
        if self.dangerously_allow_insecure_origins {
            builder = builder.dangerously_allow_insecure_origins();
        }
        builder.build()
    }
}

// ===== requests =====

#[test]
fn every_request_vector_gets_its_answer() {
    let mut unconstructible = Vec::new();
    for vector in file().vectors {
        let request = build(&vector.request);
        assert_eq!(request.is_none(), vector.transport == "unconstructible", "{}", vector.name);
        match request {
            Some(request) => check(vector, request),
            None => unconstructible.push(vector.name),
        }
    }
    assert_eq!(
        unconstructible.join(" "),
        "bad-nul-end bad-nul-middle bad-esc bad-us bad-lf bad-lf-end pf-h-nul pf-h-crlf \
         pf-foreign-nul",
        "what `HeaderValue` refuses, hyper refuses before any layer"
    );
}

fn build(asked: &Asked) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::builder().method(Method::from_bytes(asked.method.as_bytes()).ok()?);
    for (name, value) in &asked.headers {
        request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    request.body(Full::default()).ok()
}

fn check(vector: Vector, request: Request<Full<Bytes>>) {
    const REACHED: &str = "x-inner-service";
    let Vector { name, config, inner, expect, .. } = vector;
    let asked = request.headers().clone();
    let service = answering(move |_| {
        let inner = inner.as_ref();
        let mut response = Response::builder().status(inner.map_or(200, |inner| inner.status));
        for (name, value) in inner.map_or(&[][..], |inner| &inner.headers) {
            response = response.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        response.header(REACHED, "").body(Full::from("inner")).unwrap()
    });
    let layer = CorsContractLayer::new(config.build().unwrap());
    let response: Response<Full<Bytes>> = now(layer.layer(service).oneshot(request)).unwrap();

    assert_eq!(!response.headers().contains_key(REACHED), expect.preflight, "{name}");
    assert!(expect.status.is_none_or(|status| response.status() == status), "{name}");
    assert_eq!(asked.contains_key("origin"), expect.cors_request, "{name}");
    assert_eq!(
        browser_allows(&asked, &response, expect.preflight),
        expect.browser_allows,
        "{name}"
    );
    check_headers(&name, response.headers(), expect);
}

fn check_headers(name: &str, headers: &HeaderMap, expect: Expected) {
    let one = |field: &str| one_line(headers, field).unwrap_or_else(|| panic!("{name}: {field}"));
    assert_eq!(one("access-control-allow-origin"), expect.allow_origin, "{name}");
    assert_eq!(one("access-control-allow-origins"), expect.allow_origin, "{name}");
    assert_eq!(one("access-control-allow-credentials") == "true", expect.credentials, "{name}");
    assert_eq!(members(&one("access-control-allow-methods")), expect.methods, "{name}");
    let allowed = members(&one("access-control-allow-headers"));
    assert_eq!(folded(allowed), folded(expect.headers), "{name}");
    let vary = headers.get_all("vary").iter().map(|line| line.to_str().unwrap());
    let vary = folded(members(&vary.collect::<Vec<_>>().join(",")));
    assert!(vary.is_superset(&folded(expect.vary_contains)), "{name}: {vary:?}");
    if let Some(seconds) = expect.max_age {
        assert_eq!(one("access-control-max-age"), seconds.to_string(), "{name}");
    }
    if let Some(exposed) = expect.expose {
        let line = one("access-control-expose-headers");
        assert_eq!(folded(members(&line)), folded(exposed), "{name}");
    }
    for field in expect.absent {
        assert!(!headers.contains_key(&field), "{name}: {field}");
    }
}

/// By the model: whether a page whose origin is the request's could read the response, or for a
/// preflight, whether the request that it asks for would be sent.
fn browser_allows<B>(asked: &HeaderMap, response: &Response<B>, preflight: bool) -> bool {
    let text = |name: &str, separator: &str| {
        let lines = asked.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
        lines.collect::<Vec<_>>().join(separator)
    };
    let origin = text("origin", ", ");
    let mut page = Fetch { origin, method: Method::GET, headers: Vec::new(), credentials: true };
    if !preflight {
        return !asked.contains_key("origin") || fetch::cors_check(&page, response.headers());
    }
    let method = text("access-control-request-method", ", ");
    match Method::from_bytes(method.as_bytes()) {
        Ok(method) => page.method = method,
        Err(_) => return false,
    }
    let names = text("access-control-request-headers", ",").to_ascii_lowercase();
    let names: Vec<_> = members(&names).into_iter().collect();
    fetch::preflight_allows(&page, &names, response)
}

fn one_line(headers: &HeaderMap, field: &str) -> Option<String> {
    let lines: Vec<_> = headers.get_all(HeaderName::try_from(field).unwrap()).iter().collect();
    match lines[..] {
        [line] => Some(line.to_str().unwrap().to_owned()),
        _ => None,
    }
}

fn members(list: &str) -> BTreeSet<String> {
    list.split(',').map(|member| member.trim().to_owned()).filter(|m| !m.is_empty()).collect()
}

fn folded(names: BTreeSet<String>) -> BTreeSet<String> {
    names.into_iter().map(|name| name.to_ascii_lowercase()).collect()
}

// ===== configurations =====

#[test]
fn every_configuration_to_accept_is_accepted() {
    for Valid { name, config } in file().valid_configs {
        let built = config.build();
        assert!(built.is_ok(), "{name}: {}", built.unwrap_err());
    }
}

#[test]
fn every_configuration_to_reject_is_rejected_for_its_reason() {
    let mut excluded = Vec::new();
    for Invalid { name, mut config, error_kind, mut error_count, suggest } in file().invalid_configs
    {
        if name == "many-bad" {
            // Without its max_age of -2, which no `Duration` is.
            config.as_object_mut().unwrap().remove("max_age");
        }
        if let Some((_, count)) = WHOLE_LISTS.iter().find(|(known, _)| *known == name) {
            error_count = *count;
        }
        let Ok(config) = serde_json::from_value::<Config>(config) else {
            excluded.push(name);
            continue;
        };
        let error = config.build().expect_err(&name);
        let problems = error.problems();
        assert_eq!(problems.len(), error_count, "{name}: {error}");
        assert_eq!(words(&problems[0]), error_kind, "{name}");
        if let Some(suggest) = suggest {
            // "GET | POST | OPTIONS as three items"
            let suggested = suggest.trim_end_matches(" as three items");
            assert_eq!(problems[0].corrected().join(" | "), suggested, "{name}");
        }
    }
    excluded.sort();
    assert_eq!(excluded, EXCLUDED_BY_TYPES);
}

/// A problem in the words of the file.
fn words(problem: &CorsPolicyProblem) -> String {
    let setting = match problem.setting() {
        Setting::ExposeHeaders => "expose".to_owned(),
        other => other.to_string(),
    };
    let kind = match (problem.setting(), problem.kind()) {
        (_, Kind::Missing) => "missing",
        (_, Kind::TooMany) => "too many",
        (_, Kind::TooLong) => "too_long",
        (Setting::ExposeHeaders, Kind::Wildcard) => "wildcard with credentials",
        (_, Kind::Wildcard) => "wildcard",
        (_, Kind::NullOrigin) => "null_origin",
        (_, Kind::NotPrintableAscii) => "non_ascii_or_space_or_control",
        (_, Kind::NotSchemeAndHost) => "not_scheme_host",
        (_, Kind::Scheme) => "scheme",
        (_, Kind::MoreThanOrigin) => "path_query_fragment_userinfo",
        (_, Kind::Host) => "host",
        (_, Kind::Ipv4) => "ipv4",
        (_, Kind::Ipv6) => "ipv6",
        (_, Kind::Ipv6NotCanonical) => "ipv6_not_canonical",
        (_, Kind::Punycode) => "punycode",
        (_, Kind::TrailingDot) => "trailing_dot",
        (_, Kind::Port) => "port",
        (_, Kind::DefaultPort) => "default_port",
        (_, Kind::Insecure) => "insecure",
        (_, Kind::NotAToken) => "invalid",
        (_, Kind::Case) => "case",
        (_, Kind::Forbidden) => "forbidden",
        (_, Kind::OutOfRange) => "range",
        (Setting::ExposeHeaders, Kind::WrongDirection) => "no place in a response",
        (_, Kind::WrongDirection) => "response header",
        (_, other) => panic!("no words for {other:?}"),
    };
    format!("{setting}: {kind}")
}
