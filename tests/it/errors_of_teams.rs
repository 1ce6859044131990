//! Errors of teams, through a whole Router where that makes a difference: languages, members, limits
//! of concurrency, files, what is left out, and where the layer stands.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::IntoResponse,
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer};
use tower_contract::{
    ApiError, ContractLayer, CorsPolicy, ErrorBodyLayer, KeepBodyLayer, ProblemDetailsFormat,
};
use tower_http::{
    map_response_body::MapResponseBodyLayer,
    services::{ServeDir, ServeFile},
};

use crate::{
    example::Folder,
    support::{all, answering, ask, block_on, contract, response},
};

/// What a Router answers to `GET path`, read to its end.
async fn asked(app: &Router, path: &str) -> Response<Bytes> {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

fn members(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

/// Has the headers of CORS, and the envelope.
fn is_kept(answer: &Response<Bytes>) -> bool {
    let has_envelope =
        serde_json::from_slice::<Value>(answer.body()).is_ok_and(|it| it["code"].is_u64());
    !all(answer, "access-control-allow-origin").is_empty() && has_envelope
}

// ===== languages =====

#[test]
fn the_language_that_a_handler_says_beside_its_error_is_kept_with_its_own_words() {
    const GERMAN: [(&str, &str); 2] = [("content-language", "de"), ("vary", "accept-language")];
    let own = || {
        ApiError::not_found()
            .with_title("Nicht gefunden")
            .with_description("Die Aufnahme gibt es nicht.")
    };
    let app = Router::new()
        .route("/own", get(async move || (GERMAN, own())))
        .route("/default", get(async || (GERMAN, ApiError::not_found())))
        .layer(contract());
    block_on(async {
        for (path, title, language) in
            [("/own", "Nicht gefunden", vec!["de"]), ("/default", "Not Found", vec![])]
        {
            let answer = asked(&app, path).await;
            assert_eq!(members(&answer)["title"], title);
            assert_eq!(all(&answer, "content-language"), language);
            assert_eq!(all(&answer, "vary"), ["accept-language"]);
        }
    });
}

// ===== members =====

#[test]
fn problem_details_keep_the_members_of_a_services_own_in_both_formats() {
    const PROBLEM: &str = "422\ncontent-type: application/problem+json\n\n{\"type\":\"https://a.example/invalid\",\"title\":\"Invalid\",\"status\":422,\"detail\":\"A field is wrong.\",\"traceId\":\"7\",\"errors\":[{\"field\":\"a\",\"code\":\"b\"}]}";
    let inner = || answering(|_| response(PROBLEM));
    let layer = || ErrorBodyLayer::new().keep_members();
    let problem = ask(layer().format(ProblemDetailsFormat::new()).layer(inner()), "GET /x");
    assert_eq!(all(&problem, "content-type"), ["application/problem+json"]);
    for sent in [problem, ask(layer().layer(inner()), "GET /x")] {
        let sent: Value = serde_json::from_slice(sent.body()).unwrap();
        assert_eq!(sent["errors"], json!([{"field": "a", "code": "b"}]), "{sent}");
        assert_eq!((&sent["traceId"], &sent["code"]), (&json!("7"), &json!(422)), "{sent}");
    }
    let plain = ErrorBodyLayer::new().format(ProblemDetailsFormat::new()).layer(inner());
    assert!(!str::from_utf8(ask(plain, "GET /x").body()).unwrap().contains("traceId"));
}

#[test]
fn twenty_four_field_errors_are_told_whole() {
    let error = || {
        (0..24).fold(ApiError::unprocessable(), |error, n| {
            error.with_field(format!("items[{n}].name"), "length", "It is longer than 40 letters.")
        })
    };
    let service = contract().layer(answering(move |_| error().into_http::<Full<Bytes>>()));
    let sent: Value = serde_json::from_slice(ask(service, "POST /x").body()).unwrap();
    let errors = sent["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[23]["field"]), (24, &json!("items[23].name")));
}

#[test]
fn a_member_that_has_the_name_of_another_never_stands_twice() {
    let names = ["http_method", "title", "description", "code", "uri", "errors", "request_id", "a"];
    let error = move || {
        let error = names.iter().fold(ApiError::conflict(), |error, name| {
            error.with_member(*name, "first").with_member(*name, "mine")
        });
        error.with_field("f", "c", "m")
    };
    let id = http::HeaderName::from_static("x-request-id");
    let layer = contract().error_body(|layer| layer.request_id(id));
    let service = layer.layer(answering(move |_| error().into_http::<Full<Bytes>>()));
    let sent = ask(service, "POST /x\nx-request-id: 7");
    let text = str::from_utf8(sent.body()).unwrap();
    for name in names {
        assert_eq!(
            text.matches(&format!("\"{name}\":")).count(),
            1 + usize::from(name == "code"),
            "{text}"
        );
    }
    let sent: Value = serde_json::from_str(text).unwrap();
    let expected = json!({
        "http_method": "POST", "title": "Conflict", "description": "The request was not accepted.",
        "code": 409, "uri": "/x", "errors": [{"field": "f", "code": "c", "message": "m"}],
        "request_id": "7", "a": "mine",
    });
    assert_eq!(sent, expected);
}

#[test]
fn a_retry_after_that_is_set_again_is_sent_once() {
    let seconds = Duration::from_secs;
    let busy = || ApiError::unavailable().with_retry_after(seconds(1)).with_retry_after(seconds(7));
    let service = contract().layer(answering(move |_| busy().into_http::<Full<Bytes>>()));
    assert_eq!(all(&ask(service, "GET /x"), "retry-after"), ["7"]);
}

// ===== what is left out =====

/// What was left out of an error, and its sources.
type Told = (Option<String>, Option<String>);

type MakeError = fn() -> ApiError;

/// What the hook is told of an error, and what is sent of it.
fn told(error: impl Fn() -> ApiError + Clone + Send) -> (Vec<Told>, Response<Bytes>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&log);
    let layer = contract().on_error(move |report| {
        let [left_out, sources] = [report.left_out, report.sources].map(|it| it.map(str::to_owned));
        told.lock().unwrap().push((left_out, sources));
    });
    let sent = ask(layer.layer(answering(move |_| error().into_http::<Full<Bytes>>())), "GET /x");
    (std::mem::take(&mut *log.lock().unwrap()), sent)
}

#[test]
fn what_is_left_out_of_an_error_is_counted_told_once_and_takes_nothing_of_the_answer() {
    let plain = told(ApiError::conflict).1;
    let fields = || {
        (0..10_000)
            .fold(ApiError::conflict(), |error, n| error.with_field(format!("f[{n}]"), "c", "m"))
    };
    let framing = || {
        [
            "content-type",
            "content-length",
            "content-encoding",
            "transfer-encoding",
            "connection",
            "keep-alive",
            "upgrade",
            "te",
            "trailer",
            "date",
            "access-control-allow-origin",
            "access-control-max-age",
            "grpc-status",
        ]
        .into_iter()
        .fold(ApiError::conflict(), |error, name| error.with_header(name, "1"))
    };
    let breaks = || {
        ["a\r\nset-cookie: b=c", "a\nb", "a\rb", "a\0b"]
            .into_iter()
            .fold(ApiError::conflict(), |error, value| error.with_header("x-a", value))
            .with_header("x a", "b")
            .with_challenge("Basic realm=\"a\"\r\nx-b: c")
    };
    let many = || (0..50).fold(ApiError::conflict(), |error, _| error.with_header("x-a", "b"));
    let cases: [(MakeError, &str); 5] = [
        (|| ApiError::conflict().with_member("a", "x".repeat(16 * 1024)), "all members"),
        (fields, "9900 field errors"),
        (framing, "13 header lines"),
        (breaks, "6 header lines"),
        (many, "18 header lines"),
    ];
    for (error, left_out) in cases {
        let (told, sent) = told(error);
        assert_eq!(told, [(Some(left_out.to_owned()), None)]);
        let (sent_members, plain_members) = (members(&sent), members(&plain));
        for name in ["http_method", "title", "description", "code", "uri"] {
            assert_eq!(sent_members[name], plain_members[name], "{left_out}");
        }
        for (name, value) in plain.headers() {
            let is_length = name == "content-length";
            let expected = HeaderValue::from(sent.body().len());
            let expected = if is_length { &expected } else { value };
            assert_eq!(sent.headers().get_all(name).iter().collect::<Vec<_>>(), [expected]);
        }
        let more = sent.headers().keys().filter(|name| !plain.headers().contains_key(*name));
        let more: Vec<_> = more.map(http::HeaderName::as_str).collect();
        assert_eq!(more, if left_out.starts_with("18") { vec!["x-a"] } else { vec![] });
    }
}

/// Says something else each time, and is its own source.
#[derive(Debug, Default)]
struct Endless(AtomicUsize);

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Error for Endless {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

#[test]
fn a_chain_of_sources_that_never_ends_is_told_sixteen_deep() {
    let (told, sent) = told(|| ApiError::internal().with_source(Endless::default()));
    let expected: Vec<_> = (0..16).map(|n| format!("<{n}>")).collect();
    assert_eq!(told, [(None, Some(expected.join(": ")))]);
    assert!(is_kept(&sent) && !format!("{sent:?}").contains("<0>"));
}

/// One link of sixteen, each of which says 3,000 letters of its own.
#[derive(Debug)]
struct Long(u8);

impl fmt::Display for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = char::from(b'a' + self.0);
        (0..3000).try_for_each(|_| write!(f, "{letter}"))
    }
}

impl Error for Long {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        const CHAIN: [Long; 20] = {
            let mut chain = [const { Long(0) }; 20];
            let mut at = 0;
            while at < 20 {
                chain[at as usize] = Long(at);
                at += 1;
            }
            chain
        };
        static LINKS: [Long; 20] = CHAIN;
        LINKS.get(usize::from(self.0) + 1).map(|link| link as _)
    }
}

