//! What the people who run a service are told of an error: whole, once, and nothing that must not be.

use std::{
    collections::BTreeSet,
    error::Error,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Extension, Router, body::Body, extract::Path, routing::get};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_contract::{
    ApiError, Cause, ContractLayer, EnvelopeFormat, ErrorBodyLayer, ErrorFormat, ErrorReport,
    KeepBodyLayer, Occurrence, TextOrigin, TimeoutLayer,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::support::{all, answering, ask, block_on, contract, response};

type Answer = Response<Full<Bytes>>;

// ===== who listens =====

/// What the hook is told, as one line each.
fn reports(
    layer: ContractLayer,
    line: impl Fn(&ErrorReport<'_>) -> String + Send + Sync + 'static,
) -> (ContractLayer, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    (layer.on_error(move |report| log.lock().unwrap().push(line(report))), told)
}

fn failing(
    error: impl Fn() -> ApiError + Clone,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Answer,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone {
    answering(move |_| error().into_http())
}

/// Keeps the fields of each event in order, with a level.
#[derive(Clone, Default)]
struct Fields(Arc<Mutex<Vec<EventFields>>>);

/// The fields of one event, in order.
type EventFields = Vec<(String, String)>;

struct Keys(Vec<(String, String)>);

impl Visit for Keys {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name().to_owned(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name().to_owned(), value.to_owned()));
    }
}

impl Subscriber for Fields {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_contract")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut keys = Keys(vec![("LEVEL".to_owned(), event.metadata().level().to_string())]);
        event.record(&mut keys);
        self.0.lock().unwrap().push(keys.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The fields of each event while `act` runs for the second time: then each place is registered.
fn events(act: impl Fn()) -> Vec<Vec<(String, String)>> {
    let fields = Fields::default();
    tracing::subscriber::with_default(fields.clone(), || {
        act();
        tracing::callsite::rebuild_interest_cache();
        fields.0.lock().unwrap().clear();
        act();
    });
    fields.0.lock().unwrap().clone()
}

/// The fields of the one event, whose names clash with nothing that a subscriber adds.
#[track_caller]
fn event(act: impl Fn()) -> impl Fn(&str) -> Option<String> {
    let events = events(act);
    let [fields] = &*events else { panic!("not one event: {events:?}") };
    let fields = fields.clone();
    let names: BTreeSet<_> = fields.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names.len(), fields.len(), "a name twice: {fields:?}");
    for taken in [
        "level",
        "target",
        "timestamp",
        "span",
        "spans",
        "filename",
        "line_number",
        "threadName",
        "threadId",
    ] {
        assert!(!names.contains(taken), "{taken}");
    }
    move |name| fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
}

// ===== the event =====

#[test]
fn a_panic_is_told_under_panic_and_each_name_stands_once() {
    let service =
        contract().layer(service_fn(async |_| -> Result<Answer, BoxError> { panic!("boom") }));
    let told = event(|| drop(ask(service.clone(), "GET /panic")));
    assert_eq!(told("message").unwrap(), "error response");
    assert_eq!(told("panic").unwrap(), "boom");
    assert_eq!((told("LEVEL").unwrap(), told("cause").unwrap()), ("ERROR".into(), "Panic".into()));
    assert_eq!(told("error"), None);
}

#[test]
fn an_api_error_of_a_handler_is_told_with_the_chain_of_its_sources() {
    #[derive(Debug)]
    struct Storage(std::io::Error);
    impl fmt::Display for Storage {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the storage failed")
        }
    }
    impl Error for Storage {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    let error = || {
        ApiError::internal().with_code(5001).with_source(Storage(std::io::Error::other("disk 7")))
    };
    let service = contract().layer(failing(error));
    let told = event(|| drop(ask(service.clone(), "GET /a?b")));
    let [level, status, code, cause, method, uri, error] =
        ["LEVEL", "status", "code", "cause", "method", "uri", "error"].map(|n| told(n).unwrap());
    assert_eq!(
        [level, status, code, cause, method, uri, error],
        ["ERROR", "500", "5001", "Application", "GET", "/a", "the storage failed: disk 7"]
    );
    let told = event(|| drop(ask(contract().layer(failing(ApiError::not_found)), "GET /a")));
    assert_eq!((told("LEVEL").unwrap(), told("error")), ("DEBUG".to_owned(), None));
}

#[test]
fn a_chain_repeats_nothing_that_it_has_said_and_ends() {
    #[derive(Debug)]
    struct Link(&'static str, Option<Box<Link>>);
    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            assert_ne!(self.0, "panics", "source");
            // The last one is its own source.
            Some(self.1.as_deref().map_or(self, |inner| inner))
        }
    }
    let chain = |texts: &[&'static str]| {
        texts.iter().rev().fold(None, |inner, text| Some(Box::new(Link(text, inner))))
    };
    for (texts, expected) in [
        (&["client error: refused", "refused", "os 111"][..], "client error: refused: os 111"),
        (&["a", "b", "c"], "a: b: c"),
        (&["a", "panics", "c"], "a: panics"),
        (&["panics"], "panics"),
    ] {
        let (layer, told) = reports(contract(), |report| report.sources.unwrap().to_owned());
        let service = layer.layer(service_fn(move |_| {
            std::future::ready(Err::<Answer, _>(chain(texts).unwrap() as BoxError))
        }));
        assert_eq!(ask(service, "GET /x").status(), 500);
        assert_eq!(*told.lock().unwrap(), [expected]);
    }
}

#[test]
fn the_text_of_a_foreign_5xx_is_told_and_not_sent() {
    async fn handler(_: Extension<u8>) {}
    let (layer, told) = reports(contract(), |report| report.masked.unwrap_or("-").to_owned());
    let app = Router::new().route("/", get(handler)).layer(layer);
    let content = block_on(async {
        let answer = app.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 500);
        answer.into_body().collect().await.unwrap().to_bytes()
    });
    let told = told.lock().unwrap().join("");
    assert!(told.contains("Extension of type") && told.len() <= 1024, "{told}");
    assert!(!str::from_utf8(&content).unwrap().contains("xtension"));
}

