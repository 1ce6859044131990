//! Who may do what.

use expect_test::expect;
use http::{StatusCode, header};

use super::program::{Program, agent, request, supervisor, with, with_login};

#[tokio::test]
async fn no_login_or_a_wrong_one_is_401_with_a_challenge() {
    let api = Program::start(&[]).await;
    api.check(request("GET /api/v2/recordings/call-01"), expect![[r#"
        401 Unauthorized
        www-authenticate: Basic realm="recordings", charset="UTF-8"
        vary: Origin

        {"http_method":"GET","title":"Unauthorized","description":"Credentials are missing or incorrect.","code":401,"uri":"http://localhost:8080/api/v2/recordings/call-01"}
    "#]])
        .await;

    let path = "GET /api/v2/recordings/call-01";
    let say = |value| with(request(path), header::AUTHORIZATION, value);
    for refused in [
        with_login(request(path), "agent", "admin"),
        with_login(request(path), "agent", ""),
        with_login(request(path), "nobody", "nobody"),
        with_login(request(path), "", ""),
        say("Basic"),
        say("Basic !!!"),
        say("Basic YWdlbnQ="), // a name without a password
        say("Bearer YWdlbnQ6YWdlbnQ="),
        request("POST /api/v2/recordings/call-01 not even JSON"),
        request(r#"POST /server/mode {"mode":"maintenance"}"#),
        request("GET /api/v2/recordings/call-01/play/part-1"),
        request("GET /api/v2/recording-label-definitions"),
    ] {
        assert_eq!(api.ask(refused).await.status, StatusCode::UNAUTHORIZED);
    }
    let welcome = say("bAsIc YWdlbnQ6YWdlbnQ=");
    assert_eq!(api.ask(welcome).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_role_that_does_not_suffice_is_403_with_the_reason() {
    let api = Program::start(&[]).await;
    api.check(
        agent("GET /api/v2/recordings?callerPhoneNumber=*"),
        expect![[r#"
            403 Forbidden

            {"http_method":"GET","title":"Forbidden","description":"The user 'agent' is not allowed to do this: it needs the role 'supervisor'.","code":4030,"uri":"http://localhost:8080/api/v2/recordings"}
        "#]],
    )
    .await;
    for forbidden in [
        agent(r#"POST /api/v2/recordings/call-01 {"operationName":"applyNonDelete"}"#),
        agent("POST /api/v2/recordings/call-01 not even JSON"),
        agent(r#"POST /server/mode {"mode":"maintenance"}"#),
        supervisor(r#"POST /server/mode {"mode":"maintenance"}"#),
        agent("DELETE /api/v2/recordings/call-01"),
        supervisor("DELETE /api/v2/recordings/call-01"),
        supervisor(r#"POST /api/v2/recordings/call-01 {"operationName":"unapplyNonDelete"}"#),
        agent(r#"POST /api/v2/recording-label-definitions {"name":"mine"}"#),
        supervisor("DELETE /api/v2/recording-label-definitions/complaint"),
    ] {
        let answer = api.ask(forbidden).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.json()["code"], 4030);
    }
}
