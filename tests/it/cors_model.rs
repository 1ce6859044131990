//! Many policies, pages and requests: what a browser then allows is what the policy says, no more
//! and no less.

use std::{cell::Cell, thread, time::Duration};

use http::{HeaderName, HeaderValue, Method, Request, Response};
use tower::{Layer, Service, ServiceExt};
use tower_contract::{CorsContractLayer, CorsPolicy, CorsPolicyHandle};

use crate::{
    fetch::{Fetch, Outcome, SharedCache, fetch},
    support::{self, now},
};

/// How many pairs of a policy and a fetch are tried; `CORS_PAIRS` asks for more.
const PAIRS: usize = 120_000;
const FETCHES: usize = 240;

/// A small generator (xorshift64*): the same cases in each run.
struct Random(Cell<u64>);

impl Random {
    fn below(&self, limit: usize) -> usize {
        let mut x = self.0.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0.set(x);
        usize::try_from(x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % limit
    }

    fn one_of<'a, T>(&self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Each of `items` or not.
    fn some_of(&self, items: &[&str]) -> Vec<String> {
        let chosen = items.iter().filter(|_| self.below(3) == 0);
        chosen.map(|item| (*item).to_owned()).collect()
    }
}

/// What an operator writes down.
#[derive(Debug)]
struct Intent {
    /// For every page, without credentials; the rest that says which pages does not count then.
    is_public: bool,
    origins: Vec<String>,
    apps: Vec<String>,
    bases: Vec<String>,
    any_loopback_port: bool,
    methods: Vec<String>,
    headers: Vec<String>,
    exposed: Vec<String>,
    is_live: bool,
}

const HOSTS: [&str; 6] = [
    "https://app.example.com",
    "https://admin.example.com",
    "https://app.example.com:8443",
    "http://localhost:3000",
    "https://example.com",
    "https://[2001:db8::1]",
];
const APPS: [&str; 3] = ["tauri://localhost", "capacitor://localhost", "app://a.b"];
const BASES: [&str; 4] = [
    "https://preview.example.com",
    "https://example.com:8443",
    "https://team.github.io",
    "http://dev.localhost:3000",
];
const METHODS: [&str; 6] = ["PUT", "PATCH", "DELETE", "HEAD", "QUERY", "lock"];
const HEADERS: [&str; 4] = ["Content-Type", "X-Request-Id", "x-a", "If-Match"];
const EXPOSED: [&str; 3] = ["Retry-After", "ETag", "x-request-id"];

fn intent(random: &Random) -> Intent {
    let list = |first: &[&str], more: &[&str]| {
        let mut list: Vec<_> = first.iter().map(|name| (*name).to_owned()).collect();
        list.extend(random.some_of(more));
        list
    };
    let first = random.below(HOSTS.len());
    let (before, after) = HOSTS.split_at(first);
    let mut intent = Intent {
        is_public: random.below(6) == 0,
        origins: list(&after[..1], &[&after[1..], before].concat()),
        apps: Vec::new(),
        bases: Vec::new(),
        any_loopback_port: random.below(4) == 0,
        methods: list(&["GET", "POST", "OPTIONS"], &METHODS),
        headers: list(&["Authorization", "Origin"], &HEADERS),
        exposed: list(&[], &EXPOSED),
        is_live: random.below(3) == 0,
    };
    if random.below(2) == 0 {
        // More than are compared one by one.
        let more = (0..random.below(20)).map(|n| format!("https://t{n}.example"));
        intent.origins.extend(more);
    }
    if random.below(2) == 0 {
        intent.apps = random.some_of(&APPS);
        intent.bases = random.some_of(&BASES);
    }
    if intent.is_public {
        intent.headers.retain(|name| name != "Authorization" || random.below(2) == 0);
        intent.headers.extend(random.some_of(&["*"]));
    }
    intent
}

impl Intent {
    fn policy(&self) -> CorsPolicy {
        if self.is_public {
            return CorsPolicy::public()
                .allow_methods(&self.methods)
                .allow_headers(&self.headers)
                .expose_headers(&self.exposed)
                .build()
                .unwrap();
        }
        let builder = CorsPolicy::builder(&self.origins)
            .app_origins(&self.apps)
            .subdomains_of(&self.bases)
            .allow_methods(&self.methods)
            .allow_headers(&self.headers)
            .expose_headers(&self.exposed)
            .max_age(Duration::from_secs(5));
        let builder = if self.any_loopback_port { builder.any_loopback_port() } else { builder };
        builder.build().unwrap()
    }

    fn layer(&self) -> CorsContractLayer {
        if self.is_live {
            CorsContractLayer::new(CorsPolicyHandle::new(self.policy()))
        } else {
            CorsContractLayer::new(self.policy())
        }
    }

    /// Whether the operator means this page.
    fn admits(&self, origin: &str) -> bool {
        self.origins.iter().chain(&self.apps).any(|listed| listed == origin)
            || self.bases.iter().any(|base| is_below(base, origin))
            || (self.any_loopback_port && is_loopback(origin))
    }

