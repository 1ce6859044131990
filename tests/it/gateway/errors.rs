//! What an upstream can do wrong, and what its errors become.

use std::time::Duration;

use expect_test::expect;
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    time::{Instant, sleep},
};

use crate::example::without_times;

use super::{
    answer, gateway, got,
    upstream::{Scripted, read_request, serve},
    whole_answer,
};

const GET: &str = "GET /x?secret HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// 502, and nothing else.
const BAD_GATEWAY: &str = r#"HTTP/1.1 502 Bad Gateway
content-type: application/json
content-length: 159
x-content-type-options: nosniff
cache-control: no-store
connection: close

{"http_method":"GET","title":"Bad Gateway","description":"A system behind this service is unavailable or failed.","code":502,"uri":"https://api.example.com/x"}
"#;

#[tokio::test]
async fn an_upstream_that_is_not_there_is_502() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let gateway = gateway(address, &[]).await;
    assert_eq!(answer(gateway.address, GET).await, BAD_GATEWAY);
    let log = without_times(&gateway.into_log().await);
    let start = r#"ERROR error response status=502 code=502 cause=Upstream method="GET" uri="/x""#;
    let why = r#" error="client error (Connect): tcp connect error: "#;
    assert!(log.starts_with(start) && log.contains(why), "{log}");
}