#[test]
fn each_source_of_a_chain_is_told_in_a_kibibyte_and_none_hides_the_next() {
    let (told, _) = told(|| ApiError::internal().with_source(Long(0)));
    let texts: Vec<_> = told[0].1.as_ref().unwrap().split(": ").map(str::to_owned).collect();
    assert_eq!(texts.len(), 16);
    for (text, letter) in texts.iter().zip('a'..) {
        assert!(text.starts_with(letter) && text.len() <= 1024 + '…'.len_utf8(), "{}", text.len());
    }
}

// ===== builders =====

#[test]
fn a_hook_and_an_answer_that_are_set_apart_both_hold() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = |line: &'static str| {
        let told = Arc::clone(&told);
        move || told.lock().unwrap().push(line)
    };
    let (on_error, on_panic) = (hook("error"), hook("panic"));
    let layer = contract()
        .panics(|layer| layer.on_panic(move |_| on_panic()))
        .error_body(|layer| layer.keep_query(["page"]))
        .on_error(move |_| on_error())
        .panics(|layer| layer.answer(ApiError::internal().with_member("reason", "PANIC")))
        .error_body(ErrorBodyLayer::keep_members)
        .public_url("https://api.example.com".parse().unwrap());
    let service =
        layer.layer(tower::service_fn(async |_| -> Result<Response<Full<Bytes>>, BoxError> {
            panic!("at the disco")
        }));
    let sent: Value = serde_json::from_slice(ask(service, "GET /x?page=1&b=2").body()).unwrap();
    assert_eq!(sent["reason"], "PANIC");
    assert_eq!(sent["uri"], "https://api.example.com/x?page=1&b=***");
    assert_eq!(*told.lock().unwrap(), ["panic", "error"]);
}

