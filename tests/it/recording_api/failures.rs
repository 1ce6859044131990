//! With `--diagnostics`: what happens when something really fails.

use expect_test::expect;
use http::StatusCode;
use http_body_util::BodyExt;

use super::program::{Connection, Program, request, soon};

#[tokio::test]
async fn each_failure_that_is_made_for_real_ends_in_an_envelope() {
    let api = Program::start(&["--diagnostics", "--timeout", "100ms"]).await;
    api.check(request("GET /diagnostics/panic"), expect![[r#"
        500 Internal Server Error

        {"http_method":"GET","title":"Internal Server Error","description":"The server met an unexpected condition.","code":500,"uri":"http://localhost:8080/diagnostics/panic"}
    "#]])
        .await;
    api.check(request("GET /diagnostics/sleep/60000"), expect![[r#"
        503 Service Unavailable

        {"http_method":"GET","title":"Service Unavailable","description":"The service cannot process the request now.","code":503,"uri":"http://localhost:8080/diagnostics/sleep/60000"}
    "#]])
        .await;
    api.check(
        request("GET /diagnostics/sleep/1"),
        expect![[r#"
            200 OK
            content-type: text/plain; charset=utf-8
            content-length: 15

            slept for 1 ms

        "#]],
    )
    .await;
    api.check(request("GET /diagnostics/error/404"), expect![[r#"
        404 Not Found

        {"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"http://localhost:8080/diagnostics/error/404"}
    "#]])
        .await;
    api.check(request("GET /diagnostics/error/599"), expect![[r#"
        599 <unknown status code>

        {"http_method":"GET","title":"Server Error","description":"The server could not complete the request.","code":599,"uri":"http://localhost:8080/diagnostics/error/599"}
    "#]])
        .await;
    api.check(request("GET /diagnostics/text/409"), expect![[r#"
        409 Conflict

        {"http_method":"GET","title":"Conflict","description":"This is a plain text of status 409.","code":409,"uri":"http://localhost:8080/diagnostics/text/409"}
    "#]])
        .await;
    api.check(request("GET /diagnostics/text/500"), expect![[r#"
        500 Internal Server Error

        {"http_method":"GET","title":"Internal Server Error","description":"The server met an unexpected condition.","code":500,"uri":"http://localhost:8080/diagnostics/text/500"}
    "#]])
        .await;
    api.check(request("GET /diagnostics/error/200"), expect![[r#"
        400 Bad Request

        {"http_method":"GET","title":"bad parameter","description":"bad parameter 'status' reason : it is not from 400 to 599","code":4020,"uri":"http://localhost:8080/diagnostics/error/200"}
    "#]])
        .await;
    api.check(request("GET /diagnostics/error/many"), expect![[r#"
        400 Bad Request

        {"http_method":"GET","title":"Bad Request","description":"Invalid URL: Cannot parse `many` to a `u16`","code":400,"uri":"http://localhost:8080/diagnostics/error/many"}
    "#]])
        .await;

    let log = api.into_log().await;
    let panic = "GET /diagnostics/panic panicked (future): a client asked for it";
    assert!(log.contains(panic), "{log}");
}

#[tokio::test]
async fn every_status_from_400_to_599_keeps_its_status() {
    let api = Program::start(&["--diagnostics"]).await;
    let mut connection = api.connect().await;
    for status in 400..600 {
        for kind in ["error", "text"] {
            let answer =
                connection.ask(request(&format!("GET /diagnostics/{kind}/{status}"))).await;
            assert_eq!(answer.status.as_u16(), status);
            assert_eq!(answer.json()["code"], status);
        }
    }
}

#[tokio::test]
async fn failures_are_not_to_be_had_without_the_option() {
    let api = Program::start(&[]).await;
    let answer = api.ask(request("GET /diagnostics/panic")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_http1_connection_lives_on_after_errors() {
    let api = Program::start(&["--diagnostics", "--timeout", "100ms"]).await;
    lives_on(&mut api.connect().await).await;
}

#[tokio::test]
async fn an_http2_connection_lives_on_after_errors_and_a_broken_body() {
    let api = Program::start(&["--diagnostics", "--timeout", "100ms"]).await;
    let mut connection = Connection::http2(api.address).await;
    lives_on(&mut connection).await;
    let broken = connection.begin(request("GET /diagnostics/panic-in-body")).await;
    soon("the body", broken.collect()).await.unwrap_err();
    assert_eq!(connection.ask(request("GET /ping")).await.status, StatusCode::OK);
}

async fn lives_on(connection: &mut Connection) {
    for (line, status) in [
        ("GET /nowhere", 404),
        ("DELETE /ping", 405),
        (r#"POST /server/mode {"mode":"something"}"#, 400),
        ("GET /api/v2/recordings", 401),
        ("GET /diagnostics/panic", 500),
        ("GET /diagnostics/sleep/60000", 503),
        ("HEAD /nowhere", 404),
        ("GET /ping", 200),
    ] {
        assert_eq!(connection.ask(request(line)).await.status, status, "{line}");
    }
}

#[tokio::test]
async fn a_panic_in_a_body_is_an_error_for_the_client_and_not_a_clean_end() {
    let api = Program::start(&["--diagnostics"]).await;
    let answer = api.connect().await.begin(request("GET /diagnostics/panic-in-body")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.into_body();
    let first = soon("the first chunk", body.frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "first chunk\n");
    assert!(soon("the end", body.frame()).await.unwrap().is_err());
    assert_eq!(api.ask(request("GET /ping")).await.status, StatusCode::OK);
}