#[tokio::test]
async fn an_upstream_that_resets_is_502() {
    let (address, _) = serve(async |stream| {
        // Closed with the request unread: the kernel says so with a reset.
        stream.readable().await.unwrap();
    })
    .await;
    let gateway = gateway(address, &[]).await;
    assert_eq!(answer(gateway.address, GET).await, BAD_GATEWAY);
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_502() {
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1_000_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    for pieces in [
        &[][..],
        &["", ""],
        &["hello\n"],
        &["SSH-2.0-OpenSSH_9.6\r\n"],
        &["HTTP/1.1 20"],
        &["HTTP/1.1 200 OK\r\ncontent-le"],
        &["HTTP/1.1 200 OK\r\n", "content-length: 5"],
        &["HTTP/1.1 2000 OK\r\n\r\n"],
        &["HTTP/3.0 200 OK\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\nno colon\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\na\0: b\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello"],
        &["HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello"],
        &["HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello"],
        &["HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\nhello"],
        &["HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"],
        &[&huge],
        &[&many],
    ] {
        assert_eq!(got(pieces).await, BAD_GATEWAY, "{:.99}", pieces.concat());
    }
}

#[tokio::test]
async fn an_upstream_that_is_slow_to_begin_is_503() {
    let (address, _) = serve(async |mut stream| {
        read_request(&mut stream).await;
        sleep(Duration::from_secs(60)).await;
    })
    .await;
    let gateway = gateway(address, &["--timeout", "100ms"]).await;
    expect![[r#"
        HTTP/1.1 503 Service Unavailable
        content-type: application/json
        content-length: 156
        x-content-type-options: nosniff
        cache-control: no-store
        connection: close

        {"http_method":"GET","title":"Service Unavailable","description":"The service cannot process the request now.","code":503,"uri":"https://api.example.com/x"}
    "#]].assert_eq(&answer(gateway.address, GET).await);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_broken_for_the_client_too() {
    let with_length = got(&["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", "hello"]).await;
    expect![[r#"
        HTTP/1.1 200 OK
        connection: close
        content-length: 10

        hello
    "#]]
    .assert_eq(&with_length);
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    // No last chunk: the client knows that something is missing.
    for pieces in [
        &[head, "5\r\nhello\r\n"][..],
        &[head, "5\r\nhello\r\n9\r\nwor"],
        &[head, "5\r\nhello\r\nno size\r\n"],
    ] {
        let answer = got(pieces).await;
        assert!(answer.contains("\n\n5\nhello\n"), "{answer}");
        assert!(!answer.contains("\n0\n"), "{answer}");
    }
}

#[tokio::test]
async fn what_follows_the_content_is_not_passed() {
    let answer =
        got(&["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n"]).await;
    expect![[r#"
        HTTP/1.1 200 OK
        connection: close
        content-length: 5

        hello
    "#]]
    .assert_eq(&answer);
}

const ENVELOPE: &str = r#"{"http_method":"x","title":"bad parameter","description":"no such mode","code":4020,"uri":"y"}"#;

#[tokio::test]
async fn the_text_of_a_4xx_is_kept_however_it_comes() {
    let (first, second) = ENVELOPE.split_at(40);
    let length = ENVELOPE.len();
    let head = format!(
        "HTTP/1.1 400 Database Down\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nx-id: 7\r\n\r\n"
    );
    let chunked = "HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nx-id: 7\r\n\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let expected = expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json
        x-id: 7
        content-length: 120
        x-content-type-options: nosniff
        cache-control: no-store
        connection: close

        {"http_method":"GET","title":"bad parameter","description":"no such mode","code":4020,"uri":"https://api.example.com/x"}
    "#]];
    for pieces in [
        &[&*format!("{head}{ENVELOPE}")][..],
        &[&head, ENVELOPE],
        &[&head, first, second],
        &[chunked, &chunk(first), &chunk(second), "0\r\n\r\n"],
        &[&format!("{chunked}{}0\r\n\r\n", chunk(ENVELOPE))],
        // To the end of the connection.
        &["HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\nx-id: 7\r\n\r\n", first, second],
    ] {
        expected.assert_eq(&got(pieces).await);
    }
    let text =
        got(&["HTTP/1.1 404 No\r\ncontent-type: text/plain\r\n\r\n", "no such ", "thing"]).await;
    assert!(text.contains(r#""description":"no such thing","code":404"#), "{text}");
}

#[tokio::test]
async fn an_error_whose_text_does_not_come_keeps_its_status() {
    let head = "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\n";
    let long = format!("\"{}\"", "a".repeat(70_000));
    let default = expect![[r#"
        HTTP/1.1 404 Not Found
        content-type: application/json
        content-length: 134
        x-content-type-options: nosniff
        cache-control: no-store
        connection: close

        {"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"https://api.example.com/x"}
    "#]];
    for pieces in [
        // Breaks off.
        &[head, "content-length: 99\r\n\r\n", ENVELOPE][..],
        &[head, "transfer-encoding: chunked\r\n\r\n", "5\r\n{\"a\"}\r\n"],
        // Too long, with and without saying so.
        &[head, "content-length: 70002\r\n\r\n", &long],
        &[head, "\r\n", &long],
    ] {
        default.assert_eq(&got(pieces).await);
    }
    // Stalls; and does not become a 503 because of it.
    let (address, _) = serve(async |mut stream| {
        read_request(&mut stream).await;
        let head = b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nhel";
        stream.write_all(head).await.unwrap();
        sleep(Duration::from_secs(60)).await;
    })
    .await;
    let gateway = gateway(address, &["--timeout", "400ms"]).await;
    let start = Instant::now();
    default.assert_eq(&answer(gateway.address, GET).await);
    let took = start.elapsed();
    assert!(took > Duration::from_millis(450), "{took:?}");
}

#[tokio::test]
async fn a_5xx_says_nothing_of_the_upstream() {
    let answer = got(&[
        "HTTP/1.1 500 db secret\r\ncontent-type: application/json\r\netag: \"s\"\r\nretry-after: 5\r\n\r\n",
        ENVELOPE,
    ])
    .await;
    expect![[r#"
        HTTP/1.1 500 Internal Server Error
        content-type: application/json
        retry-after: 5
        content-length: 154
        x-content-type-options: nosniff
        cache-control: no-store
        connection: close

        {"http_method":"GET","title":"Internal Server Error","description":"The server met an unexpected condition.","code":500,"uri":"https://api.example.com/x"}
    "#]].assert_eq(&answer);
}

#[tokio::test]
async fn an_answer_to_head_keeps_its_length_and_has_no_content() {
    const HEAD: &str = "HEAD /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut answers = String::new();
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\n",
    ] {
        answers.push_str(&super::asked(HEAD, &[head]).await);
    }
    expect![[r#"
        HTTP/1.1 200 OK
        content-length: 5
        connection: close


        HTTP/1.1 200 OK
        content-length: 5
        connection: close


        HTTP/1.1 200 OK
        connection: close


        HTTP/1.1 404 Not Found
        content-type: application/json
        x-content-type-options: nosniff
        cache-control: no-store
        connection: close


    "#]]
    .assert_eq(&answers);
}

#[tokio::test]
async fn a_preflight_and_a_tunnel_do_not_reach_the_upstream() {
    let upstream = Scripted::start(&["HTTP/1.1 204 No Content\r\n\r\n"]).await;
    let gateway = gateway(upstream.address, &["--allow-method", "PUT"]).await;
    let mut answers = String::new();
    for head in [
        "OPTIONS /x HTTP/1.1\r\norigin: https://app.example.com\r\naccess-control-request-method: PUT",
        "OPTIONS * HTTP/1.1",
        "OPTIONS /x HTTP/1.1\r\nmax-forwards: 0",
        "TRACE /x HTTP/1.1\r\nauthorization: secret",
        "CONNECT a:443 HTTP/1.1",
    ] {
        let request = format!("{head}\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = whole_answer(gateway.address, &request).await;
        assert!(answer.contains("access-control-allow-methods: GET, POST, OPTIONS, PUT\n"));
        answers.push_str(answer.lines().next().unwrap());
        answers.push('\n');
    }
    expect![[r#"
        HTTP/1.1 200 OK
        HTTP/1.1 200 OK
        HTTP/1.1 200 OK
        HTTP/1.1 501 Not Implemented
        HTTP/1.1 501 Not Implemented
    "#]]
    .assert_eq(&answers);
    assert_eq!(upstream.requests(), [""; 0]);
    let passed = "OPTIONS /x HTTP/1.1\r\nhost: a\r\nmax-forwards: 3\r\nconnection: close\r\n\r\n";
    whole_answer(gateway.address, passed).await;
    assert!(upstream.requests()[0].contains("\nmax-forwards: 2\n"));
}
