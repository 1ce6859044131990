//! The header fields that each side gets.

use expect_test::expect;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{answer, gateway, got, upstream::Scripted};

const EMPTY: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

/// What the upstream gets of a request with these lines, without the port.
async fn passed(lines: &str) -> String {
    let upstream = Scripted::start(&[EMPTY]).await;
    let gateway = gateway(upstream.address, &[]).await;
    let request = format!("{lines}\r\n\r\n");
    answer(gateway.address, &request).await;
    let port = format!(":{}", upstream.address.port());
    upstream.requests().concat().replace(&port, "")
}

#[tokio::test]
async fn of_a_request_what_ends_at_the_gateway_is_not_passed() {
    let request = passed(
        "GET /a//b%2F?c=d HTTP/1.1\r\n\
         host: api.example.com\r\n\
         connection: close, X-Secret\r\n\
         connection: x-other,, upgrade, authorization\r\n\
         x-secret: 1\r\n\
         x-other: 2\r\n\
         authorization: 3\r\n\
         keep-alive: timeout=5\r\n\
         te: trailers\r\n\
         upgrade: h2c\r\n\
         proxy-connection: keep-alive\r\n\
         proxy-authorization: Basic eDp5\r\n\
         expect: nothing\r\n\
         forwarded: for=1.2.3.4\r\n\
         x-forwarded-for: 1.2.3.4\r\n\
         x-forwarded-host: evil.example\r\n\
         via: 1.0 fred, 1.1 p.example\r\n\
         cookie: a=b\r\n\
         x-kept: 1\r\n\
         x-kept: 2",
    )
    .await;
    expect![[r#"
        GET /a//b%2F?c=d HTTP/1.1
        via: 1.0 fred, 1.1 p.example, 1.1 gateway
        expect: nothing
        x-kept: 1
        x-kept: 2
        cookie: a=b
        x-forwarded-for: 127.0.0.1
        x-forwarded-host: api.example.com
        x-forwarded-proto: https
        host: 127.0.0.1

    "#]]
    .assert_eq(&request);
}

#[tokio::test]
async fn a_client_cannot_take_away_what_the_gateway_adds() {
    let request = passed(
        "GET / HTTP/1.0\r\nconnection: x-forwarded-for, via, host, content-length, x-forwarded-proto",
    )
    .await;
    expect![[r#"
        GET / HTTP/1.1
        via: 1.0 gateway
        x-forwarded-for: 127.0.0.1
        x-forwarded-proto: https
        host: 127.0.0.1

    "#]]
    .assert_eq(&request);
}

#[tokio::test]
async fn the_host_of_an_absolute_target_is_the_one_that_counts() {
    let request = passed(
        "GET http://user:pw@api.example.com?a HTTP/1.1\r\nhost: evil.example\r\nconnection: close",
    )
    .await;
    expect![[r#"
        GET /?a HTTP/1.1
        via: 1.1 gateway
        x-forwarded-for: 127.0.0.1
        x-forwarded-host: api.example.com
        x-forwarded-proto: https
        host: 127.0.0.1

    "#]]
    .assert_eq(&request);
}

#[tokio::test]
async fn of_an_answer_what_ends_at_the_gateway_is_not_passed() {
    let answer = got(&["HTTP/1.0 200 Fine\r\n\
         connection: keep-alive, x-secret\r\n\
         x-secret: 1\r\n\
         keep-alive: timeout=5\r\n\
         proxy-authenticate: Basic\r\n\
         upgrade: h2c\r\n\
         access-control-allow-origin: *\r\n\
         set-cookie: a=b\r\n\
         set-cookie: c=d\r\n\
         content-length: 5\r\n\
         content-length: 5\r\n\
         \r\n\
         hello"])
    .await;
    expect![[r#"
        HTTP/1.1 200 OK
        set-cookie: a=b
        set-cookie: c=d
        connection: close
        content-length: 5

        hello
    "#]]
    .assert_eq(&answer);
}

#[tokio::test]
async fn a_path_of_the_upstream_goes_before_every_path() {
    let upstream = Scripted::start(&[EMPTY]).await;
    let url = format!("http://{}/v1/", upstream.address);
    let gateway = crate::example::Example::start(
        "gateway",
        &[
            "--upstream",
            &url,
            "--server-url",
            "https://app.example.com",
            "--public-url",
            "http://localhost:8080",
        ],
    )
    .await;
    for target in ["/", "//a?b", "?q"] {
        let target =
            if target.starts_with('/') { target.to_owned() } else { format!("http://a{target}") };
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        answer(gateway.address, &request).await;
    }
    let requests = upstream.requests();
    let lines: Vec<_> = requests.iter().map(|text| text.lines().next().unwrap()).collect();
    assert_eq!(lines, ["GET /v1/ HTTP/1.1", "GET /v1//a?b HTTP/1.1", "GET /v1/?q HTTP/1.1"]);
}

#[tokio::test]
async fn http2_clients_are_served_on_the_same_port() {
    let upstream = Scripted::start(&[
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
    ])
    .await;
    let gateway = gateway(upstream.address, &[]).await;
    let io = TokioIo::new(TcpStream::connect(gateway.address).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://api.example.com/x?y")
        .header("cookie", "a=b")
        .header("cookie", "c=d")
        .header("te", "trailers")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let answer = client.send_request(request).await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.com");
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
    let port = format!(":{}", upstream.address.port());
    expect![[r#"
        GET /x?y HTTP/1.1
        cookie: a=b; c=d
        via: 2.0 gateway
        x-forwarded-for: 127.0.0.1
        x-forwarded-host: api.example.com
        x-forwarded-proto: https
        host: 127.0.0.1

    "#]]
    .assert_eq(&upstream.requests()[0].replace(&port, ""));

    let head = Request::head("http://api.example.com/x").body(Empty::new()).unwrap();
    let answer = client.send_request(head).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "5");
}
