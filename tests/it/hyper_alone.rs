//! The example for hyper alone.

use expect_test::expect;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::example::{Example, soon};

/// The whole answer to these bytes, without the date and the contract's header fields.
async fn answer(hyper: &Example, request: &str) -> String {
    let mut stream = TcpStream::connect(hyper.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = soon("the answer", stream.read_to_string(&mut answer)).await;
    read.unwrap();
    assert!(answer.contains("access-control-allow-origin: http://localhost:3000\r\n"), "{answer}");
    let kept = |line: &&str| !line.starts_with("access-control-") && !line.starts_with("date: ");
    let lines: Vec<_> = answer.lines().filter(kept).collect();
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn every_answer_keeps_the_contract() {
    let mut hyper = Example::start("hyper", &[]).await;
    let mut answers = String::new();
    for request in [
        "GET /hello HTTP/1.1\r\n\r\n",
        "POST /echo HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
        "GET /nowhere HTTP/1.1\r\n\r\n",
        "DELETE /hello HTTP/1.1\r\n\r\n",
        "FOO /hello HTTP/1.1\r\n\r\n",
    ] {
        let request = request.replacen("\r\n", "\r\nhost: a\r\nconnection: close\r\n", 1);
        answers.push_str(&answer(&hyper, &request).await);
    }
    expect![[r#"
        HTTP/1.1 200 OK
        connection: close
        content-length: 6

        hello
        HTTP/1.1 200 OK
        connection: close
        content-length: 5

        hello
        HTTP/1.1 404 Not Found
        content-type: application/json
        content-length: 136
        x-content-type-options: nosniff
        cache-control: no-store
        connection: close

        {"http_method":"GET","title":"Not Found","description":"There is nothing at /nowhere.","code":404,"uri":"http://localhost:8080/nowhere"}
        HTTP/1.1 405 Method Not Allowed
        allow: GET, HEAD
        content-type: application/json
        content-length: 167
        x-content-type-options: nosniff
        cache-control: no-store
        connection: close

        {"http_method":"DELETE","title":"Method Not Allowed","description":"This resource does not support the request method.","code":405,"uri":"http://localhost:8080/hello"}
        HTTP/1.1 501 Not Implemented
        allow: GET, HEAD
        content-type: application/json
        content-length: 155
        x-content-type-options: nosniff
        cache-control: no-store
        connection: close

        {"http_method":"FOO","title":"Not Implemented","description":"The server does not know the request method.","code":501,"uri":"http://localhost:8080/hello"}
    "#]].assert_eq(&answers);
    hyper.signal("INT").await;
    assert!(hyper.end().await.success());
}
