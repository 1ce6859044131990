//! With `--diagnostics`: what happens when something really fails.

use expect_test::expect;
use http::StatusCode;
use http_body_util::BodyExt;

use super::program::{Connection, ID, Program, admin, agent, request, soon, without_times};

#[tokio::test]
async fn each_failure_that_is_made_for_real_ends_in_an_envelope() {
    let api = Program::start(&["--diagnostics", "--timeout", "100ms"]).await;
    api.check(request("GET /diagnostics/panic"), expect![[r#"
        500 Internal Server Error

        {"http_method":"GET","title":"Internal Server Error","description":"The server met an unexpected condition.","code":500,"uri":"http://localhost:8080/diagnostics/panic","request_id":"7f-1"}
    "#]])
        .await;
    api.check(request("GET /diagnostics/sleep/60000"), expect![[r#"
        503 Service Unavailable

        {"http_method":"GET","title":"Service Unavailable","description":"The service cannot process the request now.","code":503,"uri":"http://localhost:8080/diagnostics/sleep/60000","request_id":"7f-1"}
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

        {"http_method":"GET","title":"Server Error","description":"The server could not complete the request.","code":599,"uri":"http://localhost:8080/diagnostics/error/599","request_id":"7f-1"}
    "#]])
        .await;
    api.check(request("GET /diagnostics/text/409"), expect![[r#"
        409 Conflict

        {"http_method":"GET","title":"Conflict","description":"This is a plain text of status 409.","code":409,"uri":"http://localhost:8080/diagnostics/text/409"}
    "#]])
        .await;
    api.check(request("GET /diagnostics/text/500"), expect![[r#"
        500 Internal Server Error

        {"http_method":"GET","title":"Internal Server Error","description":"The server met an unexpected condition.","code":500,"uri":"http://localhost:8080/diagnostics/text/500","request_id":"7f-1"}
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

    let log = without_times(&api.into_log().await);
    let panic = "ERROR panicked location=\"examples/recording_api/diagnostics.rs:";
    assert!(log.starts_with(panic), "{log}");
    let id = format!("request_id=\"{ID}\"");
    let told = log.lines().filter(|line| line.contains(&id)).collect::<Vec<_>>();
    for (line, start) in told.iter().zip([
        r#"ERROR error response status=500 code=500 cause=Panic method="GET" uri="/diagnostics/panic""#,
        r#"WARN error response status=503 code=503 cause=Timeout method="GET" uri="/diagnostics/sleep/60000" route="/diagnostics/sleep/{milliseconds}""#,
        r#"ERROR error response status=599 code=599 cause=Application method="GET" uri="/diagnostics/error/599""#,
        r#"ERROR error response status=500 code=500 cause=Application method="GET" uri="/diagnostics/text/500""#,
    ]) {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!((told.len(), log.lines().count()), (4, 5), "{log}");
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
    for (asked, status) in [
        (request("GET /nowhere"), 404),
        (request("DELETE /ping"), 405),
        (request(r#"POST /server/mode {"mode":"something"}"#), 401),
        (agent(r#"POST /server/mode {"mode":"something"}"#), 403),
        (admin(r#"POST /server/mode {"mode":"something"}"#), 400),
        (request("GET /api/v2/recordings"), 401),
        (request("GET /diagnostics/panic"), 500),
        (request("GET /diagnostics/sleep/60000"), 503),
        (request("HEAD /nowhere"), 404),
        (request("GET /ping"), 200),
    ] {
        let uri = asked.uri().clone();
        assert_eq!(connection.ask(asked).await.status, status, "{uri}");
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