// ===== where the layer stands =====

#[test]
fn a_route_that_keeps_its_bodies_has_the_time_limit_and_the_headers_of_cors() {
    async fn ready() -> impl IntoResponse {
        (StatusCode::SERVICE_UNAVAILABLE, "down")
    }
    let kept = |routes: MethodRouter| routes.layer(KeepBodyLayer::new());
    let app = Router::new()
        .route("/ready", kept(get(ready)))
        .route("/hang", kept(get(async || std::future::pending::<()>().await)))
        .layer(contract().timeout(Duration::from_secs(1)));
    block_on(async {
        let ready = asked(&app, "/ready").await;
        assert_eq!((ready.status().as_u16(), &**ready.body()), (503, &b"down"[..]));
        assert_eq!(all(&ready, "access-control-allow-origin").len(), 1);
        let hang = asked(&app, "/hang").await;
        assert!(hang.status() == 503 && is_kept(&hang), "{hang:?}");
    });
}

#[test]
fn a_layer_that_is_last_covers_all_and_what_comes_after_it_is_not_covered() {
    let missing = async || StatusCode::NOT_FOUND;
    let health = || Router::new().route("/health", get(async || StatusCode::SERVICE_UNAVAILABLE));
    let routes = || Router::new().route("/", get(async || "hello"));
    let last = routes().merge(health()).route("/late", get(missing)).fallback(missing);
    let last = last.layer(contract());
    let early = routes().layer(contract()).merge(health()).route("/late", get(missing));
    let early = early.fallback(missing);
    let inner = routes().route_layer(contract());
    block_on(async {
        for path in ["/health", "/late", "/nowhere"] {
            assert!(is_kept(&asked(&last, path).await), "{path}");
            assert!(!is_kept(&asked(&early, path).await), "{path}");
        }
        assert!(!is_kept(&asked(&inner, "/nowhere").await));
    });
}

