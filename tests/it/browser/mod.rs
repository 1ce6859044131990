//! What a real browser lets real pages of several origins read. `CHROMIUM` names the browser.
//!
//! One browser visits one page after the other; each page makes its calls, reports to its own server
//! what its script could read, and goes to the next.

mod challenges;
mod chromium;
mod devtools;
mod servers;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};
use tower_contract::{
    ContractLayer, CorsContractLayer, CorsPolicy, CorsPolicyBuilder, CorsPolicySource,
};

use chromium::{Chromium, note};
use servers::{Log, Read, TlsListener, Try, api, bind, serve, under};

/// Long enough for a slow machine; a run takes a few seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// One call of one page, and what should become of it.
#[derive(Debug)]
struct Case {
    name: String,
    api: String,
    path: &'static str,
    init: Value,
    in_sandbox: bool,
    /// The status that the page reads, or `None` if it reads nothing.
    status: Option<u16>,
    /// What a response header says to the page.
    header: Option<(&'static str, Option<&'static str>)>,
    /// The methods that come over the wire.
    methods: Vec<Method>,
    /// What the body holds.
    body: &'static str,
}

/// A front end, friendly or not, with what it tries.
struct Page {
    url: String,
    cases: Vec<Case>,
}

fn case(api: &str, path: &'static str) -> Case {
    Case {
        name: path.to_owned(),
        api: api.to_owned(),
        path,
        init: json!({}),
        in_sandbox: false,
        status: None,
        header: None,
        methods: vec![Method::GET],
        body: "",
    }
}