#[test]
fn a_body_that_is_kept_is_told_as_kept_at_the_level_debug() {
    let text = "503\ncontent-type: application/json\n\n{}";
    let kept = contract().layer(KeepBodyLayer::new().layer(answering(move |_| response(text))));
    let told = event(|| drop(ask(kept.clone(), "GET /ready")));
    assert_eq!((told("LEVEL").unwrap(), told("kept").unwrap()), ("DEBUG".into(), "true".into()));
    let (layer, told) = reports(contract(), |report| format!("{report}"));
    let kept = layer.layer(KeepBodyLayer::new().layer(answering(move |_| response(text))));
    drop(ask(kept, "GET /ready"));
    assert_eq!(*told.lock().unwrap(), ["GET /ready 503 (Application, code 503, kept)"]);
}

#[test]
fn an_error_of_connect_that_passes_is_told_as_kept() {
    let asked = "POST /a.B/C\ncontent-type: application/json\nconnect-protocol-version: 1\n\n{}";
    let text = "404\ncontent-type: application/json\n\n{\"code\":\"not_found\",\"message\":\"no\"}";
    let (layer, told) = reports(contract(), |report| report.kept.to_string());
    let sent = ask(layer.layer(answering(move |_| response(text))), asked);
    assert!(sent.body().starts_with(b"{\"code\":\"not_found\""));
    assert_eq!(*told.lock().unwrap(), ["true"]);
}

#[test]
fn two_contracts_one_inside_the_other_tell_once() {
    for text in ["500\ncontent-type: text/plain\n\nwhy", "404", "503\n\n"] {
        let outer = reports(contract(), |report| format!("outer {report}"));
        let inner = reports(contract(), |report| format!("inner {report}"));
        let service = outer.0.layer(inner.0.layer(answering(move |_| response(text))));
        drop(ask(service, "GET /x"));
        assert_eq!((outer.1.lock().unwrap().len(), inner.1.lock().unwrap().len()), (0, 1));
        let service = contract().layer(contract().layer(answering(move |_| response(text))));
        drop(event(|| drop(ask(service.clone(), "GET /x"))));
    }
    let kept = || KeepBodyLayer::new().layer(answering(|_| response("503\n\ndown")));
    drop(event(|| drop(ask(contract().layer(contract().layer(kept())), "GET /x"))));
}

