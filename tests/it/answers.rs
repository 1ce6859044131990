//! What the layers' own answers say is the application's to set.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body_util::Full;
use serde_json::Value;
use tower::{BoxError, Layer, Service, ServiceBuilder, service_fn};
use tower_contract::{
    ApiError, CatchErrorLayer, Cause, ContractLayer, EnvelopeFormat, ErrorBodyLayer, ErrorFormat,
    MethodGuardLayer, Occurrence, PanicToErrorLayer, TimeoutLayer,
};

use crate::support::{all, ask, contract, response};

type Answer = Response<Full<Bytes>>;

/// Answers, panics, fails and never answers, by the path.
fn service()
-> impl Service<http::Request<Full<Bytes>>, Response = Answer, Error = BoxError, Future: Send> + Clone
{
    service_fn(async |request: http::Request<Full<Bytes>>| match request.uri().path() {
        "/panic" => panic!("at the disco"),
        "/hang" => std::future::pending().await,
        "/refused" => Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()),
        "/full" => Err(BoxError::from(tower::load_shed::error::Overloaded::new())),
        "/elapsed" => Err(BoxError::from(tower::timeout::error::Elapsed::new())),
        "/own" => Err(ApiError::gone().with_cause(Cause::Upstream).into()),
        "/bug" => Err("a bug".into()),
        _ => Ok::<_, BoxError>(response("200")),
    })
}

fn reason(word: &'static str) -> ApiError {
    ApiError::unavailable().with_member("reason", word)
}

fn stack() -> ContractLayer {
    let late = ApiError::gateway_timeout().with_member("reason", "TIMEOUT");
    contract()
        .timeout(TimeoutLayer::new(Duration::from_secs(1)).answer(late))
        .panics(|layer| layer.answer(ApiError::internal().with_member("reason", "PANIC")))
        .service_errors(|layer| {
            layer
                .answer(Cause::Overload, reason("too many"))
                .answer(
                    Cause::Overload,
                    reason("OVERLOADED").with_retry_after(Duration::from_secs(7)),
                )
                .answer(Cause::Upstream, reason("UPSTREAM"))
                .answer(Cause::Timeout, reason("ELAPSED"))
                .answer(Cause::Service, ApiError::internal().with_code(5001))
        })
}

#[test]
fn a_machine_reads_why_a_layer_answered() {
    for (path, status, code, word, cause) in [
        ("/panic", 500, 500, "PANIC", Cause::Panic),
        ("/hang", 504, 504, "TIMEOUT", Cause::Timeout),
        ("/refused", 503, 503, "UPSTREAM", Cause::Upstream),
        ("/full", 503, 503, "OVERLOADED", Cause::Overload),
        ("/elapsed", 503, 503, "ELAPSED", Cause::Timeout),
        ("/bug", 500, 5001, "", Cause::Service),
        // What says itself what is answered is not replaced.
        ("/own", 410, 410, "", Cause::Upstream),
    ] {
        let sent = ask(stack().layer(service()), &format!("POST {path}"));
        let content: Value = serde_json::from_slice(sent.body()).unwrap();
        assert_eq!(sent.status(), status, "{path}");
        assert_eq!(content["code"], code, "{path}");
        assert_eq!(content["reason"].as_str().unwrap_or_default(), word, "{path}");
        assert_eq!(ApiError::of(&sent).unwrap().cause(), cause, "{path}");
        let retry_after = all(&sent, "retry-after");
        assert_eq!(retry_after, if path == "/full" { vec!["7"] } else { vec![] }, "{path}");
    }
}

#[test]
fn each_layer_alone_answers_what_is_set() {
    let late = ApiError::gateway_timeout();
    let one = TimeoutLayer::new(Duration::from_secs(1)).answer(late);
    assert_eq!(ask(one.layer(service()), "GET /hang").status(), 504);
    let one = PanicToErrorLayer::new().answer(reason("PANIC"));
    for path in ["/panic", "/panic"] {
        assert_eq!(ask(one.layer(service()), &format!("GET {path}")).status(), 503);
    }
    let one = CatchErrorLayer::new().answer(Cause::Service, ApiError::bad_gateway());
    assert_eq!(ask(one.layer(service()), "GET /bug").status(), 502);
}

