//! The server's status and modes.

use bytes::Bytes;
use expect_test::expect;
use http::{StatusCode, header};
use serde_json::json;

use super::program::{Program, admin, request, with};

#[tokio::test]
async fn anyone_may_ask_for_the_status_and_the_version() {
    let api = Program::start(&[]).await;
    api.check(
        request("GET /ping"),
        expect![[r#"
            200 OK
            content-type: application/json
            content-length: 15

            {"ping":"pong"}
        "#]],
    )
    .await;
    api.check(
        request("GET /server/status"),
        expect![[r#"
            200 OK
            content-type: application/json
            content-length: 21

            {"mode":"production"}
        "#]],
    )
    .await;
    api.check(
        request("GET /api/v2/diagnostics/version"),
        expect![[r#"
            200 OK
            content-type: application/json
            content-length: 19

            {"version":"0.1.0"}
        "#]],
    )
    .await;
}

#[tokio::test]
async fn the_golden_case_is_equal_byte_for_byte() {
    const GOLDEN: &str = r#"{"http_method":"POST","title":"bad parameter","description":"bad parameter 'server mode' reason : server mode has not a correct value 'something'","code":4020,"uri":"http://localhost:8080/server/mode"}"#;
    let api = Program::start(&[]).await;
    let answer = api.ask(admin(r#"POST /server/mode {"mode":"something"}"#)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.body, GOLDEN);
}

#[tokio::test]
async fn in_maintenance_everything_but_the_server_itself_and_preflights_is_503() {
    let api = Program::start(&["--diagnostics"]).await;
    api.check(
        admin(r#"POST /server/mode {"mode":"Maintenance"}"#),
        expect![[r#"
            200 OK
            content-type: application/json
            location: /server/status
            content-length: 32

            {"server changed":"maintenance"}
        "#]],
    )
    .await;
    api.check(
        request("GET /server/status"),
        expect![[r#"
            200 OK
            content-type: application/json
            content-length: 22

            {"mode":"maintenance"}
        "#]],
    )
    .await;
    api.check(request("GET /ping"), expect![[r#"
        503 Service Unavailable

        {"http_method":"GET","title":"Service Unavailable","description":"The server is in maintenance.","code":5030,"uri":"http://localhost:8080/ping","request_id":"7f-1"}
    "#]]).await;
    for closed in [
        request("GET /nowhere"),
        request("GET /api/v2/recordings"),
        request("GET /diagnostics/panic"),
        admin("GET /api/v2/recordings/call-01"),
    ] {
        assert_eq!(api.ask(closed).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }

    let preflight = with(request("OPTIONS /ping"), header::ORIGIN, "http://localhost:3000");
    let preflight = with(preflight, header::ACCESS_CONTROL_REQUEST_METHOD, "PUT");
    let answer = api.ask(preflight).await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, Bytes::new()));

    let back = admin(r#"POST /server/mode {"mode":"PRODUCTION"}"#);
    assert_eq!(api.ask(back).await.json(), json!({ "server changed": "production" }));
    assert_eq!(api.ask(request("GET /ping")).await.status, StatusCode::OK);
}