    /// What should become of a fetch.
    fn outcome(&self, asked: &Fetch) -> Outcome {
        let is_readable =
            if self.is_public { !asked.credentials } else { self.admits(&asked.origin) };
        let is_simple = ["GET", "HEAD", "POST"].contains(&asked.method.as_str());
        let method = is_simple || self.methods.iter().any(|m| m == asked.method.as_str());
        let any = self.headers.iter().any(|listed| listed == "*") && !asked.credentials;
        let headers = asked.headers.iter().all(|name| {
            name == "Accept"
                || (any && name != "authorization")
                || self.headers.iter().any(|listed| listed.eq_ignore_ascii_case(name))
        });
        match (is_readable, method && headers) {
            (true, true) => Outcome::Readable(self.exposed.clone()),
            (false, true) if is_simple && asked.headers.iter().all(|name| name == "Accept") => {
                Outcome::Unreadable
            }
            _ => Outcome::NotSent,
        }
    }
}

// ===== the same rules a second time, read from the left, byte by byte =====

/// Scheme, host and port of an origin of the web that a browser may have written.
fn split(origin: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = origin.split_once("://")?;
    let colon =
        if rest.starts_with('[') { rest.find("]:").map(|at| at + 1) } else { rest.find(':') };
    let (host, port) = rest.split_at(colon.unwrap_or(rest.len()));
    let is_written_so = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(digits) => {
            let default = if scheme == "https" { "443" } else { "80" };
            digits.parse::<u16>().is_ok_and(|n| n > 0 && n.to_string() == digits)
                && digits != default
        }
    };
    (["http", "https"].contains(&scheme) && is_written_so).then_some((scheme, host, port))
}

fn is_name(host: &str) -> bool {
    let mut previous = '.';
    for character in host.chars() {
        match character {
            '.' if previous == '.' => return false,
            'a'..='z' | '0'..='9' | '-' | '.' => previous = character,
            _ => return false,
        }
    }
    previous != '.' && host.len() <= 253
}

fn is_below(base: &str, origin: &str) -> bool {
    let (Some(base), Some(page)) = (split(base), split(origin)) else {
        return false;
    };
    let (one, other) = (page.1.as_bytes(), base.1.as_bytes());
    // From the end, until the base is used up: then a dot, and something before it.
    let mut left = one.len();
    for byte in other.iter().rev() {
        if left == 0 || one[left - 1] != *byte {
            return false;
        }
        left -= 1;
    }
    // None of the bases of this test has a public suffix below it.
    left > 1 && one[left - 1] == b'.' && page.0 == base.0 && page.2 == base.2 && is_name(page.1)
}

fn is_loopback(origin: &str) -> bool {
    let Some((_, host, _)) = split(origin) else {
        return false;
    };
    let labels: Vec<_> = host.split('.').collect();
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
        || (labels.len() > 1 && labels.last() == Some(&"localhost") && is_name(host))
}

/// A page: a front end, or somebody who would like to be taken for one.
fn page(random: &Random, intent: &Intent) -> String {
    let known = [&intent.origins[..], &intent.apps, &intent.bases].concat();
    let origin = random.one_of(&known).clone();
    match random.below(28) {
        0 => random.one_of(&HOSTS).to_string(),
        1 => origin.to_ascii_uppercase(),
        2 => format!("{origin}.evil.test"),
        3 => format!("{origin}:1"),
        4 => origin.replacen("://", "://evil", 1),
        5 => origin.replacen("https", "http", 1),
        6 => format!("{origin}."),
        7 => format!("{origin}/"),
        8 => format!("{origin},{}", random.one_of(&HOSTS)),
        9 => "null".to_owned(),
        10 => "*".to_owned(),
        11 => origin.replacen("://", "://.", 1),
        12 => origin.replacen("://", "://a..", 1),
        13 => origin.replacen("://", "://evil.test/.", 1),
        14 => origin.replacen("://", "://a_b.", 1),
        15 => format!("https://{}.preview.example.com", "a".repeat(220 + random.below(30))),
        16 => random.one_of(&APPS).to_string(),
        17 => {
            let host = random.one_of(&["localhost", "127.0.0.1", "[::1]", "a.localhost", "127.1"]);
            let scheme = random.one_of(&["http", "https", "HTTP", "ws"]);
            let port = random.one_of(&["", ":1", ":80", ":443", ":0", ":65535", ":65536", ":08"]);
            format!("{scheme}://{host}{port}")
        }
        18..=21 => {
            let below: &&str = random.one_of(&["://sub.", "://a.b.", "://x-1."]);
            origin.replacen("://", below, 1)
        }
        _ => origin,
    }
}

fn asked(random: &Random, intent: &Intent) -> Fetch {
    let method =
        random.one_of(&["GET", "GET", "POST", "PUT", "put", "PATCH", "DELETE", "HEAD", "lock"]);
    Fetch {
        origin: page(random, intent),
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        headers: match random.below(2) {
            0 => Vec::new(),
            _ => random.some_of(&["Accept", "authorization", "content-type", "X-A", "x-b"]),
        },
        credentials: !intent.is_public || random.below(2) == 0,
    }
}