#[test]
fn a_retry_after_of_the_answer_wins_over_that_of_the_layer() {
    let own = ApiError::unavailable().with_retry_after(Duration::from_secs(9));
    let layer = || TimeoutLayer::new(Duration::ZERO).retry_after(Duration::from_secs(5));
    let sent = ask(layer().answer(own).layer(service()), "GET /hang");
    assert_eq!(all(&sent, "retry-after"), ["9"]);
    let sent = ask(layer().answer(ApiError::gateway_timeout()).layer(service()), "GET /hang");
    assert_eq!((sent.status().as_u16(), all(&sent, "retry-after")), (504, vec!["5".to_owned()]));
}

/// Writes a word for who the error comes from.
#[derive(Clone)]
struct Words;

impl ErrorFormat for Words {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/json")
    }

    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
        let word = match error.cause {
            Cause::Timeout => "TIMEOUT",
            Cause::Overload => "OVERLOADED",
            Cause::Panic => "PANIC",
            Cause::Upstream => "UPSTREAM",
            _ => "OTHER",
        };
        out.extend_from_slice(format!(r#"{{"code":"{word}"}}"#).as_bytes());
    }
}

#[test]
fn a_format_is_told_the_cause() {
    let layer = || contract().timeout(Duration::from_secs(1)).format(Words);
    for (path, word) in [
        ("/panic", "PANIC"),
        ("/hang", "TIMEOUT"),
        ("/full", "OVERLOADED"),
        ("/refused", "UPSTREAM"),
        ("/bug", "OTHER"),
    ] {
        let sent = ask(layer().layer(service()), &format!("GET {path}"));
        assert_eq!(sent.body(), &format!(r#"{{"code":"{word}"}}"#), "{path}");
    }
}

#[test]
fn no_order_of_the_builders_calls_loses_a_setting() {
    type Change = fn(ContractLayer) -> ContractLayer;
    let changes: [Change; 6] = [
        |layer| layer.public_url("https://api.example.com".parse().unwrap()),
        |layer| layer.error_body(|layer| layer.read_time(Duration::ZERO)),
        |layer| layer.error_body(|layer| layer.keep_query(["page"])),
        |layer| layer.methods([http::Method::GET]),
        |layer| layer.timeout(Duration::from_secs(1)),
        |layer| layer.service_errors(|layer| layer.answer(Cause::Service, reason("BUG"))),
    ];
    let asked = ["GET /hang?page=7&x=1", "DELETE /", "GET /bug", "GET /"];
    let sent = |layer: ContractLayer| {
        asked.map(|asked| {
            let sent = ask(layer.clone().layer(service()), asked);
            (sent.status(), String::from_utf8(sent.body().to_vec()).unwrap())
        })
    };
    let expected = sent(changes.iter().fold(contract(), |layer, change| change(layer)));
    assert!(expected[0].1.contains("https://api.example.com/hang?page=7&x=***"), "{expected:?}");
    assert_eq!(expected.each_ref().map(|(status, _)| status.as_u16()), [503, 405, 503, 200]);
    for turn in 0..changes.len() {
        for reverse in [false, true] {
            let mut order = changes;
            order.rotate_left(turn);
            if reverse {
                order.reverse();
            }
            let layer = order.iter().fold(contract(), |layer, change| change(layer));
            assert_eq!(sent(layer), expected, "turned by {turn}, {reverse}");
        }
    }
}

#[test]
fn a_format_that_is_set_late_keeps_what_was_set_before() {
    let layer = ErrorBodyLayer::new().public_url("https://api.example.com".parse().unwrap());
    let sent = ask(
        layer.format(EnvelopeFormat).layer(tower_contract::CatchErrorLayer::new().layer(service())),
        "GET /bug",
    );
    let content: Value = serde_json::from_slice(sent.body()).unwrap();
    assert_eq!(content["uri"], "https://api.example.com/bug");
}

#[test]
fn resources_are_listed_with_methods_of_any_number() {
    use http::Method;
    let layer = MethodGuardLayer::resources()
        .path("/echo", [Method::GET, Method::POST])
        .path("/recordings/{id}", [Method::GET])
        .build()
        .unwrap();
    let service = ServiceBuilder::new().layer(layer).service(service());
    for (asked, status, allow) in [
        ("GET /echo", 200, ""),
        ("POST /echo", 200, ""),
        ("POST /recordings/7", 405, "GET, HEAD"),
        ("DELETE /echo", 405, "GET, HEAD, POST"),
    ] {
        let sent = ask(service.clone(), asked);
        assert_eq!(sent.status(), status, "{asked}");
        assert_eq!(all(&sent, "allow").join(""), allow, "{asked}");
    }
    let wrong = MethodGuardLayer::resources().path("/{a", [Method::GET]).path("b", []);
    assert_eq!(wrong.build().unwrap_err().problems().len(), 2);
}
