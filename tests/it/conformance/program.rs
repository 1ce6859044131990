//! The program: what it prints, its exit codes, and that it sends what it says.

use std::{
    collections::BTreeSet,
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{extract::Request, middleware::Next};
use tokio::process::Command;

use super::app::{self, FIRST, SECOND, TOKEN};

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

async fn run(arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_tower-contract"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn url() -> String {
    format!("http://{}", app::serve(app::app()).await)
}

const INPUTS: [&str; 26] = [
    "--origin",
    FIRST,
    "--origin",
    SECOND,
    "--get",
    "/guarded",
    "--panic",
    "/panic",
    "--panic-body",
    "/panic-in-body",
    "--slow",
    "/slow=400ms",
    "--overload",
    "/crowded",
    "--upstream-down",
    "/upstream",
    "--post-json",
    "/json",
    "--upload-limit",
    "/upload=1000",
    "--public-url",
    "https://api.example.com",
    "--grpc",
    "test.Service/Method",
    "--grpc-slow",
    "test.Service/Slow",
];

#[tokio::test(flavor = "multi_thread")]
async fn exit_code_0_says_that_all_is_kept() {
    let auth = format!("Authorization: {TOKEN}");
    let url = url().await;
    let mut arguments = vec!["check", &url, "--auth", &auth, "--unsafe-methods"];
    arguments.extend(INPUTS);
    let ran = run(&arguments).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("\nkept "), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}'), "colours, and no terminal: {}", ran.stdout);
    // Whole lines of 80 columns, but the commands, which are to be copied.
    let wide = |line: &&str| line.chars().count() > 80 && !line.contains("curl");
    assert_eq!(ran.stdout.lines().find(wide), None);
    assert_eq!(ran.stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_code_1_says_that_a_promise_is_broken_in_each_format() {
    let url = format!("http://{}", app::serve(app::routes()).await);
    let arguments = ["check", &url, "--origin", FIRST, "--get", "/ping"];
    let text = run(&arguments).await;
    assert_eq!(text.code, Some(1), "{}", text.stdout);
    assert!(text.stdout.contains("\nbroken: "), "{}", text.stdout);
    assert!(text.stdout.contains("page sees  TypeError: Failed to fetch"), "{}", text.stdout);
    assert!(text.stdout.lines().count() < 80, "more than a screen: {}", text.stdout);
    for (format, begins) in
        [("json", "{\n  \"target\""), ("junit", "<?xml"), ("markdown", "# http://")]
    {
        let ran = run(&[&arguments[..], &["--format", format]].concat()).await;
        assert_eq!(ran.code, Some(1));
        assert!(ran.stdout.starts_with(begins), "{}", ran.stdout);
    }
}

#[tokio::test]
async fn exit_code_2_says_in_one_line_that_nothing_could_be_checked() {
    for (arguments, told) in [
        (vec!["check", "http://127.0.0.1:1"], "http://127.0.0.1:1 is not reached"),
        (vec!["check", "127.0.0.1:1"], "write http://127.0.0.1:1"),
        (vec!["check", "http://127.0.0.1:1", "--slow", "/slow"], "write /path=2s"),
        (vec!["check", "http://127.0.0.1:1", "--auth", "x"], "write 'Authorization: Bearer ..'"),
        (vec!["check", "http://127.0.0.1:1", "--nonsense"], "unexpected argument '--nonsense'"),
        (vec!["check", "--explain", "71"], "71 is not in 1..=70"),
        (vec!["check", "http://127.0.0.1:1", "--origin", "app.example.com"], "write https://app"),
    ] {
        let ran = run(&arguments).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        assert_eq!((ran.stderr.lines().count(), ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn checks_are_listed_and_explained() {
    let list = run(&["check", "--list"]).await;
    assert_eq!((list.code, list.stdout.lines().count()), (Some(0), 70));
    let one = run(&["check", "--explain", "7"]).await;
    assert!(one.stdout.starts_with("07 must     A page can read"), "{}", one.stdout);
    assert!(one.stdout.contains("express"), "{}", one.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_that_a_dry_run_does_not_print() {
    let heard = Arc::new(Mutex::new(BTreeSet::new()));
    let log = Arc::clone(&heard);
    let app = app::app().layer(axum::middleware::from_fn(move |request: Request, next: Next| {
        let line = format!("{} {}", request.method(), request.uri().path());
        log.lock().unwrap().insert(line);
        next.run(request)
    }));
    let address = app::serve(app).await;
    let run = || app::all_inputs(app::at(address));
    let dry = run();
    let printed: String = dry.dry_run().into_iter().flat_map(|(_, lines)| lines).collect();
    assert!(heard.lock().unwrap().is_empty(), "a dry run sends nothing");
    assert!(!printed.contains("open-sesame"), "{printed}");
    assert!(printed.contains("***"), "{printed}");
    dry.report().await.unwrap();
    for line in heard.lock().unwrap().iter() {
        let (method, path) = line.split_once(' ').unwrap();
        let method = match method {
            "GET" => String::new(),
            "HEAD" => " -I".to_owned(),
            method => format!(" -X {method}"),
        };
        // What is sent by hand is named as such.
        let by_hand = path.starts_with("/yyyy") || (method.is_empty() && path == "/");
        assert!(printed.contains(&format!("curl -i{method}")), "{line}");
        assert!(by_hand || printed.contains(path) || path == "*", "{line}");
    }
    let mine: BTreeSet<_> =
        heard.lock().unwrap().iter().map(|l| l.split(' ').next().unwrap().to_owned()).collect();
    assert!(mine.contains("PROPFIND") && mine.contains("DELETE"), "{mine:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unasked_only_methods_that_change_nothing_are_sent() {
    let heard = Arc::new(Mutex::new(BTreeSet::new()));
    let log = Arc::clone(&heard);
    let app = app::app().layer(axum::middleware::from_fn(move |request: Request, next: Next| {
        log.lock().unwrap().insert(request.method().to_string());
        next.run(request)
    }));
    let address = app::serve(app).await;
    app::at(address).origin(FIRST).get("/ping").report().await.unwrap();
    let heard: Vec<_> = heard.lock().unwrap().iter().cloned().collect();
    assert_eq!(heard, ["FROBNICATE", "GET", "HEAD", "OPTIONS", "PROPFIND", "TRACE"]);
}
