//! Upgrades: what is a WebSocket passes both ways, for as long as both ends like.

use std::time::Duration;

use expect_test::expect;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use super::{
    gateway, read_until,
    upstream::{read_request, serve},
    without_contract,
};
use crate::example::soon;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Greets together with its head, then returns what it gets, until the client closes.
async fn echo(mut stream: TcpStream) {
    let request = read_request(&mut stream).await;
    let asked = "connection: upgrade\r\nupgrade: websocket\r\n";
    assert!(request.contains(asked), "{request}");
    stream.write_all(format!("{SWITCHED}welcome ").as_bytes()).await.unwrap();
    let mut piece = [0; 1024];
    while let Ok(n @ 1..) = stream.read(&mut piece).await {
        stream.write_all(&piece[..n]).await.unwrap();
    }
    stream.write_all(b" bye").await.unwrap();
}

#[tokio::test]
async fn a_websocket_passes_both_ways_and_outlives_the_time_limit() {
    let (address, _) = serve(echo).await;
    let mut gateway = gateway(address, &["--timeout", "200ms"]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(UPGRADE.as_bytes()).await.unwrap();
    let head = read_until(&mut client, "\r\n\r\n").await;
    expect![[r#"
        HTTP/1.1 101 Switching Protocols
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
        connection: upgrade
        upgrade: websocket


    "#]]
    .assert_eq(&without_contract(&head.replace('\r', "")));
    read_until(&mut client, "welcome ").await;

    for _ in 0..3 {
        sleep(Duration::from_millis(200)).await;
        client.write_all(b"\x81\x02hi").await.unwrap();
        let mut frame = [0; 4];
        soon("the echo", client.read_exact(&mut frame)).await.unwrap();
        assert_eq!(&frame, b"\x81\x02hi");
    }
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    soon("the end", client.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, " bye", "the other half stays open");
    gateway.signal("TERM").await;
    assert!(gateway.end().await.success());
}

#[tokio::test]
async fn a_websocket_of_a_foreign_page_passes_unless_it_was_said_that_it_must_not() {
    let from = |origin: &str| UPGRADE.replacen("host: a\r\n", &format!("host: a\r\n{origin}"), 1);
    let foreign = from("origin: https://evil.example\r\n");
    for (expected, more, request) in [
        ("HTTP/1.1 101 ", &[][..], foreign.clone()),
        ("HTTP/1.1 403 ", &["--websocket-same-policy"], foreign),
        ("HTTP/1.1 403 ", &["--websocket-same-policy"], from("origin: null\r\n")),
        ("HTTP/1.1 101 ", &["--websocket-same-policy"], UPGRADE.to_owned()),
        (
            "HTTP/1.1 101 ",
            &["--websocket-same-policy"],
            from("origin: https://app.example.com\r\n"),
        ),
    ] {
        let (address, _) = serve(echo).await;
        let gateway = gateway(address, more).await;
        let mut client = TcpStream::connect(gateway.address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let head = read_until(&mut client, "\r\n\r\n").await;
        assert!(head.starts_with(expected), "{more:?} {request} {head}");
    }
}

#[tokio::test]
async fn another_upgrade_is_not_asked_for_and_not_granted() {
    // The client asks for h2c: the upstream is not told, and if it switches all the same, it errs.
    let (address, _) = serve(async |mut stream: TcpStream| {
        let request = read_request(&mut stream).await;
        assert!(!request.to_lowercase().contains("upgrade"), "{request}");
        stream.write_all(SWITCHED.as_bytes()).await.unwrap();
    })
    .await;
    let gateway_of_h2c = gateway(address, &[]).await;
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close, upgrade, http2-settings\r\n\
                   upgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAA\r\n\r\n";
    let answer = super::answer(gateway_of_h2c.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");

    // The client asks for a WebSocket, the upstream switches to something else.
    let (address, _) = serve(async |mut stream: TcpStream| {
        read_request(&mut stream).await;
        let other = SWITCHED.replace("websocket", "h2c");
        stream.write_all(other.as_bytes()).await.unwrap();
    })
    .await;
    let gateway = gateway(address, &[]).await;
    let request = UPGRADE.replace("keep-alive", "close");
    let answer = super::answer(gateway.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn a_426_tells_what_to_upgrade_to() {
    let answer = super::got(&[
        "HTTP/1.1 426 Upgrade Required\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 0\r\n\r\n",
    ])
    .await;
    expect![[r#"
        HTTP/1.1 426 Upgrade Required
        upgrade: websocket
        connection: upgrade, close
        content-type: application/json
        content-length: 139
        x-content-type-options: nosniff
        cache-control: no-store

        {"http_method":"GET","title":"Upgrade Required","description":"The request was not accepted.","code":426,"uri":"https://api.example.com/x"}
    "#]].assert_eq(&answer);
}
