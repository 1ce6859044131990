//! Every example that serves keeps the contract; so does the gateway in front of a server that
//! others wrote.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};
use tower_contract::conformance::{self, Run};

use crate::example::{Example, soon};

const FRONT_END: &str = "https://app.example.com";

fn at(example: &Example) -> Run {
    conformance::at(&format!("http://{}", example.address)).unwrap()
}

/// Runs the checks, and fails with the example's own log where a promise is broken.
async fn assert_kept(example: Example, run: Run) {
    let report = run.report().await.unwrap();
    let kept = report.is_kept();
    let log = example.into_log().await;
    assert!(kept, "{report}\n\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recording_api_keeps_the_contract() {
    let example = Example::start(
        "recording_api",
        &[
            "--diagnostics",
            "--timeout",
            "1s",
            "--server-url",
            FRONT_END,
            "--server-url",
            "https://b.example.com",
        ],
    );
    let example = example.await;
    let run = at(&example)
        .origin(FRONT_END)
        .origin("https://b.example.com")
        .get("/ping")
        .public_url("http://localhost:8080")
        .page_sends(["PUT", "DELETE", "content-type", "authorization"])
        .panic_at("/diagnostics/panic")
        .panic_body_at("/diagnostics/panic-in-body")
        .slow_at("/diagnostics/sleep/60000", Duration::from_secs(1))
        .auth("Authorization", "Basic YWRtaW46YWRtaW4=")
        .post_json_at("/server/mode");
    assert_kept(example, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_the_recording_api_that_takes_a_login_keeps_the_contract() {
    let example = Example::start("recording_api", &["--server-url", FRONT_END]).await;
    let run = at(&example)
        .origin(FRONT_END)
        .get("/api/v2/recordings/call-01")
        .auth("Authorization", "Basic YWdlbnQ6YWdlbnQ=");
    assert_kept(example, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hyper_without_a_framework_keeps_the_contract() {
    let example = Example::start("hyper", &[]).await;
    let run = at(&example).origin("http://localhost:3000").get("/hello");
    assert_kept(example, run.public_url("http://localhost:8080").unsafe_methods()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tonic_beside_json_keeps_the_contract() {
    let options = ["--diagnostics", "--timeout", "2s", "--server-url", FRONT_END];
    let example = Example::start("recording_grpc", &options).await;
    let run = at(&example)
        .origin(FRONT_END)
        .grpc("recordings.v1.Recordings/Search")
        .grpc_slow("recordings.v1.Diagnostics/Sleep");
    assert_kept(example, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_keeps_the_contract_for_a_server_that_others_wrote() {
    // Python's own server: `CI` is set where it must be there.
    let folder = crate::example::Folder::new();
    let python = Command::new("python3")
        .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"])
        .arg(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let Ok(mut python) = python else {
        assert!(std::env::var_os("CI").is_none(), "there is no python3");
        return;
    };
    let mut lines = BufReader::new(python.stdout.take().unwrap()).lines();
    let line = soon("Python's start", lines.next_line()).await.unwrap().unwrap();
    // Serving HTTP on 127.0.0.1 port 40123 (http://127.0.0.1:40123/) ...
    let upstream = line.split_once('(').unwrap().1.split_once('/').unwrap().0.to_owned() + "//";
    let upstream = upstream + line.split("//").nth(1).unwrap().split('/').next().unwrap();
    let options = [
        "--upstream",
        &upstream,
        "--server-url",
        FRONT_END,
        "--public-url",
        "https://api.example.com",
    ];
    let example = Example::start("gateway", &options).await;
    let run = at(&example).origin(FRONT_END).public_url("https://api.example.com").get("/");
    assert_kept(example, run).await;

    python.kill().await.unwrap();
    let example = Example::start("gateway", &options).await;
    let run = at(&example).origin(FRONT_END).upstream_down_at("/down").only([60]);
    assert_kept(example, run).await;
}
