//! `--translate-status-code`.

use super::{answer, gateway, upstream::Scripted};
use crate::example::Example;

async fn translated(status: u16, content: &str) -> (String, String) {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json;charset=utf-8\r\nx-id: 7\r\ncontent-length: {}\r\n\r\n",
        content.len()
    );
    let upstream = Scripted::start(&[&head, content]).await;
    let gateway: Example = gateway(upstream.address, &["--translate-status-code"]).await;
    let request = "GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = answer(gateway.address, request).await;
    assert!(answer.contains("\nx-id: 7\n"), "{answer}");
    let (head, content) = answer.trim_end().split_once("\n\n").unwrap();
    (head[9..12].to_owned(), content.to_owned())
}

#[tokio::test]
async fn its_number_decides_on_the_status_and_a_4xx_keeps_the_message() {
    for (number, status, told) in [
        (1, "400", true),
        (2, "400", true),
        (3, "403", true),
        (4, "500", false),
        (5, "403", true),
        (6, "404", true),
        (20, "401", true),
    ] {
        let old = format!(r#"{{"statusCode": {number}, "statusMessage": "told \"so\""}}"#);
        for before in [400, 404, 500] {
            let (after, content) = translated(before, &old).await;
            assert_eq!(after, status, "{number}");
            assert!(content.contains(&format!(r#""code":{status},"#)), "{content}");
            assert_eq!(content.contains(r#""description":"told \"so\"","#), told, "{content}");
        }
    }
}

#[tokio::test]
async fn what_is_no_such_error_is_left_as_it_was() {
    let old = r#"{"statusCode": 6, "statusMessage": "gone"}"#;
    assert_eq!(translated(200, old).await, ("200".to_owned(), old.to_owned()));
    for (before, content) in [
        (409, r#"{"statusCode": 7, "statusMessage": "unknown"}"#),
        (409, r#"{"statusCode": "6", "statusMessage": "text"}"#),
        (409, r#"{"statusCode": -6}"#),
        (409, r#"{"statusCode": 99999999999999999999}"#),
        (409, r#"{"statusCode": 6"#),
        (409, r#"[{"statusCode": 6}]"#),
        (503, r#"{"statusCode": 0, "statusMessage": "secret"}"#),
        (503, "secret"),
    ] {
        let (after, envelope) = translated(before, content).await;
        assert_eq!(after, before.to_string());
        let default = if before == 409 {
            "The request was not accepted."
        } else {
            "The service cannot process the request now."
        };
        assert!(envelope.contains(default), "{envelope}");
    }
    for odd in [r#"{"statusCode":6}"#, r#"{"statusCode":6,"statusMessage":null}"#] {
        let (after, envelope) = translated(500, odd).await;
        assert_eq!(after, "404");
        assert!(envelope.contains("No resource exists at this URI."), "{envelope}");
    }
}

#[tokio::test]
async fn without_the_option_nothing_is_translated() {
    let answer = super::got(&[
        "HTTP/1.1 500 X\r\ncontent-type: application/json\r\n\r\n{\"statusCode\": 6}",
    ])
    .await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}