#[test]
fn what_is_left_out_of_an_error_is_told_once() {
    let error = || {
        (0..101)
            .fold(ApiError::unprocessable(), |error, _| error.with_field("a", "b", "c"))
            .with_header("x-a", "b\r\nc")
            .with_header("transfer-encoding", "chunked")
            .with_member("a", "x".repeat(17_000))
    };
    let service = contract().layer(failing(error));
    let told = event(|| drop(ask(service.clone(), "GET /x")));
    assert_eq!(told("left_out").unwrap(), "all members, 1 field error, 2 header lines");
}

#[test]
fn a_subscriber_or_a_hook_that_panics_hurts_nobody() {
    struct Panics;
    impl Subscriber for Panics {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("tower_contract")
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, _: &Event<'_>) {
            panic!("subscriber")
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }
    let service = contract().on_error(|_| panic!("hook")).layer(failing(ApiError::internal));
    let plain = ask(contract().layer(failing(ApiError::internal)), "GET /x");
    let told = tracing::subscriber::with_default(Panics, || ask(service.clone(), "GET /x"));
    assert_eq!((told.status(), told.body()), (plain.status(), plain.body()));
}

#[test]
fn redact_sees_each_text_of_the_application_first() {
    let redacting = || {
        let layer = contract().error_body(|layer| {
            layer.redact(|text| {
                assert!(!text.contains("unredactable"));
                text.replace("hunter2", "***\u{202e}\n").into()
            })
        });
        reports(layer, |report| {
            let texts = [report.sources, report.panic, report.masked];
            texts.into_iter().flatten().collect::<Vec<_>>().join("|")
        })
    };
    let service = service_fn(async |request: Request<Full<Bytes>>| match request.uri().path() {
        "/panic" => panic!("the \"password\" is hunter2"),
        "/masked" => Ok(response("500\ncontent-type: text/plain\n\nhunter2!")),
        "/no" => Err(BoxError::from("unredactable hunter2")),
        _ => Err(BoxError::from(std::io::Error::other("hunter2"))),
    });
    for (path, expected) in [
        ("/panic", "the \\\"password\\\" is ***\\u{202e}\\n"),
        ("/masked", "***\\u{202e}\\n!"),
        ("/fail", "***\\u{202e}\\n"),
        ("/no", "(not told)"),
    ] {
        let (layer, told) = redacting();
        drop(ask(layer.layer(service), &format!("GET {path}")));
        assert_eq!(*told.lock().unwrap(), [expected], "{path}");
    }
}

#[test]
fn a_source_that_displays_a_gigabyte_is_told_in_a_kibibyte() {
    #[derive(Debug)]
    struct Long;
    impl fmt::Display for Long {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (0..1 << 20).try_for_each(|_| f.write_str(&"x".repeat(1024)))
        }
    }
    impl Error for Long {}
    let (layer, told) = reports(contract(), |report| report.sources.unwrap().len().to_string());
    drop(ask(layer.layer(failing(|| ApiError::internal().with_source(Long))), "GET /x"));
    assert_eq!(*told.lock().unwrap(), ["1024"]);
}