impl Case {
    fn reads(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    fn reads_error(mut self, status: u16) -> Self {
        self.body = "\"http_method\":";
        self.reads(status)
    }

    fn method(mut self, method: Method) -> Self {
        self.init["method"] = json!(method.as_str());
        self.methods = vec![method];
        self
    }

    /// With a header that is not safelisted.
    fn authorized(mut self) -> Self {
        self.init["headers"] = json!({ "Authorization": "Bearer t" });
        self.after_preflight()
    }

    fn anonymous(mut self) -> Self {
        self.init["credentials"] = json!("omit");
        self
    }

    fn json(mut self) -> Self {
        self = self.method(Method::POST);
        self.init["headers"] = json!({ "Content-Type": "application/json" });
        self.init["body"] = json!("{}");
        self.after_preflight()
    }

    fn after_preflight(mut self) -> Self {
        self.methods.insert(0, Method::OPTIONS);
        self
    }

    /// The browser does not send what the preflight did not allow.
    fn only_asks(mut self) -> Self {
        self.methods = vec![Method::OPTIONS];
        self
    }
}

// ===== the services =====

/// The origins of the services, each under a stack or policy of its own.
struct Apis {
    /// The contract as it stands, for one front end.
    bare: String,
    /// More methods and headers, for two front ends.
    wide: String,
    /// As `bare`, for a front end on `localhost`.
    local: String,
    /// As `wide`, HTTP/2 over TLS.
    tls: String,
    /// For the first front end, and below `/public/` for everyone, without credentials.
    paths: String,
    /// Two policies side by side and one inside another, as nobody should do it.
    two: String,
    /// Without any layer.
    none: String,
}

fn widened(builder: CorsPolicyBuilder) -> CorsPolicyBuilder {
    builder
        .allow_methods(["GET", "POST", "OPTIONS", "PUT", "DELETE"])
        .allow_headers(["Authorization", "Origin", "Content-Type"])
        .expose_headers(["Retry-After", "Allow"])
        .max_age(Duration::from_secs(600))
}

async fn start(front_ends: &[String; 2], local: &str, log: &Log) -> Apis {
    let policy = |urls: &[String]| CorsPolicy::builder(urls).dangerously_allow_insecure_origins();
    let stack = |policy: CorsPolicyBuilder| under(ContractLayer::new(policy.build().unwrap()));
    let bare = stack(policy(&front_ends[..1]));
    let wide = stack(widened(policy(front_ends)));
    let local = stack(CorsPolicy::builder([local]));
    let tls = TlsListener::bind().await;
    let tls_url = format!("https://api.example.com:{}", tls.port());
    serve(tls, wide.clone(), log);
    let by_path = CorsPolicySource::by_path(policy(&front_ends[..1]).build().unwrap())
        .path("/public/{*rest}", CorsPolicy::public().json_pages().build().unwrap());
    let paths = servers::public_too(ContractLayer::new(by_path.build().unwrap()));
    let second = policy(&front_ends[1..]).build().unwrap();
    let two = servers::nested(
        ContractLayer::new(policy(&front_ends[..1]).build().unwrap()),
        CorsContractLayer::new(second),
    );
    let mut urls = Vec::new();
    for app in [bare, wide, local, paths, two, api()] {
        let listener = bind().await;
        urls.push(format!("http://localhost:{}", listener.local_addr().unwrap().port()));
        serve(listener, app, log);
    }
    let [bare, wide, local, paths, two, none] = urls.try_into().unwrap();
    Apis { bare, wide, local, paths, two, tls: tls_url, none }
}

// ===== the cases =====

const ERRORS: [(&str, u16); 9] = [
    ("/error/400", 400),
    ("/error/401", 401),
    ("/error/403", 403),
    ("/nowhere", 404),
    ("/error/413", 413),
    ("/panic", 500),
    ("/error/502", 502),
    ("/error/503", 503),
    ("/slow", 503),
];

/// The configured front end.
fn friend(apis: &Apis) -> Vec<Case> {
    let mut cases = vec![case(&apis.bare, "/ok").reads(200)];
    for (path, status) in ERRORS {
        cases.push(case(&apis.bare, path).reads_error(status));
        cases.push(case(&apis.bare, path).authorized().reads_error(status));
    }
    let bare = |path| case(&apis.bare, path);
    let wide = |path| case(&apis.wide, path);
    let tls = |path| case(&apis.tls, path);
    let delete = |case: Case| case.method(Method::DELETE).after_preflight();
    let put = |case: Case| case.method(Method::PUT).after_preflight();
    let with = |mut case: Case, name, value| {
        case.header = Some((name, value));
        case
    };
    let saying = |mut case: Case, body| {
        case.body = body;
        case
    };
    cases.extend([
        with(delete(wide("/ok")).reads_error(405), "allow", Some("GET, HEAD, POST, PUT, OPTIONS")),
        bare("/echo").json().only_asks(),
        saying(wide("/echo").json().reads(200), "thanks"),
        put(bare("/ok")).only_asks(),
        put(wide("/ok")).reads(200),
        with(bare("/limited").reads_error(429), "retry-after", None),
        with(wide("/limited").reads_error(429), "retry-after", Some("7")),
        saying(bare("/star").reads(200), "star"),
        saying(wide("/cacheable").reads(200), "kept"),
        saying(tls("/ok").reads(200), "HTTP/2.0"),
        tls("/panic").reads_error(500),
        tls("/slow").authorized().reads_error(503),
        delete(tls("/ok")).reads_error(405),
        saying(put(tls("/ok")).reads(200), "HTTP/2.0"),
    ]);
    cases.extend([bare("/ok"), bare("/ok").authorized().only_asks()].map(|case| Case {
        name: format!("{} in a sandboxed frame", case.name),
        in_sandbox: true,
        ..case
    }));
    cases.extend(by_path(apis, true));
    // The negative control: without the layer nothing can be read, and what asks first is not sent.
    cases.extend(ERRORS.map(|(path, _)| case(&apis.none, path)));
    cases.extend(ERRORS.map(|(path, _)| case(&apis.none, path).authorized().only_asks()));
    cases
}

/// The second front end, after the first: its cache holds the first one's answer.
fn second_friend(apis: &Apis) -> Vec<Case> {
    let mut cached = case(&apis.wide, "/cacheable").reads(200);
    cached.body = "kept";
    let mut cases = by_path(apis, false);
    cases.extend([
        // A policy of its own, inside another one: never asked.
        case(&apis.two, "/nested/ok"),
        case(&apis.two, "/nested/ok").authorized().only_asks(),
        case(&apis.two, "/nested/nowhere"),
        cached,
        case(&apis.wide, "/ok").authorized().reads(200),
        case(&apis.wide, "/panic").reads_error(500),
        case(&apis.bare, "/ok"),
        case(&apis.bare, "/ok").authorized().only_asks(),
    ]);
    cases
}

/// One policy by default, one for everyone below `/public/`: what a page reads that the first one
/// admits, or not.
fn by_path(apis: &Apis, is_admitted: bool) -> Vec<Case> {
    let default = |case: Case, status| match (is_admitted, status) {
        (false, _) => case,
        (true, 200) => case.reads(200),
        (true, status) => case.reads_error(status),
    };
    let paths = |path| case(&apis.paths, path);
    let mut cases = vec![
        default(paths("/ok"), 200),
        default(paths("/nowhere"), 404),
        default(paths("/panic"), 500),
        default(paths("/privat"), 404),
        // The path of nobody's policy, though it looks like one of everyone's.
        default(paths("/public//ok"), 404),
        default(paths("/public/a%2fb"), 404),
        paths("/public/ok").anonymous().reads(200),
        paths("/public/nowhere").anonymous().reads_error(404),
        paths("/public/panic").anonymous().reads_error(500),
        paths("/public/echo").json().anonymous().reads(200),
        // With credentials nobody reads what is for everyone.
        paths("/public/ok"),
        paths("/public/ok").authorized().only_asks(),
        paths("/public/ok").anonymous().authorized().only_asks(),
    ];
    let own = paths("/nowhere").authorized();
    cases.push(if is_admitted { own.reads_error(404) } else { own.only_asks() });
    cases
}

/// A page that nobody configured.
fn foreigner(apis: &Apis) -> Vec<Case> {
    let mut cases = by_path(apis, false);
    cases.extend([
        case(&apis.bare, "/ok"),
        case(&apis.wide, "/error/403"),
        case(&apis.wide, "/ok").authorized().only_asks(),
        case(&apis.wide, "/echo").json().only_asks(),
        case(&apis.tls, "/ok"),
    ]);
    cases
}

fn pages(front_ends: &[String; 2], local: &str, port: u16, other: u16, apis: &Apis) -> Vec<Page> {
    let mut pages = vec![
        Page { url: front_ends[0].clone(), cases: friend(apis) },
        Page { url: front_ends[1].clone(), cases: second_friend(apis) },
        Page { url: local.to_owned(), cases: vec![case(&apis.local, "/panic").reads_error(500)] },
        Page { url: format!("http://127.0.0.1:{port}"), cases: vec![case(&apis.local, "/ok")] },
    ];
    let foreign = [
        format!("http://app.example.com:{other}"),
        format!("http://app.example.com.:{port}"),
        format!("http://app.example.com.evil.test:{port}"),
        format!("http://evilapp.example.com:{port}"),
        format!("http://sub.app.example.com:{port}"),
        format!("http://example.com:{port}"),
        format!("http://app.example.com,evil.test:{port}"),
        format!("http://app-example.com:{port}"),
    ];
    pages.extend(foreign.map(|url| Page { url, cases: foreigner(apis) }));
    pages
}

// ===== the run =====

#[tokio::test]
async fn a_browser_reads_what_the_policy_allows_and_nothing_else() {
    let Some(program) = Chromium::named_by_environment() else {
        return;
    };
    let (log, listeners) = (Log::default(), [bind().await, bind().await]);
    let [port, other] = listeners.each_ref().map(|l| l.local_addr().unwrap().port());
    let front_ends = ["app", "admin"].map(|name| format!("http://{name}.example.com:{port}"));
    let local = format!("http://localhost:{port}");
    let apis = start(&front_ends, &local, &log).await;
    let pages = pages(&front_ends, &local, port, other, &apis);

    let tries = |(n, page): (usize, &Page)| {
        let cases = page.cases.iter().enumerate();
        let tries = cases.map(|(m, case)| Try {
            url: format!("{}{}", case.api, target(case, n, m)),
            init: case.init.clone(),
            in_sandbox: case.in_sandbox,
        });
        (format!("{}/page/{n}", page.url), tries.collect())
    };
    let plan: servers::Plan = pages.iter().enumerate().map(tries).collect();
    let first = plan[0].0.clone();
    let (sender, mut reports) = mpsc::unbounded_channel();
    let app = servers::pages(plan, sender);
    for listener in listeners {
        serve(listener, app.clone(), &Log::default());
    }

    let _browser = Chromium::open(&program, "pages", &first);
    let mut cases = 0;
    for (n, page) in pages.iter().enumerate() {
        let report = timeout(LIMIT, reports.recv()).await;
        let (reported, results) =
            report.unwrap_or_else(|_| panic!("no report: {}", page.url)).unwrap();
        assert_eq!((reported, results.len()), (n, page.cases.len()));
        for (m, (case, read)) in page.cases.iter().zip(results).enumerate() {
            let mut methods = log.methods_of(&target(case, n, m));
            if case.status.is_none() {
                // A browser asks again when a connection that it had kept is lost without an answer.
                methods.dedup();
            }
            check(case, read.as_ref(), &methods, &page.url);
            cases += 1;
        }
    }
    note(&format!("browser tests: {cases} cases ran on {} pages", pages.len()));
}

/// Each case has a URL of its own, so that no cache of the browser joins them, but for the one that
/// is about a cache.
fn target(case: &Case, page: usize, number: usize) -> String {
    if case.path == "/cacheable" {
        return case.path.to_owned();
    }
    format!("{}?case={page}-{number}", case.path)
}

#[track_caller]
fn check(case: &Case, read: Option<&Read>, methods: &[Method], page: &str) {
    let Case { name, api, init, .. } = case;
    let about = format!("{page}: {name} of {api} with {init}: {read:?}, {methods:?} came");
    assert_eq!(read.map(|read| read.status), case.status, "{about}");
    assert!(read.is_none_or(|read| read.body.contains(case.body)), "{about}");
    if case.path != "/cacheable" {
        assert_eq!(methods, case.methods, "{about}");
    }
    if let (Some((name, value)), Some(read)) = (case.header, read) {
        assert_eq!(read.headers.get(name).map(String::as_str), value, "{about}");
    }
}
