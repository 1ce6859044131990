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

const POLICIES: usize = 500;
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
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    exposed: Vec<String>,
}

const HOSTS: [&str; 6] = [
    "https://app.example.com",
    "https://admin.example.com",
    "https://app.example.com:8443",
    "http://localhost:3000",
    "https://example.com",
    "https://[2001:db8::1]",
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
    Intent {
        origins: list(&after[..1], &[&after[1..], before].concat()),
        methods: list(&["GET", "POST", "OPTIONS"], &METHODS),
        headers: list(&["Authorization", "Origin"], &HEADERS),
        exposed: list(&[], &EXPOSED),
    }
}

impl Intent {
    fn policy(&self) -> CorsPolicy {
        CorsPolicy::builder(&self.origins)
            .allow_methods(&self.methods)
            .allow_headers(&self.headers)
            .expose_headers(&self.exposed)
            .max_age(Duration::from_secs(5))
            .build()
            .unwrap()
    }

    /// What should become of a fetch.
    fn outcome(&self, asked: &Fetch) -> Outcome {
        let is_front_end = self.origins.contains(&asked.origin);
        let is_simple = ["GET", "HEAD", "POST"].contains(&asked.method.as_str());
        let method = is_simple || self.methods.iter().any(|m| m == asked.method.as_str());
        let headers = asked.headers.iter().all(|name| {
            name == "Accept" || self.headers.iter().any(|listed| listed.eq_ignore_ascii_case(name))
        });
        match (is_front_end, method && headers) {
            (true, true) => Outcome::Readable(self.exposed.clone()),
            (false, true) if is_simple && asked.headers.iter().all(|name| name == "Accept") => {
                Outcome::Unreadable
            }
            _ => Outcome::NotSent,
        }
    }
}

/// A page: a front end, or somebody who would like to be taken for one.
fn page(random: &Random, intent: &Intent) -> String {
    let origin = random.one_of(&intent.origins).clone();
    match random.below(14) {
        0 => random.one_of(&HOSTS).to_string(),
        1 => origin.to_ascii_uppercase(),
        2 => format!("{origin}.evil.test"),
        3 => format!("{origin}:1"),
        4 => origin.replacen("://", "://evil", 1),
        5 => origin.replacen("://", "://sub.", 1),
        6 => origin.replacen("https", "http", 1),
        7 => format!("{origin}."),
        8 => format!("{origin}/"),
        9 => format!("{origin},{}", random.one_of(&HOSTS)),
        10 => "null".to_owned(),
        11 => "*".to_owned(),
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
    let random = Random(Cell::new(0x9E37_79B9_7F4A_7C15));
    let mut cases = 0;
    let mut outcomes = [0; 3];
    for _ in 0..POLICIES {
        let intent = intent(&random);
        let service = CorsContractLayer::new(intent.policy())
            .layer(tower::service_fn(async |_| Ok::<_, ()>(inner_answer(&random))));
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
    assert!(cases >= 100_000, "{cases}");
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
