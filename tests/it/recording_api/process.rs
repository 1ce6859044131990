//! Start and stop, and what is wrong with an option.

use std::{io, time::Duration};

use axum::body::Body;
use expect_test::expect;
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    media_store::media_store_once,
    playback::PLAY,
    program::{Folder, Program, admin, agent, request, run, soon},
};

#[tokio::test]
async fn on_sigterm_a_request_in_flight_finishes() {
    let (audio, body) = mpsc::channel(1);
    let store = media_store_once(Body::from_stream(ReceiverStream::new(body))).await;
    let mut api = Program::start(&["--media-url", &store, "--timeout", "30s"]).await;
    audio.send(Ok::<_, io::Error>("the beginning")).await.unwrap();
    let playing = api.connect().await.begin(agent(PLAY)).await;

    api.signal("TERM").await;
    soon("the closing of the port", async {
        while TcpStream::connect(api.address).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    audio.send(Ok(", the end")).await.unwrap();
    drop(audio);

    let body = soon("the rest", playing.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes(), "the beginning, the end");
    assert!(api.end().await.success());
}

#[tokio::test]
async fn ctrl_c_ends_it_cleanly_even_with_an_idle_connection() {
    let mut api = Program::start(&[]).await;
    let mut idle = api.connect().await;
    assert_eq!(idle.ask(request("GET /ping")).await.status, StatusCode::OK);
    assert_eq!(api.leftovers().len(), 1, "the temporary database");
    api.signal("INT").await;
    assert!(api.end().await.success());
    assert!(api.leftovers().is_empty(), "{:?}", api.leftovers());
}

#[tokio::test]
async fn a_second_ctrl_c_does_not_wait() {
    let (audio, body) = mpsc::channel(1);
    let store = media_store_once(Body::from_stream(ReceiverStream::new(body))).await;
    let mut api = Program::start(&["--media-url", &store]).await;
    audio.send(Ok::<_, io::Error>("the beginning")).await.unwrap();
    let _endless = api.connect().await.begin(agent(PLAY)).await;
    // Signals that come at once may be seen as one: repeat the second until it is seen.
    api.signal("INT").await;
    soon("the end", async {
        while timeout(Duration::from_millis(50), api.end()).await.is_err() {
            api.signal("INT").await;
        }
    })
    .await;
    assert!(api.end().await.success());
    assert!(api.leftovers().is_empty());
}

#[tokio::test]
async fn a_database_of_ones_own_is_kept() {
    let folder = Folder::new();
    let file = folder.0.join("mine.sqlite");
    let db = ["--db", file.to_str().unwrap()];

    let mut api = Program::start(&db).await;
    let deleted = api.ask(admin("DELETE /api/v2/recordings/call-01")).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    api.signal("TERM").await;
    assert!(api.end().await.success());

    let api = Program::start(&db).await;
    let status = async |path| api.ask(agent(path)).await.status;
    assert_eq!(status("GET /api/v2/recordings/call-01").await, StatusCode::NOT_FOUND);
    assert_eq!(status("GET /api/v2/recordings/call-02/play/part-1").await, StatusCode::OK);
}

#[tokio::test]
async fn a_wrong_option_is_told_in_one_line() {
    for (options, line) in [
        (
            ["--timeout", "+5s"],
            expect![[r#"
                error: invalid value '+5s' for '--timeout <DURATION>': expected number at 0
            "#]],
        ),
        (
            ["--timeout", "5"],
            expect![[r#"
                error: invalid value '5' for '--timeout <DURATION>': time unit needed, for example 5sec or 5ms
            "#]],
        ),
        (
            ["--timeout", "s"],
            expect![[r#"
                error: invalid value 's' for '--timeout <DURATION>': expected number at 0
            "#]],
        ),
        (
            ["--timeout", "99999999999999999999m"],
            expect![[r#"
                error: invalid value '99999999999999999999m' for '--timeout <DURATION>': number is too large or cannot be represented without a lack of precision (values below 1ns are not supported)
            "#]],
        ),
        (
            ["--listen", "localhost"],
            expect![[r#"
                error: invalid value 'localhost' for '--listen <ADDR>': invalid socket address syntax
            "#]],
        ),
        (
            ["--public-url", "ftp://api.example"],
            expect![[r#"
                error: invalid value 'ftp://api.example' for '--public-url <URL>': public URL "ftp://api.example": it is not an absolute http or https URL with a host; use one like "https://api.example.com"
            "#]],
        ),
        (
            ["--media-url", "http://media.example/?a"],
            expect![[r#"
                error: invalid value 'http://media.example/?a' for '--media-url <URL>': a media store is at http://host:port/path, without user, query, fragment
            "#]],
        ),
        (
            ["--colour", "red"],
            expect![[r#"
                error: unexpected argument '--colour' found
            "#]],
        ),
    ] {
        let (code, stdout, stderr) = run(&options).await;
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(2), "", 1), "{stderr}");
        line.assert_eq(&stderr);
    }
}

#[tokio::test]
async fn every_problem_of_the_server_urls_is_told_with_its_correction() {
    let urls = [
        "--server-url",
        "http://localhost:3000/app",
        "--server-url",
        "https://App.example.com",
        "--server-url",
        "http://app.example.com",
    ];
    let (code, stdout, stderr) = run(&urls).await;
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    expect![[r#"
        error: 3 problems with the CORS policy:
        - server_urls: "http://localhost:3000/app" has more than scheme, host and port; use "http://localhost:3000"
        - server_urls: "https://App.example.com" never matches, origins and methods are case-sensitive; use "https://app.example.com"
        - server_urls: "http://app.example.com" is http and not loopback; use "https://app.example.com"
    "#]].assert_eq(&stderr);
}

#[tokio::test]
async fn another_programs_database_is_told_and_ends_the_program() {
    let folder = Folder::new();
    let file = folder.0.join("notes.sqlite");
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE notes (t)").unwrap();
    let file = file.to_str().unwrap();
    let (code, _, stderr) = run(&["--listen", "127.0.0.1:0", "--db", file]).await;
    assert_eq!(
        (code, stderr),
        (Some(1), format!("error: {file}: it is another program's database\n"))
    );
}
