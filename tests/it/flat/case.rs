//! What a request and the service behind the layers are, by chance.

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use proptest::{collection::vec, prelude::*, sample::select};

use super::service::Body;

/// One request, what the service makes of it, and who listens.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
pub struct Case {
    pub setup: usize,
    pub has_hooks: bool,
    pub has_subscriber: bool,
    pub asked: Asked,
    pub fate: Fate,
    pub answer: Answer,
    /// Whether the future is pending once before its outcome.
    pub waits: bool,
    pub future_drop_panics: bool,
    pub ready_drop_panics: bool,
}

#[derive(Clone, Debug)]
pub struct Asked {
    pub method: &'static str,
    pub target: &'static str,
    pub origin: Option<&'static str>,
    pub asks_method: bool,
    /// Header lines that make it an rpc, or look like it.
    pub rpc: Lines,
}

pub type Lines = &'static [(&'static str, &'static str)];

/// What the service does in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Answers,
    IsNeverReady,
    PanicsWhenAskedForReadiness,
    PanicsInCall,
    PanicsInPoll,
    Fails(Failure),
    Hangs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Text,
    ApiError,
    /// Its `Display` panics.
    Odd,
}

/// What the service answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub media: Option<&'static str>,
    pub lines: Vec<(&'static str, &'static str)>,
    pub mark: Mark,
    pub steps: Vec<Step>,
    pub body_drop_panics: bool,
    pub hints_panic: bool,
}

/// What stands in the response's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Nothing,
    ApiError,
    /// One of another status.
    OtherApiError,
    KeepBody,
}

/// What a body does when it is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Data(&'static str),
    Trailers,
    Wait,
    Hang,
    Fail,
    Panic,
}

pub const FRONT_ENDS: [&str; 2] = ["https://app.example.com", "https://customer.example"];

/// Its limit, where the setup chooses one for each request, panics.
pub const NO_LIMIT_KNOWN: &str = "/no-limit-known";

pub const TEXT: &str = "there is no recording 7";
pub const ENVELOPE: &str =
    r#"{"http_method":"PUT","title":"T","description":"an envelope","code":7,"uri":"/y"}"#;
pub const PROBLEM: &str = r#"{"title":"a problem","detail":"of theirs","code":4020}"#;
const CONNECT: &str = r#"{"code":"not_found","message":"no"}"#;

/// Any case; most things are usual in most cases.
pub fn any_case() -> impl Strategy<Value = Case> {
    let listeners = (any::<bool>(), any::<bool>());
    let quirks = (rarely(4), rarely(3), rarely(3));
    (0..super::SETUPS, listeners, any_asked(), any_fate(), any_answer(), quirks).prop_map(
        |(setup, (has_hooks, has_subscriber), asked, fate, answer, quirks)| {
            let (waits, drop_panics, ready_drop_panics) = quirks;
            // What hangs is dropped at expiry: there it panics in most cases.
            let future_drop_panics = drop_panics != (fate == Fate::Hangs);
            Case {
                setup,
                has_hooks,
                has_subscriber,
                asked,
                fate,
                answer,
                waits,
                future_drop_panics,
                ready_drop_panics,
            }
        },
    )
}

/// True once in `n` cases.
fn rarely(n: u32) -> impl Strategy<Value = bool> {
    (0..n).prop_map(move |drawn| drawn == n - 1)
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let method = prop_oneof![
        9 => select(&["GET", "POST"][..]),
        2 => Just("HEAD"),
        2 => Just("OPTIONS"),
        1 => select(&["DELETE", "BREW", "PUT"][..]),
    ];
    let targets = ["/x", "/x?token=2", "/a%zz\"", "//host/x", "/x?connect=v1&encoding=json"];
    let target = prop_oneof![6 => select(targets.to_vec()), 1 => Just(NO_LIMIT_KNOWN)];
    let origins = [Some(FRONT_ENDS[0]), Some(FRONT_ENDS[1]), Some("https://evil.example"), None];
    let rpcs: Vec<Lines> = vec![
        &[("content-type", "application/grpc"), ("grpc-timeout", "50m")],
        &[("content-type", "application/grpc-web+proto")],
        &[("content-type", "application/grpc-web-text")],
        &[("content-type", "application/connect+json"), ("connect-timeout-ms", "20")],
        &[("content-type", "application/json"), ("connect-protocol-version", "1")],
        &[("content-type", "application/json")],
    ];
    let rpc = prop_oneof![3 => Just(&[][..]), 2 => select(rpcs)];
    (method, target, select(origins.to_vec()), any::<bool>(), rpc).prop_map(
        |(method, target, origin, asks_method, rpc)| Asked {
            method,
            target,
            origin,
            asks_method,
            rpc,
        },
    )
}

