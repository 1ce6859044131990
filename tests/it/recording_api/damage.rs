//! What the API answers when what it stands on is damaged: its database, its disk, its media store.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use http::StatusCode;
use http_body_util::BodyExt;
use rusqlite::Connection;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    media_store::media_store_that_sends,
    playback::PLAY,
    program::{self, Folder, Program, admin, agent, soon, supervisor},
};

const LABELS: &str = "/api/v2/recording-label-definitions";

fn new_label(name: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    supervisor(&format!(r#"POST {LABELS} {{"name":"{name}"}}"#))
}

/// A folder of one's own, and an API whose database is in it.
async fn with_database(options: &[&str]) -> (Folder, PathBuf, Program) {
    let folder = Folder::new();
    let file = folder.0.join("mine.sqlite");
    let options = [&["--db", file.to_str().unwrap()], options].concat();
    let api = Program::start(&options).await;
    (folder, file, api)
}

/// Asks on connections of their own, all at once: the statuses, each with the time it took.
async fn all_at_once(api: &Program, count: usize) -> Vec<(StatusCode, Duration)> {
    let address = api.address;
    let mut clients = JoinSet::new();
    for n in 0..count {
        clients.spawn(async move {
            let mut connection = program::Connection::http1(address).await;
            let start = Instant::now();
            let answer = connection.ask(new_label(&format!("label-{n}"))).await;
            (answer.status, start.elapsed())
        });
    }
    soon("all answers", clients.join_all()).await
}

#[tokio::test]
async fn a_locked_database_is_503_and_nothing_is_left_running() {
    let (_folder, file, api) = with_database(&["--timeout", "2s"]).await;
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();

    let asked = all_at_once(&api, 200);
    let watched = async {
        sleep(Duration::from_millis(500)).await;
        threads(api.pid())
    };
    let (answers, threads) = tokio::join!(asked, watched);
    let refused = |(status, _): &&(StatusCode, _)| *status == StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(answers.iter().filter(refused).count(), 200);
    let at_once = answers.iter().filter(|(_, time)| *time < Duration::from_millis(1300)).count();
    assert!(at_once >= 136, "{at_once} were refused at once");
    assert!(threads.is_none_or(|threads| threads <= 64), "{threads:?} threads");

    other.execute_batch("ROLLBACK").unwrap();
    let answer = api.ask(new_label("after")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    // A client that was told 503 may ask again: nothing of its request is done later.
    let count = "SELECT count(*) FROM label_definitions WHERE name GLOB 'label-*'";
    assert_eq!(other.query_row(count, [], |row| row.get::<_, u32>(0)).unwrap(), 0);
}

/// How many threads a process has, where the system says so.
fn threads(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/task")).ok()?.count())
}

#[tokio::test]
async fn a_deleted_database_file_is_noticed_and_told_once() {
    let (_folder, file, api) = with_database(&[]).await;
    fs::remove_file(&file).unwrap();
    for _ in 0..3 {
        let answer = api.ask(new_label("lost")).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    // Another file of the same name is not the one that is open.
    fs::write(&file, "").unwrap();
    let answer = api.ask(admin("GET /api/v2/recordings/call-01")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    // Each refusal is an event; only the first says why.
    let log = api.into_log().await;
    let why = r#"error="store: the database file was deleted or replaced; start again""#;
    assert_eq!((log.matches(why).count(), log.matches("error=").count()), (1, 1), "{log}");
    assert_eq!(log.lines().count(), 4, "{log}");
}

#[tokio::test]
async fn a_full_disk_is_503_for_what_writes_and_nothing_else() {
    let (folder, file, api) = with_database(&[]).await;
    drop(api);
    let size = fs::metadata(&file).unwrap().len();
    // The shell counts in blocks of 512 bytes or of 1024: either way the file cannot grow much.
    let limit = format!("-f {}", size.div_ceil(512) + 8);
    let options = ["--db", file.to_str().unwrap()];
    let api = Program::start_under(&limit, &options).await;
    let mut statuses = Vec::new();
    for n in 0..8 {
        let text = "x".repeat(60_000);
        let label = format!(r#"POST {LABELS} {{"name":"big-{n}","description":"{text}"}}"#);
        statuses.push(api.ask(supervisor(&label)).await.status);
    }
    assert!(statuses.contains(&StatusCode::SERVICE_UNAVAILABLE), "{statuses:?}");
    assert!(!statuses.contains(&StatusCode::INTERNAL_SERVER_ERROR), "{statuses:?}");
    let answer = api.ask(agent("GET /api/v2/recordings/call-01")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let log = api.into_log().await;
    assert!(log.lines().all(|line| line.contains(r#"error="store: "#)), "{log}");
    drop(folder);
}

#[tokio::test]
async fn a_read_only_database_is_503_for_what_writes_and_nothing_else() {
    let (_folder, file, api) = with_database(&[]).await;
    drop(api);
    let Some(api) = without_rights(&file).await else {
        return;
    };
    let answer = api.ask(new_label("lost")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let answer = api.ask(agent("GET /api/v2/recordings/call-01")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let log = api.into_log().await;
    let why = r#"error="store: attempt to write a readonly database""#;
    assert!(log.contains(why) && log.lines().count() == 1, "{log}");
}

/// An API that may read the file and not write it: root writes whatever the file's mode is, so that
/// its program is nobody's. `None` where that cannot be had.
async fn without_rights(file: &Path) -> Option<Program> {
    let mut permissions = fs::metadata(file).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(file, permissions).unwrap();
    let options = ["--db", file.to_str().unwrap()];
    if fs::OpenOptions::new().write(true).open(file).is_err() {
        return Some(Program::start(&options).await);
    }
    Program::start_as_nobody(&options).await
}

// ===== the media store =====

#[tokio::test]
async fn a_media_store_that_speaks_garbage_or_breaks_off_is_502() {
    for bytes in ["", "\0\x01garbage\r\n\r\n", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let store = media_store_that_sends(bytes).await;
        let api = Program::start(&["--media-url", &store]).await;
        assert_eq!(api.ask(agent(PLAY)).await.status, StatusCode::BAD_GATEWAY, "{bytes:?}");
        let log = api.into_log().await;
        assert!(log.contains(r#"error="media store: "#) && log.lines().count() == 1, "{log}");
    }
}

/// A media store that sends the head, and then the pieces, each after this time.
async fn dripping(pause: Duration, pieces: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // hyper takes an answer that comes before its request for a mistake.
        stream.read_u8().await.unwrap();
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            sleep(pause).await;
        }
        std::future::pending::<()>().await;
    });
    url
}

#[tokio::test]
async fn a_slow_media_store_is_waited_for_and_a_stalled_one_breaks_the_response() {
    const PIECES: [&str; 4] = ["HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n", "au", "di", "o..."];
    let store = dripping(Duration::from_millis(400), &PIECES).await;
    let api = Program::start(&["--media-url", &store, "--timeout", "1s"]).await;
    let playing = api.connect().await.begin(agent(PLAY)).await;
    let audio = soon("the audio", playing.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(audio, "audio...", "it takes longer than the limit, and no piece of it does");

    let store = dripping(Duration::ZERO, &PIECES[..3]).await;
    let api = Program::start(&["--media-url", &store, "--timeout", "300ms"]).await;
    let playing = api.connect().await.begin(agent(PLAY)).await;
    assert_eq!(playing.status(), StatusCode::OK);
    assert!(soon("the break", playing.into_body().collect()).await.is_err());
}