#[test]
fn a_report_tells_the_route_and_lets_who_wants_downcast_the_source() {
    async fn recording(Path(_): Path<u32>) -> ApiError {
        ApiError::internal().with_source(std::io::Error::from(std::io::ErrorKind::TimedOut))
    }
    let (layer, told) = reports(contract(), |report| {
        let is_io = report.error().is_some_and(<dyn Error>::is::<std::io::Error>);
        format!("{} {} {is_io} {:?}", report.route.unwrap_or("-"), report.uri, report.origin)
    });
    let app = Router::new()
        .nest("/v1", Router::new().route("/recordings/{id}", get(recording)))
        .fallback(async || ApiError::not_found())
        .layer(layer);
    block_on(async {
        for path in ["/v1/recordings/7", "/nope"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            drop(app.clone().oneshot(request).await.unwrap());
        }
    });
    let expected = ["/v1/recordings/{id} /v1/recordings/7 true ApiError", "- /nope false ApiError"];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn what_was_understood_is_told_as_such() {
    let layer = contract().error_body(|layer| layer.understand(|_, _, _| Some(ApiError::gone())));
    let (layer, told) = reports(layer, |report| format!("{report} {:?}", report.origin));
    drop(ask(layer.layer(answering(|_| response("409\n\n<x>"))), "GET /x"));
    let expected = format!("GET /x 409 (Application, code 409) {:?}", TextOrigin::Understood);
    assert_eq!(*told.lock().unwrap(), [expected]);
}

// ===== ids =====

fn with_id() -> ContractLayer {
    contract().error_body(|layer| layer.request_id(HeaderName::from_static("x-request-id")))
}

/// Fails in every way that the layers answer.
fn failing_service()
-> impl Service<Request<Full<Bytes>>, Response = Answer, Error = BoxError, Future: Send> + Clone {
    service_fn(async |request: Request<Full<Bytes>>| match request.uri().path() {
        "/panic" => panic!("boom"),
        "/hang" => std::future::pending().await,
        "/fail" => Err(BoxError::from("why")),
        "/text" => Ok(response("404\ncontent-type: text/plain\n\nno such thing")),
        "/member" => Ok(ApiError::conflict().with_member("request_id", "mine").into_http()),
        _ => Ok(response("404")),
    })
}

#[test]
fn the_id_of_a_request_is_told_in_every_error_that_the_layers_and_the_service_make() {
    let (layer, told) = reports(with_id(), |report| report.request_id.unwrap_or("-").to_owned());
    let layer =
        layer.methods([http::Method::GET]).timeout(TimeoutLayer::new(Duration::from_secs(1)));
    for asked in
        ["GET /panic", "GET /hang", "GET /fail", "GET /text", "GET /member", "GET /nope", "PUT /"]
    {
        let sent = ask(layer.layer(failing_service()), &format!("{asked}\nx-request-id: 7f-1"));
        let content: Value = serde_json::from_slice(sent.body()).unwrap();
        assert_eq!(content["request_id"], "7f-1", "{asked}");
        assert_eq!(content.as_object().unwrap().len(), 6, "{asked}");
        let without = ask(layer.layer(failing_service()), asked);
        let content: Value = serde_json::from_slice(without.body()).unwrap();
        assert_ne!(content["request_id"], "7f-1");
    }
    assert_eq!(told.lock().unwrap().iter().filter(|id| *id == "7f-1").count(), 7);
}

#[test]
fn an_id_that_is_too_long_or_not_visible_ascii_is_not_told() {
    for id in
        ["a".repeat(1 << 20), "a b".to_owned(), "a\tb".to_owned(), "é".to_owned(), String::new()]
    {
        let mut request = crate::support::request("GET /x");
        request
            .headers_mut()
            .insert("x-request-id", HeaderValue::from_bytes(id.as_bytes()).unwrap());
        let sent = block_on(with_id().layer(failing_service()).oneshot(request)).unwrap();
        let content = block_on(crate::support::content(sent));
        let content: Value = serde_json::from_slice(&content).unwrap();
        assert_eq!(content.as_object().unwrap().len(), 5);
    }
}

#[test]
fn the_id_is_that_of_the_response_where_the_request_has_none() {
    let (layer, told) = reports(with_id(), |report| report.request_id.unwrap_or("-").to_owned());
    let answered =
        answering(|_| response("404\ncontent-type: text/plain\nx-request-id: own-7\n\nFehlt."));
    for (asked, id) in [
        ("GET /x", Some("own-7")),
        ("GET /x\nx-request-id: a b", Some("own-7")),
        ("GET /x\nx-request-id: 7f-1", Some("7f-1")),
        ("GET /x\nx-request-id: 7f-1\nx-request-id: 7f-2", Some("own-7")),
    ] {
        let sent = ask(layer.layer(answered.clone()), asked);
        let content: Value = serde_json::from_slice(sent.body()).unwrap();
        assert_eq!(content.get("request_id").and_then(Value::as_str), id, "{asked}");
        assert_eq!(told.lock().unwrap().pop().as_deref(), id, "{asked}");
    }
    let twice = answering(|_| response("404\nx-request-id: own-7\nx-request-id: own-8"));
    let sent = ask(layer.layer(twice), "GET /x\nx-request-id: 7f-1\nx-request-id: 7f-2");
    assert!(!String::from_utf8_lossy(sent.body()).contains("request_id"));
}

#[test]
fn a_secret_is_never_told_as_an_id() {
    for name in ["authorization", "cookie", "proxy-authorization", "set-cookie"] {
        let layer = contract().error_body(|layer| layer.request_id(HeaderName::from_static(name)));
        let answered = answering(move |_| response(&format!("404\n{name}: secret")));
        let sent = ask(layer.layer(answered), &format!("GET /x\n{name}: secret"));
        assert!(!String::from_utf8_lossy(sent.body()).contains("secret"), "{name}");
    }
}

// ===== languages =====

#[test]
fn the_language_is_kept_where_the_description_is_the_services_own() {
    for (text, kept) in [
        (
            "404\ncontent-type: text/plain\ncontent-language: de\nvary: accept-language\n\nFehlt.",
            true,
        ),
        (
            "404\ncontent-type: text/html\ncontent-language: de\nvary: accept-language\n\n<p>Fehlt.",
            false,
        ),
        (
            "500\ncontent-type: text/plain\ncontent-language: de\nvary: accept-language\n\nFehlt.",
            false,
        ),
    ] {
        let sent = ask(contract().layer(answering(move |_| response(text))), "GET /x");
        let expected = if kept { vec!["de"] } else { vec![] };
        assert_eq!(all(&sent, "content-language"), expected, "{text}");
        assert_eq!(all(&sent, "vary"), ["accept-language"]);
    }
    let own = || {
        ApiError::not_found()
            .with_title("Nicht gefunden")
            .with_description("Die Aufnahme gibt es nicht.")
            .with_header("content-language", "de")
    };
    let sent = ask(contract().layer(failing(own)), "GET /x");
    assert_eq!(all(&sent, "content-language"), ["de"]);
    let default = || ApiError::not_found().with_header("content-language", "de");
    assert_eq!(
        all(&ask(contract().layer(failing(default)), "GET /x"), "content-language"),
        [""; 0]
    );
}

/// Answers German readers in German, and panics for French ones.
#[derive(Clone)]
struct InTheirLanguage;

impl ErrorFormat for InTheirLanguage {
    fn content_type(&self) -> HeaderValue {
        EnvelopeFormat.content_type()
    }

    fn content_language(&self, error: &Occurrence<'_>) -> Option<HeaderValue> {
        let language = error.header("accept-language")?;
        assert_ne!(language, "fr");
        (language == "de").then_some(HeaderValue::from_static("de"))
    }

    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
        let mut told = *error;
        if self.content_language(error).is_some() && error.has_default_title() {
            told.title = "Nicht gefunden";
        }
        EnvelopeFormat.write(&told, out);
    }
}

