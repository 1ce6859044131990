//! What the API logs, and the ids that its lines and its answers share.

use std::{collections::BTreeMap, fmt};

use http::{HeaderName, StatusCode};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::{
    media_store::media_store_that_sends,
    playback::PLAY,
    program::{ID, Program, admin, agent, on_the_wire, request, with, without_times},
};

/// One line of JSON: an object that has no name twice.
#[derive(Debug)]
struct Line(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Line;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object without a name twice")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name.clone(), value).is_some() {
                        return Err(A::Error::custom(format!("{name} stands twice")));
                    }
                }
                Ok(Line(members))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

impl Line {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or("-")
    }
}

#[test]
fn the_parser_of_these_tests_refuses_a_name_that_stands_twice() {
    assert!(serde_json::from_str::<Line>(r#"{"a":1,"b":1}"#).is_ok());
    assert!(serde_json::from_str::<Line>(r#"{"a":1,"a":1}"#).is_err());
}

#[tokio::test]
async fn as_json_each_line_is_an_object_and_each_error_one_with_its_id_route_and_sources() {
    let store = media_store_that_sends("garbage\r\n\r\n").await;
    let options = ["--diagnostics", "--timeout", "100ms", "--media-url", &store];
    let log = ["--log", "json", "--log-level", "debug"];
    let api = Program::start(&[&options[..], &log].concat()).await;
    let asked = [
        (agent("GET /ping?token=hunter2"), "-", "-", "-"),
        (request("GET /nowhere?token=hunter2"), "DEBUG", "-", "-"),
        (request("DELETE /ping"), "DEBUG", "/ping", "-"),
        (agent(r#"POST /server/mode {"mode":"x"}"#), "DEBUG", "/server/mode", "-"),
        (admin(r#"POST /server/mode {"mode":"x"}"#), "DEBUG", "/server/mode", "-"),
        (request("GET /diagnostics/text/500"), "ERROR", "/diagnostics/text/{status}", "-"),
        (request("GET /diagnostics/sleep/60000"), "WARN", "/diagnostics/sleep/{milliseconds}", "-"),
        (request("GET /diagnostics/panic"), "ERROR", "/diagnostics/panic", "-"),
        (
            agent(PLAY),
            "ERROR",
            "/api/v2/recordings/{id}/play/{media}",
            "media store: client error (SendRequest): ",
        ),
    ];
    let expected = asked.each_ref().map(|(_, level, route, why)| (*level, *route, *why));
    for (asked, ..) in asked {
        api.ask(asked).await;
    }
    api.signal("TERM").await;
    let (status, log) = api.into_end_with_log().await;
    assert!(status.success());
    assert!(!log.contains("hunter2") && !log.contains("YWRtaW4"), "{log}");

    let lines: Vec<Line> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let errors = lines.iter().filter(|line| line.text("message") == "error response");
    let told: Vec<_> = errors.collect();
    let expected = expected.iter().filter(|(level, ..)| *level != "-").collect::<Vec<_>>();
    assert_eq!(told.len(), expected.len(), "{log}");
    for (line, (level, route, why)) in told.iter().zip(expected) {
        let [told_level, id, told_route, error] =
            ["level", "request_id", "route", "error"].map(|name| line.text(name));
        assert_eq!((told_level, id, told_route), (*level, ID, *route), "{line:?}");
        assert!(error.starts_with(why), "{line:?}");
    }
    let masked = told.iter().map(|line| line.text("masked")).filter(|text| *text != "-");
    assert!(masked.eq(["This is a plain text of status 500."]), "{log}");
    // Where the panic happened, and the stop.
    assert_eq!(lines.len(), told.len() + 2, "{log}");
    let panicked = lines.iter().find(|line| line.text("message") == "panicked").unwrap();
    assert!(panicked.text("location").starts_with("examples/recording_api/diagnostics.rs:"));
    assert!(lines.last().unwrap().text("message").starts_with("stopping; "), "{log}");
}

#[tokio::test]
async fn a_4xx_is_logged_at_the_level_debug_and_nothing_healthy_is() {
    for (level, lines) in [("info", 0), ("debug", 1), ("off", 0)] {
        let api = Program::start(&["--log-level", level]).await;
        assert_eq!(api.ask(request("GET /ping")).await.status, StatusCode::OK);
        assert_eq!(api.ask(request("GET /nowhere")).await.status, StatusCode::NOT_FOUND);
        let log = without_times(&api.into_log().await);
        assert_eq!(log.lines().count(), lines, "{log}");
        assert!(log.lines().all(|line| line.starts_with("DEBUG error response status=404")));
    }
}

#[tokio::test]
async fn each_answer_has_the_id_that_the_client_gave_or_a_new_one() {
    let api = Program::start(&[]).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let asked = "GET /ping HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answer = on_the_wire(api.address, asked).await;
        let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: "));
        let id = id.unwrap_or_else(|| panic!("no id: {answer}")).to_owned();
        assert_eq!(id.len(), 36, "{id}");
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn an_id_that_is_long_is_in_no_envelope_and_in_no_line_of_the_log() {
    let api = Program::start(&["--diagnostics"]).await;
    let too_long = "i".repeat(129);
    let name = HeaderName::from_static("x-request-id");
    let asked = with(request("GET /diagnostics/error/500"), name, &too_long);
    let answer = api.connect().await.begin(asked).await;
    let content = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    assert!(!str::from_utf8(&content).unwrap().contains("iii"));
    let log = api.into_log().await;
    assert!(log.lines().count() == 1 && !log.contains("request_id"), "{log}");
}
