//! One event for each error, by the layer that writes it, on one line, without what it must not say.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_contract::{ApiError, MethodGuardLayer, TimeoutLayer};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::support::{Script, Step, answering, ask, block_on, contract, request, response};

type Answer = Response<Full<Bytes>>;

/// Keeps each event as a line: its level, where it comes from, and its fields.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// The lines since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {field}={value}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_contract")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let mut line = Line(format!("{level} {target}"));
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The events while `act` runs.
///
/// It runs twice: a place of the code that another test's thread registers just now, for the first
/// time, may miss that a subscriber has come. After the first run all are registered.
pub fn events(act: impl Fn()) -> Vec<String> {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        act();
        tracing::callsite::rebuild_interest_cache();
        log.take();
        act();
    });
    log.take()
}

/// There is one event, it begins so, and it is one plain line without the query and the secret.
#[track_caller]
fn check(lines: &[String], expected: &str) {
    let [line] = lines else {
        panic!("not one event: {lines:?}");
    };
    assert!(line.starts_with(expected), "{line}");
    assert!(!line.contains("token"), "{line}");
    assert!(line.len() < 8 * 1024, "{} bytes", line.len());
    let is_plain = |c: char| !c.is_control() && !('\u{200e}'..='\u{202e}').contains(&c);
    assert!(line.chars().all(is_plain), "{line}");
}

#[test]
fn each_error_is_told_once_by_the_layer_that_writes_it() {
    let stack = contract()
        .methods(MethodGuardLayer::new([Method::GET]))
        .timeout(TimeoutLayer::new(Duration::from_secs(1)));
    let service =
        stack.layer(service_fn(async |request: http::Request<_>| match request.uri().path() {
            "/panic" => panic!("a\nb\u{1b}[31m\u{202e}"),
            "/fail" => Err(BoxError::from("a\nb\u{1b}[31m\u{202e}")),
            "/hang" => std::future::pending().await,
            "/typed" => Ok(ApiError::not_found().into_http::<Full<Bytes>>()),
            "/404" => Ok(response("404\ncontent-type: text/plain\n\na\nb")),
            "/500" => Ok(response("500\n\nsecret")),
            _ => Ok(response("200")),
        }));
    for (asked, expected) in [
        ("DELETE /ok?token", "DEBUG tower_contract::report message=error response status=405"),
        ("FOO /ok?token", "DEBUG tower_contract::report message=error response status=501"),
        ("GET /panic?token", "ERROR tower_contract::report message=error response status=500"),
        ("GET /fail?token", "ERROR tower_contract::report message=error response status=500"),
        ("GET /hang?token", "WARN tower_contract::report message=error response status=503"),
        ("GET /typed?token", "DEBUG tower_contract::report message=error response status=404"),
        ("GET /404?token", "DEBUG tower_contract::report message=error response status=404"),
        ("GET /500?token", "ERROR tower_contract::report message=error response status=500"),
    ] {
        let lines = events(|| drop(ask(service.clone(), asked)));
        check(&lines, expected);
        let path = asked.split([' ', '?']).nth(1).unwrap();
        assert!(lines[0].contains(&format!("uri={path}")), "{lines:?}");
    }
    // What is healthy is no news.
    for asked in ["GET /ok", "HEAD /ok"] {
        assert_eq!(events(|| drop(ask(service.clone(), asked))), [""; 0]);
    }
}

#[test]
fn a_panic_in_a_body_is_told_with_the_request_that_it_belongs_to() {
    let lines = events(|| {
        let service =
            contract().layer(answering(|_| Response::new(Script::new([Step::Panic("why")]))));
        let body = block_on(service.oneshot(request("GET /x?token"))).unwrap().into_body();
        block_on(http_body_util::BodyExt::collect(body)).unwrap_err();
    });
    check(&lines, "ERROR tower_contract::panic_to_error");
    assert!(lines[0].contains("why") && lines[0].contains("uri=/x"), "{lines:?}");
}

#[test]
fn an_error_of_readiness_is_told_with_the_request_that_it_answers() {
    #[derive(Clone)]
    struct NeverReady;
    impl<T> tower::Service<T> for NeverReady {
        type Response = Answer;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Answer, BoxError>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), BoxError>> {
            std::task::Poll::Ready(Err("gone".into()))
        }
        fn call(&mut self, _: T) -> Self::Future {
            unreachable!("never ready")
        }
    }
    let lines = events(|| drop(ask(contract().layer(NeverReady), "GET /x")));
    check(&lines, "ERROR tower_contract::report");
    assert!(lines[0].contains("gone"), "{lines:?}");
}

#[test]
fn an_event_stays_short_however_long_the_method_the_path_and_the_error_are() {
    let text = "é\u{202e}\n".repeat(5_000);
    let service = contract().layer(service_fn(move |request: http::Request<_>| {
        assert!(!request.uri().path().starts_with("/p"), "{text}");
        std::future::ready(Err::<Answer, BoxError>(text.clone().into()))
    }));
    for path in ["/p", "/f"] {
        let asked = format!("{} {path}{}", "M".repeat(10_000), "a".repeat(10_000));
        check(&events(|| drop(ask(service.clone(), &asked))), "ERROR tower_contract::");
    }
}

#[test]
fn an_error_whose_display_panics_or_never_ends_is_told() {
    #[derive(Debug)]
    struct Odd(bool);
    impl fmt::Display for Odd {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            assert!(self.0, "Display");
            loop {
                f.write_str("on and on ")?;
            }
        }
    }
    impl std::error::Error for Odd {}
    for ends in [true, false] {
        let failing = service_fn(move |_| std::future::ready(Err::<Answer, _>(Odd(ends))));
        let lines = events(|| drop(ask(contract().layer(failing), "GET /x")));
        check(&lines, "ERROR tower_contract::report");
    }
}