#[test]
fn a_format_answers_in_the_language_of_accept_language() {
    let layer =
        ErrorBodyLayer::new().remember([http::header::ACCEPT_LANGUAGE]).format(InTheirLanguage);
    for (language, title, expected) in [
        ("de", "Nicht gefunden", vec!["de"]),
        ("en", "Not Found", vec![]),
        // A format that panics takes nothing of the answer with it.
        ("fr", "Not Found", vec![]),
    ] {
        let asked = format!("GET /x\naccept-language: {language}");
        let sent = ask(layer.layer(failing(ApiError::not_found)), &asked);
        let content: Value = serde_json::from_slice(sent.body()).unwrap();
        assert_eq!(content["title"], title);
        assert_eq!(all(&sent, "content-language"), expected);
    }
    let forgetful = ErrorBodyLayer::new().format(InTheirLanguage);
    let sent = ask(forgetful.layer(failing(ApiError::not_found)), "GET /x\naccept-language: de");
    assert_eq!(all(&sent, "content-language"), [""; 0]);
}

#[test]
fn a_cause_is_told_to_who_is_outside() {
    let busy = || ApiError::unavailable().with_cause(Cause::Overload);
    let told = event(|| drop(ask(contract().layer(failing(busy)), "GET /x")));
    assert_eq!(
        (told("LEVEL").unwrap(), told("cause").unwrap()),
        ("WARN".into(), "Overload".into())
    );
    assert_eq!(json!(told("status").unwrap()), json!("503"));
}
