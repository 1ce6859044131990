//! The second proof of each check: a twin of the good service that breaks exactly one thing fails
//! exactly one check.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, middleware::Next, response::Response};
use http::{HeaderValue, StatusCode, Version};
use tower_contract::conformance::{self, Level, Outcome, Report, Run};

use super::{
    app::{self, FIRST, LIMIT, SECOND, all_inputs},
    raw::{Asked, Said, twin},
};

/// What the twin changes, and the check that must see it.
type Twin = (u8, fn(&Asked, &mut Said));

const ORIGIN: &str = "access-control-allow-origin";
const CREDENTIALS: &str = "access-control-allow-credentials";
const GET: &str = "/guarded";

/// One origin: with two, check 13 sends the same requests as 5 to 7.
fn one_front_end(run: Run) -> Run {
    run.origin(FIRST).get(GET).auth("Authorization", app::TOKEN).unsafe_methods().http1_only()
}

fn all(run: Run) -> Run {
    all_inputs(run).http1_only()
}

/// What a report says of each check: its outcome, and how many findings count.
fn told(report: &Report) -> BTreeMap<u8, (String, usize)> {
    let counted = report.results.iter().map(|result| {
        let outcome = match result.outcome {
            Outcome::NotChecked { .. } => "not checked".to_owned(),
            ref other => format!("{other:?}"),
        };
        let advice = matches!(result.outcome, Outcome::Advised);
        let findings = result.findings.iter();
        (result.id, (outcome, if advice { findings.count() } else { 0 }))
    });
    counted.collect()
}

/// Fails unless `report` differs from `good` in this one check.
#[track_caller]
fn assert_one_differs(good: &Report, report: &Report, id: u8) {
    let (good, told) = (told(good), told(report));
    // Check 25 is about time, and this machine may be busy.
    let timed = |other: u8| other == 25 && id != 25;
    let differ = told.iter().filter(|(id, outcome)| good[*id] != **outcome && !timed(**id));
    let differ: Vec<_> = differ.collect();
    let text = report.text().in_full(true).to_string();
    assert_eq!(differ.len(), 1, "twin of {id}: {differ:?}\n{text}");
    assert_eq!(*differ[0].0, id, "{text}");
    let result = report.result(id).unwrap();
    let wanted = if result.findings.iter().any(|finding| finding.level != Level::Advice) {
        Outcome::Broken
    } else {
        Outcome::Advised
    };
    assert_eq!(result.outcome, wanted, "{text}");
    // A secret of the caller is in no report, whatever the service sends.
    assert!(!serde_json::to_string(report).unwrap().contains("open-sesame"), "{text}");
}

/// Runs every twin beside the unchanged service.
async fn check(inputs: fn(Run) -> Run, twins: &[Twin]) {
    let good = app::serve(app::app()).await;
    let unchanged = twin(good, |_, _| {}).await;
    let unchanged = inputs(app::at(unchanged)).report().await.unwrap();
    assert!(unchanged.is_kept(), "{unchanged}");
    for (id, change) in twins.iter().copied() {
        let address = twin(good, change).await;
        let report = inputs(app::at(address)).report().await.unwrap();
        assert_one_differs(&unchanged, &report, id);
    }
}

fn is_error(said: &Said) -> bool {
    said.status.starts_with('4') || said.status.starts_with('5')
}

/// The path that no other check of an error asks for by plain GET.
fn is_odd(asked: &Asked) -> bool {
    asked.method == "GET" && asked.target.ends_with("c%2Fd;e=f")
}

#[tokio::test]
async fn a_twin_with_other_cors_fields_fails_one_check() {
    check(
        one_front_end,
        &[
            (5, |asked, said| {
                if asked.is("GET", GET) && asked.field("origin") == Some(FIRST) {
                    said.set(ORIGIN, "https://other.example.com");
                }
            }),
            (6, |asked, said| {
                let plain = asked.field("authorization").is_some() && asked.is_plain();
                if asked.is("GET", GET) && plain {
                    said.remove(ORIGIN);
                }
            }),
            (7, |asked, said| {
                if asked.is_nowhere()
                    && asked.method == "GET"
                    && asked.field("origin") == Some(FIRST)
                {
                    said.set(ORIGIN, "https://other.example.com");
                }
            }),
            (8, |asked, said| {
                reflect(asked, said, |origin| origin.starts_with("https://foreign-"), "GET");
            }),
            (9, |asked, said| reflect(asked, said, |origin| origin == "null", "GET")),
            (10, |asked, said| reflect(asked, said, |origin| origin.contains(".com.evil-"), "GET")),
            (10, |asked, said| {
                reflect(asked, said, |origin| origin.contains("//evil-app."), "GET");
            }),
            (10, |asked, said| {
                reflect(asked, said, |origin| origin == "https://APP.EXAMPLE.COM", "GET");
            }),
            (10, |asked, said| {
                reflect(asked, said, |origin| origin == "http://app.example.com", "GET");
            }),
            (12, |asked, said| {
                if asked.is_nowhere() && asked.is_plain() && asked.target.ends_with("nowhere") {
                    said.set(ORIGIN, "*");
                }
            }),
            (23, |asked, said| {
                reflect(asked, said, |origin| origin.starts_with("https://foreign-"), "OPTIONS");
            }),
        ],
    )
    .await;
}