fn any_fate() -> impl Strategy<Value = Fate> {
    let failures = [Failure::Text, Failure::ApiError, Failure::Odd];
    prop_oneof![
        28 => Just(Fate::Answers),
        5 => Just(Fate::IsNeverReady),
        5 => Just(Fate::PanicsWhenAskedForReadiness),
        4 => Just(Fate::PanicsInCall),
        4 => Just(Fate::PanicsInPoll),
        4 => select(failures.to_vec()).prop_map(Fate::Fails),
        14 => Just(Fate::Hangs),
    ]
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let status = prop_oneof![
        4 => Just(200_u16),
        1 => select(vec![204_u16, 302, 400, 416, 599]),
        5 => select(vec![404_u16, 422]),
        2 => select(vec![500_u16, 503]),
    ];
    let media = ["application/json", "application/problem+json", "text/html"];
    let media = prop_oneof![
        3 => Just(Some("text/plain")),
        3 => select(media.to_vec()).prop_map(Some),
        1 => Just(None),
    ];
    let lines = [
        ("vary", "Accept"),
        ("vary", "*"),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "X-A"),
        ("content-length", "9"),
        ("etag", "\"a\""),
        ("cache-control", "max-age=1"),
        ("x-content-type-options", "nosniff"),
        ("grpc-status", "5"),
        ("content-encoding", "gzip"),
        ("x-a", "1"),
    ];
    let lines = prop_oneof![2 => Just(vec![]), 1 => vec(select(lines.to_vec()), 1..4)];
    let marks = [Mark::ApiError, Mark::OtherApiError, Mark::KeepBody, Mark::KeepBody];
    let mark = prop_oneof![2 => Just(Mark::Nothing), 1 => select(marks.to_vec())];
    let any = (status, media, mark, any_steps());
    let usual = [
        (404, Some("text/plain"), Mark::Nothing, vec![Step::Data(TEXT)]),
        (422, Some("application/problem+json"), Mark::Nothing, vec![Step::Data(PROBLEM)]),
        (400, Some("application/json"), Mark::Nothing, vec![Step::Data(ENVELOPE)]),
        (404, Some("text/plain"), Mark::KeepBody, vec![Step::Data(TEXT)]),
        (404, Some("text/plain"), Mark::Nothing, vec![Step::Wait, Step::Data(TEXT)]),
        (503, Some("text/html"), Mark::Nothing, vec![Step::Data("<p>")]),
        (200, None, Mark::Nothing, vec![Step::Data("a"), Step::Wait, Step::Trailers]),
        (404, None, Mark::ApiError, vec![]),
        (502, None, Mark::ApiError, vec![Step::Data("a"), Step::Fail]),
        (200, Some("text/plain"), Mark::Nothing, vec![Step::Data("a"), Step::Fail]),
    ];
    let usual = select(usual.to_vec());
    (prop_oneof![1 => any, 1 => usual], lines, rarely(6), rarely(8)).prop_map(
        |((status, media, mark, steps), lines, body_drop_panics, hints_panic)| Answer {
            status,
            media,
            lines,
            mark,
            steps,
            body_drop_panics,
            hints_panic,
        },
    )
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    use Step::{Data, Fail, Hang, Panic, Trailers, Wait};
    let whole = [vec![Data(TEXT)], vec![Data(ENVELOPE)], vec![Data(PROBLEM)]];
    let pieces = [
        vec![Data("in "), Data("pieces"), Trailers],
        vec![Data("in "), Wait, Data("pieces"), Trailers],
        vec![Data(r#"{"title":"#), Wait, Data(r#""in pieces"}"#)],
    ];
    let broken =
        [vec![Data("a"), Fail], vec![Data("a"), Panic], vec![Panic], vec![Data("a"), Hang]];
    prop_oneof![
        1 => Just(vec![]),
        1 => Just(vec![Data(CONNECT)]),
        5 => select(whole.to_vec()),
        4 => select(pieces.to_vec()),
        4 => select(broken.to_vec()),
    ]
}

impl Asked {
    pub fn request(&self) -> Request<()> {
        let mut request = Request::builder().method(self.method).uri(self.target);
        if let Some(origin) = self.origin {
            request = request.header("origin", origin);
        }
        if self.asks_method {
            request = request.header("access-control-request-method", "GET");
        }
        for (name, value) in self.rpc {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        // The target of a connection's request is shared with its buffer; this becomes so by its
        // first clone.
        drop(request.uri().clone());
        request
    }
}

impl Answer {
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let media = self.media.map(|media| ("content-type", media));
        #[expect(clippy::disallowed_methods, reason = "a service may send several lines")]
        for (name, value) in media.into_iter().chain(self.lines.iter().copied()) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    pub fn body(&self) -> Body {
        Body::new(self)
    }
}
