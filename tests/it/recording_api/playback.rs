//! Audio, from a media store that is not always well.

use std::{io, time::Duration};

use axum::{body::Body, response::IntoResponse};
use bytes::Bytes;
use expect_test::expect;
use http::{StatusCode, header};
use http_body_util::BodyExt;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::mpsc,
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    media_store::{media_store, media_store_once, media_store_that_sends},
    program::{Program, agent, soon, with},
};

pub(super) const PLAY: &str = "GET /api/v2/recordings/call-01/play/part-1";

#[tokio::test]
async fn a_recording_is_played_as_a_wav_file() {
    let api = Program::start(&[]).await;
    let audio = api.ask(agent(PLAY)).await;
    assert_eq!(audio.status, StatusCode::OK);
    assert_eq!(audio.header("content-type"), Some("audio/wav"));
    assert_eq!(audio.header("content-length"), Some("672044"));
    assert_eq!(audio.header("accept-ranges"), Some("bytes"));
    assert_eq!((&audio.body[..4], &audio.body[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
    let size = |at: usize| u32::from_le_bytes(audio.body[at..at + 4].try_into().unwrap());
    assert_eq!((size(4), size(40)), (672_036, 672_000));

    api.check(
        agent("HEAD /api/v2/recordings/call-01/play/part-1"),
        expect![[r#"
            200 OK
            accept-ranges: bytes
            content-length: 672044
            content-type: audio/wav
            etag: "672044"
        "#]],
    )
    .await;
    api.check(
        agent("GET /api/v2/recordings/call-01/play/part-3"),
        expect![[r#"
            404 Not Found

            {"http_method":"GET","title":"Not Found","description":"There is no media 'part-3' of a recording 'call-01'.","code":4041,"uri":"http://localhost:8080/api/v2/recordings/call-01/play/part-3"}
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_range_is_passed_to_the_store_and_its_answer_back() {
    let api = Program::start(&[]).await;
    let whole = api.ask(agent(PLAY)).await.body;
    for (range, place, expected) in [
        ("bytes=0-3", "bytes 0-3/672044", 0..4),
        ("bytes=40-16444", "bytes 40-16444/672044", 40..16445),
        ("bytes=672040-", "bytes 672040-672043/672044", 672_040..672_044),
        ("bytes=672000-999999", "bytes 672000-672043/672044", 672_000..672_044),
        ("bytes=-5", "bytes 672039-672043/672044", 672_039..672_044),
    ] {
        let part = api.ask(with(agent(PLAY), header::RANGE, range)).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(part.header("content-range"), Some(place));
        assert_eq!(part.body, whole.slice(expected), "{range}");
    }
    for ignored in ["bytes=5-4", "lines=1-2", "bytes=0-1,4-5", "bytes=a-"] {
        let answer = api.ask(with(agent(PLAY), header::RANGE, ignored)).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, whole.len()), "{ignored}");
    }
    let other_version = with(agent(PLAY), header::RANGE, "bytes=0-3");
    let other_version = with(other_version, header::IF_RANGE, "\"another\"");
    assert_eq!(api.ask(other_version).await.status, StatusCode::OK);

    let behind = with(agent(PLAY), header::RANGE, "bytes=672044-");
    api.check(behind, expect![[r#"
        416 Range Not Satisfiable
        content-range: bytes */672044

        {"http_method":"GET","title":"Range Not Satisfiable","description":"The media is shorter than the range that was asked for.","code":416,"uri":"http://localhost:8080/api/v2/recordings/call-01/play/part-1"}
    "#]]).await;
}

#[tokio::test]
async fn playback_starts_before_the_media_ends_and_a_client_that_leaves_ends_it() {
    let (audio, body) = mpsc::channel(1);
    let store = media_store_once(Body::from_stream(ReceiverStream::new(body))).await;
    let api = Program::start(&["--media-url", &store]).await;

    audio.send(Ok::<_, io::Error>("the beginning")).await.unwrap();
    let mut connection = api.connect().await;
    let mut playing = connection.begin(agent(PLAY)).await.into_body();
    let first = soon("the beginning", playing.frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "the beginning");

    audio.send(Ok("the middle")).await.unwrap();
    let second = soon("the middle", playing.frame()).await.unwrap().unwrap();
    assert_eq!(second.into_data().unwrap(), "the middle");

    drop((playing, connection));
    soon("the end of the media store's answer", audio.closed()).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_media_store() {
    const CHUNK: usize = 64 * 1024;
    let (audio, body) = mpsc::channel(1);
    let store = media_store_once(Body::from_stream(ReceiverStream::new(body))).await;
    let api = Program::start(&["--media-url", &store]).await;
    let playing = soon("the head", async {
        let mut connection = api.connect().await;
        (connection.begin(agent(PLAY)).await, connection)
    });
    let (answer, _connection) = playing.await;

    // Nothing is read. Sockets hold a few megabytes; a server that buffered would take it all.
    let chunk = || Ok::<_, io::Error>(Bytes::from(vec![0; CHUNK]));
    let mut sent = 0;
    while let Ok(done) = timeout(Duration::from_millis(500), audio.send(chunk())).await {
        done.unwrap();
        sent += CHUNK;
        assert!(sent < 256 * 1024 * 1024, "{sent} bytes were taken, and nobody has read one");
    }
    drop(answer);
}

#[tokio::test]
async fn a_media_store_that_breaks_off_breaks_the_playback_off() {
    let (audio, body) = mpsc::channel(2);
    let store = media_store_once(Body::from_stream(ReceiverStream::new(body))).await;
    let api = Program::start(&["--media-url", &store]).await;
    audio.send(Ok("the beginning")).await.unwrap();
    let mut playing = api.connect().await.begin(agent(PLAY)).await.into_body();
    soon("the beginning", playing.frame()).await.unwrap().unwrap();
    audio.send(Err(io::Error::other("the disk is gone"))).await.unwrap();
    assert!(soon("the end", playing.frame()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_media_store_that_hangs_in_the_middle_breaks_the_playback_off() {
    let (audio, body) = mpsc::channel(1);
    let store = media_store_once(Body::from_stream(ReceiverStream::new(body))).await;
    let api = Program::start(&["--media-url", &store, "--timeout", "500ms"]).await;
    audio.send(Ok::<_, io::Error>("the beginning")).await.unwrap();
    let mut playing = api.connect().await.begin(agent(PLAY)).await.into_body();
    soon("the beginning", playing.frame()).await.unwrap().unwrap();
    assert!(soon("the end", playing.frame()).await.unwrap().is_err());
    soon("the end of the media store's answer", audio.closed()).await;
}

#[tokio::test]
async fn a_length_that_the_media_store_does_not_keep_is_not_promised_or_breaks_the_playback_off() {
    let chunked = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n\
                   5\r\naudio\r\n0\r\n\r\n";
    let store = media_store_that_sends(chunked).await;
    let api = Program::start(&["--media-url", &store]).await;
    let answer = api.ask(agent(PLAY)).await;
    assert_eq!((answer.header("content-length"), &answer.body[..]), (None, &b"audio"[..]));

    let short = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\naudio";
    let store = media_store_that_sends(short).await;
    let api = Program::start(&["--media-url", &store]).await;
    let playing = api.connect().await.begin(agent(PLAY)).await;
    assert!(soon("the end", playing.into_body().collect()).await.is_err());
}

#[tokio::test]
async fn only_what_describes_the_audio_passes() {
    let store = media_store(|asked| {
        assert_eq!(asked.uri().path(), "/base/call-01/part-1.wav");
        assert_eq!(asked.headers().get(header::AUTHORIZATION), None);
        assert_eq!(asked.headers()[header::IF_NONE_MATCH], "\"v1\"");
        let fields = [
            ("content-type", "audio/ogg"),
            ("etag", "\"v2\""),
            ("last-modified", "Thu, 10 Sep 2015 16:58:22 GMT"),
            ("cache-control", "private"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("server", "media/1.0"),
            ("set-cookie", "session=secret"),
            ("access-control-allow-origin", "*"),
        ];
        (fields, "audio").into_response()
    });
    let api = Program::start(&["--media-url", &format!("{}/base/", store.await)]).await;
    let asked = with(agent(PLAY), header::IF_NONE_MATCH, "\"v1\"");
    api.check(
        asked,
        expect![[r#"
            200 OK
            cache-control: private
            content-length: 5
            content-type: audio/ogg
            etag: "v2"
            last-modified: Thu, 10 Sep 2015 16:58:22 GMT

            audio
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_media_store_that_refuses_closes_or_fails_is_502_and_one_that_lacks_the_file_404() {
    // Bound, and nobody listens: the port is refused, and no other test's.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let store = format!("http://{}", closed.local_addr().unwrap());
    let api = Program::start(&["--media-url", &store]).await;
    api.check(agent(PLAY), expect![[r#"
        502 Bad Gateway

        {"http_method":"GET","title":"Bad Gateway","description":"A system behind this service is unavailable or failed.","code":502,"uri":"http://localhost:8080/api/v2/recordings/call-01/play/part-1","request_id":"7f-1"}
    "#]]).await;
    let log = api.into_log().await;
    let causes = "media store: client error (Connect): tcp connect error: ";
    assert!(log.contains(causes), "{log}");

    for nonsense in ["", "HTTP/1.1 200", "garbage\r\n\r\n", "HTTP/1.1 101 Go\r\n\r\n"] {
        let store = media_store_that_sends(nonsense).await;
        let api = Program::start(&["--media-url", &store]).await;
        let answer = api.ask(agent(PLAY)).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{nonsense:?}");
    }

    for (status, answered) in [(500, 502), (503, 502), (302, 502), (403, 502), (404, 404)] {
        let status = StatusCode::from_u16(status).unwrap();
        let store = media_store(move |_| (status, "disk d-7 is full").into_response()).await;
        let api = Program::start(&["--media-url", &store]).await;
        let answer = api.ask(agent(PLAY)).await;
        assert_eq!(answer.status, answered);
        assert!(!answer.body.windows(3).any(|bytes| bytes == b"d-7"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_media_store_that_does_not_answer_is_503_when_the_time_is_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = format!("http://{}", silent.local_addr().unwrap());
    let api = Program::start(&["--media-url", &store, "--timeout", "200ms"]).await;
    api.check(agent(PLAY), expect![[r#"
        503 Service Unavailable

        {"http_method":"GET","title":"Service Unavailable","description":"The service cannot process the request now.","code":503,"uri":"http://localhost:8080/api/v2/recordings/call-01/play/part-1","request_id":"7f-1"}
    "#]]).await;
}
