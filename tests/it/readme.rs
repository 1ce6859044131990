//! Every command of the README and of the examples' welcome, run. The README's Rust is in doctests.

use std::{collections::BTreeSet, path::Path};

use tokio::process::Command;

use crate::example::{Example, Folder, run, soon};

const README: &str = include_str!("../../README.md");

/// The commands of the README's blocks of shell, each on one line and without its comment.
fn commands() -> Vec<String> {
    let blocks = README.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let text = blocks.collect::<String>().replace("\\\n", " ");
    let lines = text.lines().map(|line| line.split('#').next().unwrap());
    let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect()
}

/// The name and the options of `cargo run --example NAME -- OPTIONS`.
fn example(command: &str) -> Option<(&'static str, Vec<String>)> {
    let rest = command.strip_prefix("cargo run --example ")?;
    let (name, options) = rest.split_once(" -- ").unwrap_or((rest, ""));
    let options = options.split_whitespace().map(str::to_owned).collect();
    Some((name.to_owned().leak(), options))
}

/// Runs `tower-contract check URL OPTIONS` against the first example, on a port that is free.
async fn check(arguments: &str) {
    let (url, options) = arguments.split_once(' ').unwrap();
    assert_eq!(url, "http://127.0.0.1:8080", "where recording_api listens unasked");
    let api = Example::start("recording_api", &[]).await;
    let url = format!("http://{}", api.address);
    let mut program = Command::new(env!("CARGO_BIN_EXE_tower-contract"));
    program.args(["check", &url]).args(options.split_whitespace());
    let output = soon("the check", program.output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn every_command_of_the_readme_does_what_it_says() {
    let mut examples = BTreeSet::new();
    let mut checked = false;
    for command in commands() {
        if let Some(arguments) = command.strip_prefix("cargo run --features cli -- check ") {
            check(arguments).await;
            checked = true;
            continue;
        }
        let Some((name, options)) = example(&command) else {
            // Which is what runs this test.
            assert_eq!(command, "cargo test");
            continue;
        };
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        if name == "lambda" {
            let (code, _, stderr) = run(name, &options).await;
            assert_eq!(code, Some(2));
            assert!(stderr.starts_with("error: not on Lambda, it sets AWS_LAMBDA_"), "{stderr}");
        } else {
            // It says where it listens, or this fails.
            let mut example = Example::start(name, &options).await;
            example.signal("TERM").await;
            assert!(example.end().await.success(), "{command}");
        }
        examples.insert(name);
    }
    assert!(checked, "the README says how a service is checked");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = std::fs::read_dir(folder).unwrap();
    let entries = entries.map(|entry| entry.unwrap().path());
    let entries = entries.filter(|path| path.is_file() || path.join("main.rs").exists());
    let all: Vec<_> = entries.map(|path| path.file_stem().unwrap().to_owned()).collect();
    assert!(all.iter().all(|name| examples.contains(name.to_str().unwrap())), "{all:?}");
}

/// What an example prints at its start, up to the line that says how it stops.
async fn welcome(example: &mut Example) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.contains("Ctrl-C stops")) {
        lines.push(soon("the welcome", example.line()).await);
    }
    lines
}

/// Runs each line that an example tells people to try; what curl printed, in the first line of each
/// response.
async fn tried(name: &'static str, options: &[&str]) -> Vec<String> {
    let mut example = Example::start(name, options).await;
    let welcome = welcome(&mut example).await;
    let folder = Folder::new();
    let mut heads = Vec::new();
    for line in welcome.iter().filter_map(|line| line.strip_prefix("  curl ")) {
        let line = format!("curl --silent --show-error {line}");
        let output = Command::new("sh").arg("-c").arg(&line).current_dir(&folder.0).output();
        let output = soon(&line, output).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("access-control-allow-origin: "), "{line}: {output:?}");
        heads.push(text.lines().next().unwrap().trim().to_owned());
    }
    heads
}

/// Whether curl is there. With `CI=true` it has to be.
fn has_curl() -> bool {
    let found = std::process::Command::new("curl").arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none_or(|value| value != "true"), "no curl");
    found
}

#[tokio::test]
async fn every_line_that_an_example_says_to_try_works() {
    if !has_curl() {
        return;
    }
    let gateway = [
        "--upstream",
        "http://127.0.0.1:1",
        "--server-url",
        "https://app.example.com",
        "--public-url",
        "https://api.example.com",
    ];
    assert_eq!(
        tried("hyper", &[]).await,
        [
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 404 Not Found",
            "HTTP/1.1 405 Method Not Allowed"
        ]
    );
    assert_eq!(
        tried("gateway", &gateway).await,
        ["HTTP/1.1 502 Bad Gateway", "HTTP/1.1 501 Not Implemented"]
    );
    assert_eq!(
        tried("recording_api", &["--diagnostics"]).await,
        [
            "HTTP/1.1 200 OK",
            "HTTP/1.1 404 Not Found",
            "HTTP/1.1 405 Method Not Allowed",
            "HTTP/1.1 400 Bad Request",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 500 Internal Server Error",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 503 Service Unavailable",
            "HTTP/1.1 404 Not Found",
            "HTTP/1.1 409 Conflict",
        ]
    );
    assert_eq!(
        tried("recording_grpc", &["--diagnostics"]).await,
        [
            "HTTP/1.1 200 OK",
            "HTTP/1.1 404 Not Found",
            "HTTP/1.1 405 Method Not Allowed",
            "HTTP/2 200",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 500 Internal Server Error",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 503 Service Unavailable",
            "HTTP/1.1 400 Bad Request",
        ]
    );
}