/// A service that has its own ideas about CORS.
#[expect(clippy::disallowed_methods, reason = "several lines are among its ideas")]
fn inner_answer(random: &Random) -> Response<()> {
    const LINES: [(&str, &str); 9] = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-origin", "https://evil.test"),
        ("access-control-allow-credentials", "false"),
        ("access-control-allow-methods", "*"),
        ("access-control-expose-headers", "*, set-cookie"),
        ("access-control-x", "y"),
        ("vary", "accept"),
        ("vary", "X-Origin, accept-encoding"),
        ("content-type", "text/plain"),
    ];
    let mut response = Response::new(());
    for (name, value) in LINES {
        if random.below(4) == 0 {
            let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
            response.headers_mut().append(name, value);
        }
    }
    response
}

#[test]
fn a_browser_allows_what_the_policy_says_and_nothing_else() {
    let asked_for = std::env::var("CORS_PAIRS").ok();
    let pairs = asked_for.map_or(PAIRS, |pairs| pairs.parse().unwrap());
    let random = Random(Cell::new(0x9E37_79B9_7F4A_7C15));
    let mut cases = 0;
    let mut outcomes = [0; 3];
    while cases < pairs {
        let intent = intent(&random);
        let service =
            intent.layer().layer(tower::service_fn(async |_| Ok::<_, ()>(inner_answer(&random))));
        let mut cache = SharedCache::default();
        for _ in 0..FETCHES {
            let asked = asked(&random, &intent);
            let send = |request| {
                cache.send(request, |request| now(service.clone().oneshot(request)).unwrap())
            };
            let outcome = fetch(&asked, send);
            assert_eq!(outcome, intent.outcome(&asked), "{asked:?} {intent:?}");
            outcomes[match outcome {
                Outcome::NotSent => 0,
                Outcome::Unreadable => 1,
                Outcome::Readable(_) => 2,
            }] += 1;
            cases += 1;
        }
    }
    assert!(outcomes.iter().all(|count| *count > cases / 20), "{outcomes:?}");
}

#[test]
fn a_request_sees_the_old_policy_or_the_new_one_whole() {
    let policies = [
        CorsPolicy::builder(["https://a.example", "https://b.example"]).expose_headers(["X-Old"]),
        CorsPolicy::builder(["https://c.example", "https://b.example", "https://a.example"])
            .allow_methods(["GET", "POST", "OPTIONS", "PUT"])
            .allow_headers(["Authorization", "Origin", "X-New"])
            .expose_headers(["X-New"]),
    ]
    .map(|builder| builder.build().unwrap());
    let inner = tower::service_fn(async |_: Request<()>| Ok::<_, ()>(Response::new(())));
    let ask = || Request::get("/").header("origin", "https://b.example").body(()).unwrap();

    let handle = CorsPolicyHandle::new(policies[0].clone());
    let service = CorsContractLayer::new(handle.clone()).layer(inner);
    // `Vary` with one policy and the other, as a live layer sends it always.
    let [old, new] = policies.clone().map(|policy| {
        let service = CorsContractLayer::new(CorsPolicyHandle::new(policy)).layer(inner);
        now(service.oneshot(ask())).unwrap().into_parts().0.headers
    });
    assert_ne!(old, new);

    thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let mut service = service.clone();
                let (old, new) = (&old, &new);
                scope.spawn(move || {
                    let mut seen = [0; 2];
                    while seen.iter().any(|count| *count < 1_000) {
                        let response = now(service.call(ask())).unwrap();
                        let is_old = response.headers() == old;
                        assert!(is_old || response.headers() == new, "{response:?}");
                        seen[usize::from(is_old)] += 1;
                    }
                })
            })
            .collect();
        let mut next = policies.iter().cycle();
        while readers.iter().any(|reader| !reader.is_finished()) {
            handle.replace(next.next().unwrap().clone());
            thread::yield_now();
        }
    });
}

#[test]
fn a_replaced_policy_is_what_the_next_request_sees() {
    let ask = "GET /\norigin: https://new.example";
    let handle = CorsPolicyHandle::new(support::policy());
    let service = CorsContractLayer::new(handle.clone()).layer(support::answering(|_| {
        Response::new(http_body_util::Full::<bytes::Bytes>::from("hi"))
    }));
    support::check(
        service.clone(),
        ask,
        expect_test::expect![[r#"
        200 OK
        access-control-allow-origin: https://app.example.com
        access-control-allow-origins: https://app.example.com
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true
        vary: Origin

        hi
    "#]],
    );

    let urls = ["https://app.example.com", "https://new.example"];
    handle.replace(CorsPolicy::builder(urls).build().unwrap());
    support::check(
        service,
        ask,
        expect_test::expect![[r#"
        200 OK
        access-control-allow-origin: https://new.example
        access-control-allow-origins: https://new.example
        access-control-allow-headers: Authorization, Origin
        access-control-allow-methods: GET, POST, OPTIONS
        access-control-allow-credentials: true
        vary: Origin

        hi
    "#]],
    );
}
