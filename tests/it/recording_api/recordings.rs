//! Search, read, protect and delete recordings.

use expect_test::expect;
use http::StatusCode;
use serde_json::json;

use super::program::{Program, admin, agent, supervisor};

#[tokio::test]
async fn an_agent_may_read_a_recording() {
    let api = Program::start(&["--media-url", "http://media.example/audio/"]).await;
    let answer = api.ask(agent("GET /api/v2/recordings/call-01")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let expected = json!({
        "id": "call-01",
        "callerPhoneNumber": "+442079460101",
        "dialedPhoneNumber": "5001",
        "startTime": "2015-09-10T16:58:22.000+0000",
        "stopTime": "2015-09-10T16:59:37.000+0000",
        "mediaFiles": [
            {
                "mediaId": "part-1",
                "mediaUri": "http://media.example/audio/call-01/part-1.wav",
                "playPath": "/api/v2/recordings/call-01/play/part-1",
                "type": "audio/wav",
                "duration": "42",
                "size": "672044",
                "startTime": "2015-09-10T16:58:22.000+0000",
                "stopTime": "2015-09-10T16:59:04.000+0000",
                "parameters": { "agent": "nadia", "channel": "mixed" }
            },
            {
                "mediaId": "part-2",
                "mediaUri": "http://media.example/audio/call-01/part-2.wav",
                "playPath": "/api/v2/recordings/call-01/play/part-2",
                "type": "audio/wav",
                "duration": "18",
                "size": "288044",
                "startTime": "2015-09-10T16:59:19.000+0000",
                "stopTime": "2015-09-10T16:59:37.000+0000",
                "parameters": { "agent": "nadia", "channel": "mixed" }
            }
        ]
    });
    assert_eq!(answer.json(), expected);
    api.check(agent("GET /api/v2/recordings/call-99"), expect![[r#"
        404 Not Found

        {"http_method":"GET","title":"Not Found","description":"There is no recording 'call-99'.","code":4040,"uri":"http://localhost:8080/api/v2/recordings/call-99"}
    "#]])
        .await;
}

#[tokio::test]
async fn a_search_finds_by_number_and_time() {
    let api = Program::start(&[]).await;
    for (query, found) in [
        ("callerPhoneNumber=%2B442079460101", "01 05 11"),
        ("callerPhoneNumber=+442079460101", "01 05 11"), // a + that was not escaped
        ("callerPhoneNumber=%2B44*", "01 02 05 09 11"),
        ("callerPhoneNumber=*02", "02 09 10"),
        ("callerPhoneNumber=%2B44*&dialedPhoneNumber=5002", "05 09"),
        ("callerPhoneNumber=4", ""),
        ("dialedPhoneNumber=500*&stopTime=2015-09-10T17:04:40.000%2B0000", "01 02"),
        ("stopTime=2015-09-10T17:04:39.999%2B0000", "01"),
        ("startTime=2015-09-13T09:09:09.000%2B0000", "11 12"),
        ("startTime=2015-09-13T09:09:09.001%2B0000", "12"),
        ("startTime=2015-09-13T11:09:09.000+0200", "11 12"),
        ("startTime=2015-09-13T05:39:09.001-0330", "12"),
        (
            "startTime=2015-09-12T00:00:00.000%2B0000&stopTime=2015-09-12T23:59:59.999%2B0000",
            "08 09 10",
        ),
    ] {
        let answer = api.ask(supervisor(&format!("GET /api/v2/recordings?{query}"))).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        assert_eq!(ids(&answer.json()), found, "{query}");
    }
}

#[tokio::test]
async fn a_search_is_read_page_by_page_along_its_links() {
    let api = Program::start(&[]).await;
    let filters = "callerPhoneNumber=%2B*&startTime=2015-09-10T00%3A00%3A00.000%2B0000";
    let link = |page| format!("/api/v2/recordings?{filters}&page={page}&pageSize=4");
    let mut path = format!("/api/v2/recordings?{filters}&pageSize=4");
    for (page, found) in [(1, "01 02 03 04"), (2, "05 07 08 09"), (3, "11 12")] {
        let answer = api.ask(supervisor(&format!("GET {path}"))).await.json();
        assert_eq!(ids(&answer), found);
        assert_eq!((&answer["page"], &answer["pageSize"]), (&json!(page), &json!(4)));
        assert_eq!(answer["total"], 10);
        assert_eq!(answer.get("previous").is_some(), page > 1);
        if page > 1 {
            assert_eq!(answer["previous"], link(page - 1));
        }
        assert_eq!(answer.get("next").is_some(), page < 3);
        if page < 3 {
            assert_eq!(answer["next"], link(page + 1));
            path = link(page + 1);
        }
    }
    let behind = format!("GET /api/v2/recordings?{filters}&pageSize=4&page=4294967295");
    let answer = api.ask(supervisor(&behind)).await.json();
    assert_eq!((ids(&answer).as_str(), &answer["previous"]), ("", &json!(link(3))));
}

fn ids(page: &serde_json::Value) -> String {
    let recordings = page["recordings"].as_array().unwrap();
    let ids = recordings.iter().map(|one| one["id"].as_str().unwrap().replace("call-", ""));
    ids.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_search_without_a_filter_or_with_a_bad_one_is_400() {
    let api = Program::start(&[]).await;
    api.check(supervisor("GET /api/v2/recordings"), expect![[r#"
        400 Bad Request

        {"http_method":"GET","title":"bad parameter","description":"bad parameter 'filter' reason : at least one of callerPhoneNumber, dialedPhoneNumber, startTime, stopTime is needed","code":4020,"uri":"http://localhost:8080/api/v2/recordings"}
    "#]])
        .await;
    api.check(
        supervisor("GET /api/v2/recordings?callerNumber=5001"),
        expect![[r#"
            400 Bad Request

            {"http_method":"GET","title":"bad parameter","description":"bad parameter 'callerNumber' reason : there is no such parameter","code":4020,"uri":"http://localhost:8080/api/v2/recordings","errors":[{"field":"callerNumber","code":"invalid","message":"there is no such parameter"}]}
        "#]],
    )
    .await;
    api.check(
        supervisor("GET /api/v2/recordings?callerPhoneNumber=anna"),
        expect![[r#"
            400 Bad Request

            {"http_method":"GET","title":"bad parameter","description":"bad parameter 'callerPhoneNumber' reason : a phone number is at most 32 digits, with a + before and * as wildcard","code":4020,"uri":"http://localhost:8080/api/v2/recordings","errors":[{"field":"callerPhoneNumber","code":"invalid","message":"a phone number is at most 32 digits, with a + before and * as wildcard"}]}
        "#]],
    )
    .await;
    api.check(
        supervisor("GET /api/v2/recordings?startTime=yesterday"),
        expect![[r#"
            400 Bad Request

            {"http_method":"GET","title":"bad parameter","description":"bad parameter 'startTime' reason : a time is written like 2015-09-10T16:58:22.000+0000","code":4020,"uri":"http://localhost:8080/api/v2/recordings","errors":[{"field":"startTime","code":"invalid","message":"a time is written like 2015-09-10T16:58:22.000+0000"}]}
        "#]],
    )
    .await;
    api.check(
        supervisor("GET /api/v2/recordings?dialedPhoneNumber=*&pageSize=101"),
        expect![[r#"
            400 Bad Request

            {"http_method":"GET","title":"bad parameter","description":"bad parameter 'pageSize' reason : it is not an integer from 1 to 100","code":4020,"uri":"http://localhost:8080/api/v2/recordings","errors":[{"field":"pageSize","code":"invalid","message":"it is not an integer from 1 to 100"}]}
        "#]],
    )
    .await;
    for query in [
        "page=1&pageSize=10",
        "callerPhoneNumber=",
        "callerPhoneNumber=%2B",
        "callerPhoneNumber=50%3F1",
        "callerPhoneNumber=%5B0-9%5D*",
        "callerPhoneNumber=%25",
        "callerPhoneNumber='%20OR%201=1",
        "callerPhoneNumber=50%2B01",
        "callerPhoneNumber=5001&callerPhoneNumber=5002",
        "callerPhoneNumber=111111111111111111111111111111111",
        "dialedPhoneNumber=%00",
        "dialedPhoneNumber=%FF",
        "startTime=",
        "startTime=2015-02-29T00:00:00.000%2B0000",
        "startTime=2015-13-01T00:00:00.000%2B0000",
        "startTime=2015-01-00T00:00:00.000%2B0000",
        "startTime=2015-01-01T24:00:00.000%2B0000",
        "startTime=2015-01-01T00:60:00.000%2B0000",
        "startTime=2015-01-01T00:00:60.000%2B0000",
        "startTime=2015-01-01T00:00:00.000%2B2400",
        "startTime=2015-01-01T00:00:00.000Z",
        "startTime=2015-01-01T00:00:00%2B0000",
        "startTime=1969-12-31T23:59:59.999%2B0000",
        "startTime=2015-01-01T00:00:00.000%2B000%C3%A9",
        "stopTime=2015-09-10T00:00:00.000%2B0000&startTime=2015-09-11T00:00:00.000%2B0000",
        "callerPhoneNumber=*&page=0",
        "callerPhoneNumber=*&page=-1",
        "callerPhoneNumber=*&page=%2B1",
        "callerPhoneNumber=*&page=",
        "callerPhoneNumber=*&page=1.5",
        "callerPhoneNumber=*&page=4294967296",
        "callerPhoneNumber=*&page=1&page=2",
        "callerPhoneNumber=*&pageSize=0",
    ] {
        let answer = api.ask(supervisor(&format!("GET /api/v2/recordings?{query}"))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json()["code"], 4020, "{query}");
    }
}

#[tokio::test]
async fn a_recording_is_protected_and_then_deleted() {
    let api = Program::start(&[]).await;
    let operate = |name| format!(r#"POST /api/v2/recordings/call-02 {{"operationName":"{name}"}}"#);
    api.check(
        supervisor(&operate("applyNonDelete")),
        expect![[r#"
            200 OK
            content-type: application/json
            content-length: 33

            {"id":"call-02","nonDelete":true}
        "#]],
    )
    .await;
    api.check(admin("DELETE /api/v2/recordings/call-02"), expect![[r#"
        409 Conflict

        {"http_method":"DELETE","title":"Conflict","description":"The recording 'call-02' is protected from deletion.","code":4090,"uri":"http://localhost:8080/api/v2/recordings/call-02"}
    "#]])
        .await;
    api.check(
        admin(&operate("unapplyNonDelete")),
        expect![[r#"
            200 OK
            content-type: application/json
            content-length: 34

            {"id":"call-02","nonDelete":false}
        "#]],
    )
    .await;
    api.check(
        admin("DELETE /api/v2/recordings/call-02"),
        expect![[r#"
            204 No Content
        "#]],
    )
    .await;
    api.check(admin("DELETE /api/v2/recordings/call-02"), expect![[r#"
        404 Not Found

        {"http_method":"DELETE","title":"Not Found","description":"There is no recording 'call-02'.","code":4040,"uri":"http://localhost:8080/api/v2/recordings/call-02"}
    "#]])
        .await;
    for gone in [
        agent("GET /api/v2/recordings/call-02"),
        agent("GET /api/v2/recordings/call-02/play/part-1"),
        supervisor(&operate("applyNonDelete")),
        admin(&operate("unapplyNonDelete")),
    ] {
        assert_eq!(api.ask(gone).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn an_unknown_operation_is_400() {
    let api = Program::start(&[]).await;
    let operate = |json| supervisor(&format!("POST /api/v2/recordings/call-02 {json}"));
    api.check(operate(r#"{"operationName":"erase"}"#), expect![[r#"
        400 Bad Request

        {"http_method":"POST","title":"bad parameter","description":"bad parameter 'operationName' reason : operationName has not a correct value 'erase'","code":4020,"uri":"http://localhost:8080/api/v2/recordings/call-02"}
    "#]])
        .await;
    for bad in ["{}", "[]", "", r#"{"operationName":null}"#] {
        assert_eq!(api.ask(operate(bad)).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}