#[test]
fn a_global_limit_of_concurrency_sheds_the_second_of_two_requests_and_one_for_each_does_not() {
    let slow =
        || Router::new().route("/", get(async || tokio::time::sleep(Duration::from_secs(1)).await));
    let global = ServiceBuilder::new()
        .layer(contract())
        .load_shed()
        .layer(GlobalConcurrencyLimitLayer::new(1));
    let each = ServiceBuilder::new().layer(contract()).load_shed().concurrency_limit(1);
    let statuses = |app: Router| {
        block_on(async {
            let (one, two) = tokio::join!(asked(&app, "/"), asked(&app, "/"));
            (one.status().as_u16(), two.status().as_u16(), is_kept(&two))
        })
    };
    assert_eq!(statuses(slow().layer(global)), (200, 503, true));
    // axum makes the service anew for each request, and each has its own limit.
    assert_eq!(statuses(slow().layer(each)), (200, 200, false));
}

#[test]
fn a_contract_that_is_switched_by_configuration_is_of_one_type() {
    let policy = || CorsPolicy::builder(["https://app.example.com"]).build().unwrap();
    for on in [true, false] {
        let contract = ContractLayer::new(policy());
        let layers = ServiceBuilder::new()
            .option_layer(on.then(|| (MapResponseBodyLayer::new(Body::new), contract)));
        let app = Router::new().route("/", get(async || "hello")).layer(layers);
        block_on(async {
            assert_eq!(asked(&app, "/").await.status(), 200);
            assert_eq!(is_kept(&asked(&app, "/nowhere").await), on);
        });
    }
}

// ===== files =====

#[tokio::test]
async fn the_text_of_a_404_that_is_read_from_a_file_is_told_and_one_without_a_text_has_the_default()
{
    let folder = Folder::new();
    std::fs::write(folder.0.join("hello.txt"), "hello").unwrap();
    std::fs::write(folder.0.join("404.txt"), "There is no such file.\n").unwrap();
    std::fs::write(folder.0.join("404.html"), "<h1>There is no such file.</h1>").unwrap();
    let said = |name: &str| {
        let missing = ServeFile::new(folder.0.join(name));
        let files = ServeDir::new(&folder.0).not_found_service(missing);
        Router::new().fallback_service(files).layer(contract())
    };
    let empty = Router::new().fallback_service(ServeDir::new(&folder.0)).layer(contract());
    let default = "No resource exists at this URI.";
    for (app, description) in
        [(said("404.txt"), "There is no such file."), (said("404.html"), default), (empty, default)]
    {
        let answer = asked(&app, "/nowhere").await;
        assert_eq!((answer.status().as_u16(), is_kept(&answer)), (404, true));
        assert_eq!(members(&answer)["description"], description);
        let file = asked(&app, "/hello.txt").await;
        assert_eq!((file.status().as_u16(), &**file.body()), (200, &b"hello"[..]));
    }
}
