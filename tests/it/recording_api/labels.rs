//! Label definitions.

use expect_test::expect;
use http::StatusCode;

use super::program::{Program, admin, agent, supervisor};

#[tokio::test]
async fn a_label_definition_is_created_read_and_deleted() {
    let api = Program::start(&[]).await;
    api.check(
        agent("GET /api/v2/recording-label-definitions"),
        expect![[r#"
            200 OK
            content-type: application/json
            content-length: 135

            [{"name":"complaint","description":"The caller is not satisfied."},{"name":"follow-up","description":"Someone promised to call back."}]
        "#]],
    )
    .await;
    let new = r#"POST /api/v2/recording-label-definitions {"name":"praise","description":"A happy caller."}"#;
    api.check(
        supervisor(new),
        expect![[r#"
            201 Created
            content-type: application/json
            location: /api/v2/recording-label-definitions/praise
            content-length: 49

            {"name":"praise","description":"A happy caller."}
        "#]],
    )
    .await;
    api.check(supervisor(new), expect![[r#"
        409 Conflict

        {"http_method":"POST","title":"Conflict","description":"There is a label definition 'praise' already.","code":4091,"uri":"http://localhost:8080/api/v2/recording-label-definitions"}
    "#]]).await;
    api.check(
        agent("GET /api/v2/recording-label-definitions/praise"),
        expect![[r#"
            200 OK
            content-type: application/json
            content-length: 49

            {"name":"praise","description":"A happy caller."}
        "#]],
    )
    .await;
    api.check(
        admin("DELETE /api/v2/recording-label-definitions/praise"),
        expect![[r#"
            204 No Content
        "#]],
    )
    .await;
    api.check(
        admin("DELETE /api/v2/recording-label-definitions/praise"),
        expect![[r#"
            404 Not Found

            {"http_method":"DELETE","title":"Not Found","description":"There is no label definition 'praise'.","code":4042,"uri":"http://localhost:8080/api/v2/recording-label-definitions/praise"}
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_bad_label_definition_is_400() {
    let api = Program::start(&[]).await;
    let create = |json| supervisor(&format!("POST /api/v2/recording-label-definitions {json}"));
    api.check(create(r#"{"name":"two words"}"#), expect![[r#"
        400 Bad Request

        {"http_method":"POST","title":"bad parameter","description":"bad parameter 'name' reason : it is not 1 to 64 of the characters A-Z, a-z, 0-9, - and _","code":4020,"uri":"http://localhost:8080/api/v2/recording-label-definitions"}
    "#]])
        .await;
    let long = format!(r#"{{"name":"{}"}}"#, "a".repeat(65));
    for bad in ["{}", r#"{"name":""}"#, r#"{"name":"ä"}"#, r#"{"name":"a/b"}"#, &long] {
        let answer = api.ask(create(bad)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(answer.json()["code"], 4020, "{bad}");
    }
}
