//! Where a message ends: both sides must see the same, or one can slip a message in.

use std::fmt::Write;

use expect_test::expect;

use super::{answer, gateway, got, upstream::Scripted, whole_answer};

const EMPTY: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

/// What the upstream gets of these bytes, each request, and what the client does.
async fn both(request: &str) -> (Vec<String>, String) {
    let upstream = Scripted::start(&[EMPTY]).await;
    let gateway = gateway(upstream.address, &["--timeout", "2s"]).await;
    let answers = whole_answer(gateway.address, request).await;
    (upstream.requests(), answers)
}

/// The lines of a request that frame it, and its content.
fn frame(request: &str) -> String {
    let (head, content) = request.split_once("\n\n").unwrap();
    let frames = |line: &&str| line.starts_with("content-length") || line.starts_with("transfer-");
    let lines: Vec<_> = head.lines().filter(frames).collect();
    format!("{}|{}", lines.join("|"), content.replace('\n', "."))
}

#[tokio::test]
async fn two_lengths_of_a_request_are_one_or_an_error() {
    let canary = "GET /canary HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut seen = String::new();
    for (fields, content) in [
        ("content-length: 5", "hello"),
        ("content-length: 5\r\ncontent-length: 5", "hello"),
        ("content-length: 5\r\ncontent-length: 6", "hello"),
        ("content-length: 5, 5", "hello"),
        ("content-length: +5", "hello"),
        ("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("content-length: 5\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\ncontent-length: 5", "0\r\n\r\n"),
        (
            "transfer-encoding: chunked\r\ncontent-length: 99\r\nconnection: transfer-encoding",
            "0\r\n\r\n",
        ),
        ("connection: content-length\r\ncontent-length: 5", "hello"),
        ("transfer-encoding: gzip, chunked", "0\r\n\r\n"),
        ("transfer-encoding: chunked, chunked", "0\r\n\r\n"),
        ("transfer-encoding: chunked, identity", "0\r\n\r\n"),
        ("transfer-encoding: xchunked", "0\r\n\r\n"),
        ("transfer-encoding:\x0bchunked", "0\r\n\r\n"),
        ("transfer-encoding : chunked", "0\r\n\r\n"),
        ("transfer-encoding: chunked", "0\r\nx: y\r\n\r\n"),
        ("transfer-encoding: chunked", "5;a=b\r\nhello\r\n0\r\n\r\n"),
        ("transfer-encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let request = format!("POST /x HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{content}{canary}");
        let (requests, answers) = both(&request).await;
        let frames: Vec<_> = requests.iter().map(|request| frame(request)).collect();
        let statuses: Vec<_> =
            answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        let paths: Vec<_> = requests.iter().map(|r| r.split(' ').nth(1).unwrap()).collect();
        // A second request is the canary, whole, or there is none.
        assert!(
            matches!(paths.as_slice(), [] | ["/x" | "/canary"] | ["/x", "/canary"]),
            "{fields}: {requests:?}"
        );
        writeln!(seen, "{fields:?} {content:?}: {frames:?} {statuses:?}").unwrap();
    }
    expect![[r#"
        "content-length: 5" "hello": ["content-length: 5|hello", "|"] ["204", "204"]
        "content-length: 5\r\ncontent-length: 5" "hello": ["content-length: 5|hello", "|"] ["204", "204"]
        "content-length: 5\r\ncontent-length: 6" "hello": [] ["400"]
        "content-length: 5, 5" "hello": [] ["400"]
        "content-length: +5" "hello": [] ["400"]
        "transfer-encoding: chunked" "5\r\nhello\r\n0\r\n\r\n": ["transfer-encoding: chunked|5.hello.0..", "|"] ["204", "204"]
        "content-length: 5\r\ntransfer-encoding: chunked" "0\r\n\r\n": ["transfer-encoding: chunked|0.."] ["204"]
        "transfer-encoding: chunked\r\ncontent-length: 5" "0\r\n\r\n": ["transfer-encoding: chunked|0.."] ["204"]
        "transfer-encoding: chunked\r\ncontent-length: 99\r\nconnection: transfer-encoding" "0\r\n\r\n": ["transfer-encoding: chunked|0.."] ["204"]
        "connection: content-length\r\ncontent-length: 5" "hello": ["content-length: 5|hello", "|"] ["204", "204"]
        "transfer-encoding: gzip, chunked" "0\r\n\r\n": ["|"] ["501", "204"]
        "transfer-encoding: chunked, chunked" "0\r\n\r\n": ["transfer-encoding: chunked|0..", "|"] ["204", "204"]
        "transfer-encoding: chunked, identity" "0\r\n\r\n": [] ["400"]
        "transfer-encoding: xchunked" "0\r\n\r\n": [] ["400"]
        "transfer-encoding:\u{b}chunked" "0\r\n\r\n": [] ["400"]
        "transfer-encoding : chunked" "0\r\n\r\n": [] ["400"]
        "transfer-encoding: chunked" "0\r\nx: y\r\n\r\n": ["transfer-encoding: chunked|0..", "|"] ["204", "204"]
        "transfer-encoding: chunked" "5;a=b\r\nhello\r\n0\r\n\r\n": ["transfer-encoding: chunked|5.hello.0..", "|"] ["204", "204"]
        "transfer-encoding: chunked" "-5\r\nhello\r\n0\r\n\r\n": [] ["400"]
    "#]].assert_eq(&seen);
}

#[tokio::test]
async fn the_content_of_a_get_is_passed_too() {
    for (fields, content) in
        [("content-length: 5", "hello"), ("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
    {
        let request =
            format!("GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n\r\n{content}");
        let (requests, _) = both(&request).await;
        let expected = format!("{fields}|{}", content.replace("\r\n", "."));
        assert_eq!(frame(&requests[0]), expected);
    }
}

#[tokio::test]
async fn a_length_beside_chunks_is_not_passed() {
    let answer =
        got(&["HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ncanary"])
        .await;
    expect![[r#"
        HTTP/1.1 200 OK
        connection: close
        transfer-encoding: chunked

        5
        hello
        0


    "#]]
    .assert_eq(&answer);
}

#[tokio::test]
async fn what_comes_before_the_101_is_the_next_request() {
    // The upstream refuses the upgrade; what the client has sent early must not go into a tunnel.
    let upstream =
        Scripted::start(&["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno"])
            .await;
    let gateway = gateway(upstream.address, &[]).await;
    let request = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\
                   GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    answer(gateway.address, request).await;
    let requests = upstream.requests();
    let lines: Vec<_> = requests.iter().map(|text| text.lines().next().unwrap()).collect();
    assert_eq!(lines, ["GET /chat HTTP/1.1", "GET /next HTTP/1.1"]);
}