fn reflect(asked: &Asked, said: &mut Said, like: impl Fn(&str) -> bool, method: &str) {
    let origin = asked.field("origin").filter(|origin| like(origin) && asked.method == method);
    if let Some(origin) = origin {
        said.set(ORIGIN, origin);
    }
}

#[tokio::test]
async fn a_twin_whose_fields_differ_from_answer_to_answer_fails_one_check() {
    check(
        all,
        &[
            (11, |asked, said| {
                if asked.fields.iter().filter(|(name, _)| name == "origin").count() == 2 {
                    said.set(ORIGIN, SECOND);
                }
            }),
            (13, |asked, said| {
                if asked.field("origin") == Some(SECOND) && asked.is_nowhere() {
                    said.set("vary", "accept");
                }
            }),
            (14, |asked, said| {
                if asked.method == "TRACE" {
                    said.remove("access-control-allow-methods");
                }
            }),
            (15, |asked, said| {
                if asked.method == "TRACE" {
                    said.add(CREDENTIALS, "true");
                }
            }),
            (16, |asked, said| {
                if asked.method == "TRACE" {
                    said.add("x-request-id", "7");
                }
            }),
            (69, |asked, said| {
                if asked.method == "TRACE" {
                    said.add("x-powered-by", "Twins");
                }
            }),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_twin_that_fails_a_preflight_fails_one_check() {
    let redirected: fn(&Asked, &mut Said) = |asked, said| {
        if asked.is_preflight() && asked.is_nowhere() {
            said.status = "301 Moved Permanently".to_owned();
            said.add("location", "/elsewhere");
        }
    };
    check(
        all,
        &[
            (18, redirected),
            (20, |asked, said| {
                // Everywhere: 14 looks for what differs.
                if !asked.target.is_empty() {
                    said.set("access-control-allow-methods", "GET, POST, OPTIONS, put");
                }
            }),
            (21, |asked, said| {
                if !asked.target.is_empty() {
                    said.set("access-control-allow-headers", "Authorization, Origin");
                }
            }),
            (22, |asked, said| {
                if asked.is("OPTIONS", GET)
                    && !asked.is_preflight()
                    && asked.field("origin").is_some()
                {
                    said.status = "200 OK".to_owned();
                    said.set("access-control-max-age", "600");
                }
            }),
            (24, |asked, said| {
                if asked.is_preflight() {
                    said.set("access-control-max-age", "86401");
                }
            }),
            (25, |asked, said| {
                if asked.field("access-control-request-headers").is_some_and(|v| v.len() > 1_000) {
                    said.delay = Duration::from_millis(1_500);
                }
            }),
        ],
    )
    .await;
    // 17 and 19 send the same request where there is a login; each is shown by itself.
    check(
        |run| one_front_end(run).skip([19]),
        &[(17, |asked, said| {
            if asked.is_preflight() && asked.target == GET && asked.field("origin") == Some(FIRST) {
                said.status = "400 Bad Request".to_owned();
                said.remove("allow");
            }
        })],
    )
    .await;
    check(
        |run| one_front_end(run).skip([17]),
        &[(19, |asked, said| {
            if asked.is_preflight() && asked.target == GET && asked.field("origin") == Some(FIRST) {
                said.status = "401 Unauthorized".to_owned();
                said.remove("allow");
            }
        })],
    )
    .await;
}

#[tokio::test]
async fn a_twin_with_another_envelope_fails_one_check() {
    check(
        all,
        &[
            (26, |asked, said| {
                // 12, 31 to 33 and 63 read no members; 36 reads them in any order.
                if asked.is("GET", &asked.target.clone())
                    && asked.target.ends_with("/nowhere")
                    && asked.is_plain()
                {
                    let text = String::from_utf8(said.body.clone()).unwrap();
                    let members: serde_json::Map<_, _> = serde_json::from_str(&text).unwrap();
                    let turned: Vec<_> = ["uri", "code", "description", "title", "http_method"]
                        .map(|name| format!("{name:?}:{}", members[name]))
                        .into();
                    said.write(format!("{{{}}}", turned.join(",")));
                }
            }),
            (27, |asked, said| {
                if asked.is_nowhere() && asked.method == "PATCH" {
                    said.replace("PATCH", "GET");
                }
            }),
            (28, |asked, said| {
                if is_odd(asked) {
                    said.replace("%2F", "/");
                }
            }),
            (29, |asked, said| {
                if asked.target.contains("token=") {
                    let query = asked.target.split_once('?').unwrap().1;
                    said.replace("/nowhere", &format!("/nowhere?{query}"));
                }
            }),
            (30, |asked, said| {
                if let Some(host) = asked.field("host").filter(|host| host.starts_with("canary")) {
                    said.replace("https://api.example.com", &format!("http://{host}"));
                }
            }),
            (35, |asked, said| {
                if asked.field("accept-encoding") == Some("gzip") {
                    said.add("content-encoding", "gzip");
                }
            }),
            (36, |asked, said| {
                if asked.method == "FROBNICATE" && asked.is_nowhere() {
                    said.replace("No resource exists at this URI.", "No\\nresource");
                }
            }),
            (37, |asked, said| {
                if asked.target.contains("%0d%0a") {
                    said.add("x-injected", "yes");
                }
            }),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_twin_whose_first_error_has_no_known_shape_fails_one_check() {
    check(
        |run| all(run).format(conformance::Format::Envelope),
        &[(4, |asked, said| {
            // The first error alone; the shape of the others is told.
            static FIRST_ERROR: AtomicUsize = AtomicUsize::new(0);
            if asked.is_nowhere() && FIRST_ERROR.fetch_add(1, Ordering::Relaxed) == 0 {
                said.write("not found");
            }
        })],
    )
    .await;
}

/// Errors of which plain checks ask the same thing are told apart by the check that is left out.
#[tokio::test]
async fn a_twin_with_another_head_of_errors_fails_one_check() {
    check(
        all,
        &[
            (31, |asked, said| {
                let last = asked.field("connection") == Some("close");
                if asked.is_nowhere() && asked.is_plain() && last && asked.method == "GET" {
                    said.after = b"\r\n<!-- more -->".to_vec();
                }
            }),
            (32, |asked, said| {
                if asked.is_nowhere() {
                    said.remove("cache-control");
                }
            }),
            (33, |asked, said| {
                if asked.is_nowhere() && is_error(said) {
                    said.add("etag", "\"1\"");
                }
            }),
            (34, |asked, said| {
                if asked.field("accept") == Some("text/html") {
                    said.set("content-type", "text/html");
                    said.write("<h1>Not Found</h1>");
                }
            }),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_twin_whose_problem_details_disagree_fails_one_check() {
    let good =
        app::routes().layer(app::contract().format(tower_contract::ProblemDetailsFormat::new()));
    let good = app::serve(good).await;
    let unchanged = all(app::at(twin(good, |_, _| {}).await)).report().await.unwrap();
    assert!(unchanged.is_kept(), "{unchanged}");
    let changed = twin(good, |asked, said| {
        if asked.is_nowhere()
            && asked.is_plain()
            && asked.target.ends_with("/nowhere")
            && asked.method == "GET"
        {
            said.replace("\"status\":404", "\"status\":400");
        }
    });
    let report = all(app::at(changed.await)).report().await.unwrap();
    assert_one_differs(&unchanged, &report, 38);
}

#[tokio::test]
async fn a_twin_with_other_methods_fails_one_check() {
    check(
        all,
        &[
            (39, |asked, said| {
                if asked.is("PROPFIND", GET) && asked.field("expect").is_none() {
                    said.set("allow", "GET");
                }
            }),
            (40, |asked, said| {
                if asked.is("PROPFIND", GET) {
                    said.set("allow", "GET, HEAD, POST");
                }
            }),
            (41, |asked, said| {
                if asked.is("FROBNICATE", GET) {
                    said.status = "200 OK".to_owned();
                }
            }),
            (42, |asked, said| {
                if asked.method == "TRACE" {
                    said.status = "200 OK".to_owned();
                    let cookie = asked.field("cookie").unwrap().to_owned();
                    said.write(format!("TRACE\r\ncookie: {cookie}\r\n"));
                }
            }),
            (43, |asked, said| {
                if asked.target == "*" {
                    said.silent = true;
                }
            }),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_twin_with_other_framing_fails_one_check() {
    check(
        all,
        &[
            (3, |asked, said| {
                if asked.is("GET", "/") {
                    said.remove("date");
                }
            }),
            (44, |asked, said| {
                if asked.method == "HEAD" && asked.is_nowhere() {
                    said.after = b"{}".to_vec();
                }
            }),
            (46, |asked, said| {
                if asked.is("HEAD", GET) {
                    said.set("content-length", "0");
                }
            }),
            (47, |asked, said| {
                // Only the pipelined request is a plain one for the connection to stay open.
                if asked.is("GET", GET)
                    && asked.field("connection").is_none()
                    && asked.field("origin").is_none()
                {
                    static PLACE: AtomicUsize = AtomicUsize::new(0);
                    PLACE.fetch_add(1, Ordering::Relaxed);
                    said.status = "404 Not Found".to_owned();
                }
            }),
            (54, |asked, said| {
                if asked.field("expect").is_some() {
                    said.before = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
                }
            }),
        ],
    )
    .await;
    // A 204 is met where the path that exists has nothing to say.
    let good = app::serve(app::app()).await;
    let inputs = |run: Run| run.origin(FIRST).get("/nothing").http1_only();
    // axum answers HEAD of a 204 with `content-length: 0`: that is what the check is about.
    let without_length = |said: &mut Said| {
        if said.status.starts_with("204") {
            said.remove("content-length");
        }
    };
    let unchanged = twin(good, move |_, said| without_length(said)).await;
    let unchanged = inputs(app::at(unchanged)).report().await.unwrap();
    assert_eq!(unchanged.result(48).unwrap().outcome, Outcome::Kept, "{unchanged}");
    let changed = twin(good, move |asked, said| {
        without_length(said);
        if said.status.starts_with("204") && asked.field("origin") == Some("null") {
            said.add("content-length", "0");
        }
    });
    let report = inputs(app::at(changed.await)).report().await.unwrap();
    assert_one_differs(&unchanged, &report, 48);
}

#[tokio::test]
async fn a_twin_that_refuses_content_otherwise_fails_one_check() {
    check(
        all,
        &[
            (50, |asked, said| {
                if asked.is("POST", "/json") && said.status.starts_with("400") {
                    said.replace("\"description\":\"", "\"description\":\"serde_json::Error: ");
                }
            }),
            (51, |asked, said| {
                if asked.is("POST", "/json") && asked.field("content-type") == Some("text/plain") {
                    said.status = "400 Bad Request".to_owned();
                }
            }),
            (52, |asked, said| {
                if asked.is("POST", "/json") && said.status.starts_with("422") {
                    said.status = "500 Internal Server Error".to_owned();
                }
            }),
            (53, |asked, said| {
                if asked.is("POST", "/upload") && asked.field("transfer-encoding").is_some() {
                    said.silent = true;
                }
            }),
            (55, |asked, said| {
                static HALVES: AtomicUsize = AtomicUsize::new(0);
                // Nothing is answered to the half; what comes next, from the last check, fails.
                if asked.is("POST", "/upload") {
                    HALVES.store(1, Ordering::Relaxed);
                }
                if asked.is("GET", GET) && HALVES.load(Ordering::Relaxed) == 1 {
                    said.status = "503 Service Unavailable".to_owned();
                }
            }),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_twin_that_fails_otherwise_fails_one_check() {
    check(
        all,
        &[
            (56, |asked, said| {
                if asked.is("GET", "/panic") && asked.field("origin").is_some() {
                    said.replace(
                        "The server met",
                        "thread 'main' panicked at src/main.rs:7: The server met",
                    );
                }
            }),
            (58, |asked, said| {
                if asked.is("GET", "/panic-in-body") {
                    said.remove("transfer-encoding");
                    said.write("half");
                }
            }),
            (59, |asked, said| {
                if asked.is("GET", "/slow") {
                    said.delay = 3 * LIMIT;
                }
            }),
            (60, |asked, said| {
                if asked.is("GET", "/upstream") {
                    said.replace("unavailable or failed", "10.0.0.7:5432 refused");
                }
            }),
            (61, |asked, said| {
                if asked.is("GET", "/crowded") && said.status.starts_with("503") {
                    said.write("");
                }
            }),
            (62, |asked, said| {
                if asked.is("GET", GET) && said.status.starts_with("401") {
                    said.remove("www-authenticate");
                }
            }),
            (63, |asked, said| {
                static COUNT: AtomicUsize = AtomicUsize::new(0);
                if asked.is("GET", "/panic") && asked.field("origin").is_none() {
                    let count = COUNT.fetch_add(1, Ordering::Relaxed);
                    said.replace("The server met", &format!("Error {count}: the server met"));
                }
            }),
            (65, |asked, said| {
                if asked.field("content-type").is_some_and(|kind| kind.contains("grpc-web-text")) {
                    said.write("");
                }
            }),
            (67, |asked, said| {
                if asked.field("connect-protocol-version").is_some() {
                    said.write("{\"code\":12}");
                }
            }),
        ],
    )
    .await;
}

// ===== HTTP/2 =====

/// What is changed in an answer over HTTP/2; streams that are open are counted.
type Change = fn(asked: &http::request::Parts, open: usize, said: Response) -> Response;

fn over_http2(change: Change) -> Router {
    let open = Arc::new(AtomicUsize::new(0));
    let changed = async move |request: Request, next: Next| {
        let (head, body) = request.into_parts();
        let asked = head.clone();
        let now = open.fetch_add(1, Ordering::Relaxed) + 1;
        let said = next.run(Request::from_parts(head, body)).await;
        // For as long as other streams of the same moment are open, too.
        tokio::time::sleep(Duration::from_millis(5)).await;
        open.fetch_sub(1, Ordering::Relaxed);
        if asked.version == Version::HTTP_2 { change(&asked, now, said) } else { said }
    };
    app::app().layer(axum::middleware::from_fn(move |request: Request, next: Next| {
        let changed = changed.clone();
        async move { changed(request, next).await }
    }))
}

fn broken() -> Response {
    Response::new(Body::from_stream(tokio_stream::iter([Ok("a"), Err("broken")])))
}

#[tokio::test]
async fn a_twin_that_breaks_http2_fails_one_check() {
    let unchanged = over_http2(|_, _, said| said);
    let unchanged = all_inputs(conformance::of(unchanged)).report().await.unwrap();
    assert!(unchanged.is_kept(), "{unchanged}");
    let twins: [(u8, Change); 5] = [
        (45, |asked, _, said| {
            let nowhere = asked.uri.path().starts_with("/tower-contract-");
            if asked.method == "HEAD" && nowhere { said.map(|_| Body::from("{}")) } else { said }
        }),
        (49, |asked, open, said| {
            let nowhere = asked.uri.path().starts_with("/tower-contract-");
            if nowhere && open > 30 { broken() } else { said }
        }),
        (57, |asked, open, said| {
            // 49 has a hundred streams; a panic among them is what counts here.
            static PANICS: AtomicUsize = AtomicUsize::new(0);
            if asked.uri.path() == "/panic" && open > 10 {
                PANICS.fetch_add(1, Ordering::Relaxed);
            }
            let after_panics = PANICS.load(Ordering::Relaxed) > 5 && (5..=40).contains(&open);
            if after_panics && asked.uri.path() == GET { broken() } else { said }
        }),
        (64, |asked, _, mut said| {
            let plain =
                asked.headers.get("content-type").is_some_and(|kind| kind == "application/grpc");
            if plain && !asked.uri.path().ends_with("/Slow") {
                *said.status_mut() = StatusCode::NOT_FOUND;
            }
            said
        }),
        (66, |asked, _, mut said| {
            if asked.uri.path().ends_with("/Slow") {
                said.headers_mut().insert("grpc-status", HeaderValue::from_static("14"));
            }
            said
        }),
    ];
    for (id, change) in twins {
        let report = all_inputs(conformance::of(over_http2(change))).report().await.unwrap();
        assert_one_differs(&unchanged, &report, id);
    }
}

#[tokio::test]
async fn what_fails_once_is_told_as_flaky_and_fails_nothing() {
    let good = app::serve(app::app()).await;
    let once = AtomicUsize::new(0);
    let address = twin(good, move |asked, said| {
        let hit = asked.is("GET", GET) && asked.field("origin") == Some(FIRST);
        if hit && asked.field("accept").is_none() && once.fetch_add(1, Ordering::Relaxed) == 0 {
            said.set(ORIGIN, "https://other.example.com");
        }
    })
    .await;
    let report = one_front_end(app::at(address)).skip([12]).report().await.unwrap();
    assert!(report.is_kept(), "{report}");
    assert_eq!(report.result(5).unwrap().outcome, Outcome::Flaky, "{report}");
    assert_eq!(report.result(70).unwrap().outcome, Outcome::Advised, "{report}");
}
