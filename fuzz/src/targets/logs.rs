//! Events of panics and errors whose texts are anything: one plain line each, no field twice.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::{Input, SECRET, block_on, collected, contract};

/// What common subscribers write beside an event's own fields.
const RESERVED: [&str; 9] = [
    "level",
    "target",
    "timestamp",
    "span",
    "spans",
    "filename",
    "line_number",
    "threadName",
    "threadId",
];

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

#[derive(Default)]
struct Line {
    text: String,
    names: Vec<&'static str>,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.names.push(field.name());
        write!(self.text, " {field}={value:?}").unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.names.push(field.name());
        write!(self.text, " {field}={value}").unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_contract::")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let failure = input.one_of(&["panic", "fail", "404", "500"]);
    let method = Method::from_bytes(input.piece()).unwrap_or(Method::GET);
    let target = input.text();
    let text = input.text();
    let mut request = Request::new(());
    *request.method_mut() = method;
    if let Ok(uri) = format!("{target}?token={SECRET}").parse() {
        *request.uri_mut() = uri;
    }
    let service = contract().layer(service_fn(async |_: Request<()>| match failure {
        "panic" => std::panic::resume_unwind(Box::new(text.clone())),
        "fail" => Err(BoxError::from(text.as_str())),
        status => {
            let response = Response::builder().status(status).header("content-type", "text/plain");
            Ok(response.body(Full::<Bytes>::from(text.clone()))?)
        }
    }));
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        block_on(async { collected(service.oneshot(request).await.unwrap()).await });
    });
    for line in &*lines.0.lock().unwrap() {
        check(line);
    }
}

fn check(line: &Line) {
    let Line { text, names } = line;
    let is_plain =
        |c: char| !c.is_control() && !is_bidi(c) && !('\u{2028}'..='\u{2029}').contains(&c);
    assert!(text.chars().all(is_plain), "{text:?}");
    assert!(text.len() <= 32 * 1024, "{} bytes", text.len());
    for name in names {
        assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        assert!(!RESERVED.contains(name), "{name}");
    }
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
