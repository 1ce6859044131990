//! What no handler of the API wrote: unknown paths, wrong methods, content that is refused.

use expect_test::expect;
use http::{HeaderMap, header};

use super::program::{Program, admin, on_the_wire, request, with};

#[tokio::test]
async fn what_the_framework_refuses_has_the_envelope_too() {
    let api = Program::start(&[]).await;
    api.check(request("GET /nowhere"), expect![[r#"
        404 Not Found

        {"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"http://localhost:8080/nowhere"}
    "#]]).await;
    api.check(request("DELETE /ping"), expect![[r#"
        405 Method Not Allowed
        allow: GET,HEAD

        {"http_method":"DELETE","title":"Method Not Allowed","description":"This resource does not support the request method.","code":405,"uri":"http://localhost:8080/ping"}
    "#]]).await;
    api.check(request("PUT /api/v2/recordings/call-01"), expect![[r#"
        405 Method Not Allowed
        allow: GET,HEAD,POST,DELETE

        {"http_method":"PUT","title":"Method Not Allowed","description":"This resource does not support the request method.","code":405,"uri":"http://localhost:8080/api/v2/recordings/call-01"}
    "#]])
        .await;
    api.check(admin(r#"POST /server/mode {"mode":"#), expect![[r#"
        400 Bad Request

        {"http_method":"POST","title":"Bad Request","description":"Failed to parse the request body as JSON: mode: EOF while parsing a value at line 1 column 8","code":400,"uri":"http://localhost:8080/server/mode"}
    "#]])
        .await;
    api.check(
        admin(r#"POST /server/mode {"mood":"maintenance"}"#),
        expect![[r#"
            400 Bad Request

            {"http_method":"POST","title":"bad parameter","description":"bad parameter 'content' reason : Failed to deserialize the JSON body into the target type: missing field `mode` at line 1 column 22","code":4020,"uri":"http://localhost:8080/server/mode"}
        "#]],
    )
    .await;
    api.check(admin(r#"POST /server/mode {"mode":5}"#), expect![[r#"
        400 Bad Request

        {"http_method":"POST","title":"bad parameter","description":"bad parameter 'content' reason : Failed to deserialize the JSON body into the target type: mode: invalid type: integer `5`, expected a string at line 1 column 9","code":4020,"uri":"http://localhost:8080/server/mode"}
    "#]])
        .await;

    let form = admin(r#"POST /server/mode {"mode":"maintenance"}"#);
    let form = with(form, header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    api.check(form, expect![[r#"
        415 Unsupported Media Type

        {"http_method":"POST","title":"Unsupported Media Type","description":"Expected request with `Content-Type: application/json`","code":415,"uri":"http://localhost:8080/server/mode"}
    "#]]).await;

    let large = format!(r#"POST /server/mode {{"mode":"{}"}}"#, "a".repeat(64 * 1024));
    api.check(admin(&large), expect![[r#"
        413 Payload Too Large

        {"http_method":"POST","title":"Payload Too Large","description":"Failed to buffer the request body: length limit exceeded","code":413,"uri":"http://localhost:8080/server/mode"}
    "#]]).await;
}

#[tokio::test]
async fn a_head_request_gets_the_same_head_and_no_body() {
    let api = Program::start(&[]).await;
    for (path, first_line) in [
        ("/ping", "HTTP/1.1 200 OK"),
        ("/nowhere", "HTTP/1.1 404 Not Found"),
        ("/server/mode", "HTTP/1.1 405 Method Not Allowed"),
    ] {
        let asked = format!("HEAD {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = on_the_wire(api.address, &asked).await;
        assert!(answer.starts_with(first_line), "{answer}");
        assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
        let end_of_head = answer.find("\r\n\r\n").unwrap() + 4;
        assert_eq!(end_of_head, answer.len(), "{answer}");
    }
}

#[tokio::test]
async fn a_page_of_another_server_url_gets_its_own_origin() {
    let urls = ["--server-url", "http://localhost:3000", "--server-url", "https://b.example"];
    let api = Program::start(&urls).await;
    let origin = |answer: HeaderMap| answer["access-control-allow-origin"].clone();

    let mut connection = api.connect().await;
    let known = with(request("GET /nowhere"), header::ORIGIN, "https://b.example");
    assert_eq!(origin(connection.begin(known).await.headers().clone()), "https://b.example");

    let foreign = with(request("GET /nowhere"), header::ORIGIN, "https://evil.example");
    let answer = api.ask(foreign).await;
    assert_eq!(answer.header("vary"), Some("Origin"));
}
