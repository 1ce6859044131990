//! Panics that change no answer: each is contained, and told once.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    panic::resume_unwind,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_contract::{
    ApiError, CatchErrorLayer, CorsContractLayer, ErrorBodyLayer, ErrorFormat, MethodGuardLayer,
    Occurrence, PanicToErrorLayer,
};

use crate::{
    support::{answering, ask, block_on, contract, policy, request},
    tracing::events,
};

/// Panics without the process's panic hook, which would print.
fn panics(message: &'static str) {
    resume_unwind(Box::new(message));
}

/// Panics when it is dropped.
#[derive(Debug, Default)]
struct Hostile;

impl Drop for Hostile {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panics("it is dropped");
        }
    }
}

impl fmt::Display for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hostile")
    }
}

impl Error for Hostile {}

/// The one line that tells of a panic.
#[track_caller]
fn assert_told_once(lines: &[String], place: &str, message: &str) {
    let told: Vec<_> = lines.iter().filter(|line| line.contains(" message=panic")).collect();
    let [line] = told[..] else { panic!("{told:?} of {lines:?}") };
    assert!(line.contains(&format!("place={place}")), "{line}");
    assert!(line.contains(&format!("panic={message}")), "{line}");
    assert!(line.starts_with("ERROR "), "{line}");
}

// ===== a request that nobody reads =====

/// What is answered to a request whose content panics when it is dropped.
fn answer<S, B>(service: S, asked: &str) -> Response<()>
where
    S: Service<Request<Hostile>, Response = Response<B>, Error = Infallible>,
{
    let request = request(asked).map(|_| Hostile);
    block_on(service.oneshot(request)).unwrap().map(drop)
}

fn hostile_echo()
-> impl Service<Request<Hostile>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone {
    service_fn(async |request: Request<Hostile>| {
        std::mem::forget(request);
        Ok(Response::default())
    })
}

const PREFLIGHT: &str =
    "OPTIONS /\norigin: https://app.example.com\naccess-control-request-method: GET";

#[test]
fn a_request_that_is_refused_and_panics_when_it_is_dropped_is_told_once() {
    let guard = MethodGuardLayer::new([Method::GET]);
    let told = events(|| {
        assert_eq!(answer(guard.layer(hostile_echo()), "PUT /").status(), 405);
    });
    assert_told_once(&told, "Drop", "it is dropped");
    let told = events(|| {
        let answer = answer(CorsContractLayer::new(policy()).layer(hostile_echo()), PREFLIGHT);
        assert_eq!(answer.status(), 200);
    });
    assert_told_once(&told, "Drop", "it is dropped");
    for (asked, status) in [("PUT /", 405), (PREFLIGHT, 200)] {
        let told = events(|| {
            let stack = contract().methods(guard.clone());
            assert_eq!(answer(stack.layer(hostile_echo()), asked).status(), status);
        });
        assert_told_once(&told, "Drop", "it is dropped");
    }
}

/// Panics when it is asked whether it is ready.
#[derive(Clone)]
struct NeverAsked;

impl Service<Request<Hostile>> for NeverAsked {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        panics("poll_ready");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Hostile>) -> Self::Future {
        unreachable!("it is not ready")
    }
}

#[test]
fn a_request_after_a_panic_of_readiness_is_dropped_and_told_once() {
    let told = events(|| {
        assert_eq!(answer(PanicToErrorLayer::new().layer(NeverAsked), "GET /").status(), 500);
    });
    assert_told_once(&told, "Drop", "it is dropped");
    let told = events(|| {
        assert_eq!(answer(contract().layer(NeverAsked), "GET /").status(), 500);
    });
    assert_told_once(&told, "Drop", "it is dropped");
}

/// Fails when it is asked whether it is ready.
struct NeverReady;

impl Service<Request<Hostile>> for NeverReady {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Err("it is not ready".into()))
    }

    fn call(&mut self, _: Request<Hostile>) -> Self::Future {
        unreachable!("it is not ready")
    }
}

#[test]
fn a_request_after_an_error_of_readiness_is_dropped_and_told_once() {
    let told = events(|| {
        assert_eq!(answer(CatchErrorLayer::new().layer(NeverReady), "GET /").status(), 500);
    });
    assert_told_once(&told, "Drop", "it is dropped");
}

/// Panics when it is cloned, but for the one clone of the test.
struct NeverCloned(bool);

impl Clone for NeverCloned {
    fn clone(&self) -> Self {
        if self.0 {
            panics("it is cloned");
        }
        Self(true)
    }
}

impl Service<Request<Full<Bytes>>> for NeverCloned {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        std::future::ready(Ok(Response::default()))
    }
}

#[test]
fn a_clone_that_panics_where_readiness_is_given_back_is_told_once() {
    let guard = MethodGuardLayer::new([Method::GET]);
    let told = events(|| {
        assert_eq!(ask(guard.layer(NeverCloned(true)), "PUT /").status(), 405);
    });
    assert_told_once(&told, "Ready", "it is cloned");
    let told = events(|| {
        let cors = CorsContractLayer::new(policy());
        assert_eq!(ask(cors.layer(NeverCloned(true)), PREFLIGHT).status(), 200);
    });
    assert_told_once(&told, "Ready", "it is cloned");
    let told = events(|| {
        let stack = contract().methods(guard.clone());
        assert_eq!(ask(stack.layer(NeverCloned(true)), "PUT /").status(), 405);
    });
    assert_told_once(&told, "Ready", "it is cloned");
}

// ===== hints =====

/// Content that panics whenever it is asked for its length.
#[derive(Default)]
struct Unmeasured(Option<&'static str>);

impl Body for Unmeasured {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
    }

    fn is_end_stream(&self) -> bool {
        panics("is_end_stream");
        false
    }

    fn size_hint(&self) -> SizeHint {
        panics("size_hint");
        SizeHint::default()
    }
}

fn unmeasured(
    status: u16,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Unmeasured>,
    Error = Infallible,
    Future: Send,
> + Clone {
    answering(move |_| {
        let mut answer = Response::new(Unmeasured(Some("there is no recording 7")));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        answer
    })
}

/// Asks the body for its hints as often as a server does, and reads it.
fn measured<S, B>(service: S) -> Bytes
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: fmt::Debug>,
{
    let answer = block_on(service.oneshot(request("GET /x"))).unwrap();
    for _ in 0..3 {
        let hint = answer.body().size_hint();
        assert!(hint.upper().is_none() || answer.status() != 200);
        answer.body().is_end_stream();
    }
    block_on(answer.into_body().collect()).unwrap().to_bytes()
}

#[test]
fn a_body_that_panics_whenever_it_is_asked_for_its_length_is_told_once() {
    let reports: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = Arc::clone(&reports);
    let layer = PanicToErrorLayer::new()
        .on_panic(move |panic| lines.lock().unwrap().push(panic.to_string()));
    let check = |message: &str, act: &dyn Fn() -> Bytes| {
        let told = events(|| {
            reports.lock().unwrap().clear();
            assert!(!act().is_empty());
        });
        assert_told_once(&told, "Body", message);
        let expected = format!("GET /x panicked (body): {message}");
        assert_eq!(*reports.lock().unwrap(), [expected]);
    };
    check("size_hint", &|| measured(layer.layer(unmeasured(200))));
    let stack = contract().panics(|_| layer.clone());
    check("size_hint", &|| measured(stack.layer(unmeasured(200))));
    // The layer that may read the content asks first.
    check("is_end_stream", &|| measured(stack.layer(unmeasured(404))));
    let stacked = ErrorBodyLayer::new().layer(layer.layer(unmeasured(404)));
    check("is_end_stream", &|| measured(stacked.clone()));
}

// ===== hooks and formats =====

#[test]
fn a_hook_that_panics_is_told_once() {
    let not_found = || answering(|_| ApiError::not_found().into_http::<Full<Bytes>>());
    let hooks = ErrorBodyLayer::new().on_error(|_| panics("the hook"));
    let told = events(|| assert_eq!(ask(hooks.layer(not_found()), "GET /").status(), 404));
    assert_told_once(&told, "Hook", "the hook");
    let stack = contract().error_body(|_| hooks.clone());
    let told = events(|| assert_eq!(ask(stack.layer(not_found()), "GET /").status(), 404));
    assert_told_once(&told, "Hook", "the hook");
}

#[derive(Clone)]
struct Panicking;

impl ErrorFormat for Panicking {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("text/plain")
    }

    fn write(&self, _: &Occurrence<'_>, _: &mut Vec<u8>) {
        panics("the format");
    }
}

#[test]
fn a_format_that_panics_is_told_once() {
    let not_found = answering(|_| ApiError::not_found().into_http::<Full<Bytes>>());
    let layer = ErrorBodyLayer::new().format(Panicking);
    let told = events(|| assert_eq!(ask(layer.layer(not_found.clone()), "GET /").status(), 404));
    assert_told_once(&told, "Format", "the format");
    let stack = contract().error_body(|_| layer.clone());
    let told = events(|| assert_eq!(ask(stack.layer(not_found.clone()), "GET /").status(), 404));
    assert_told_once(&told, "Format", "the format");
}

// ===== errors =====

/// An error that answers for itself, and whose outer part is dropped at once.
#[derive(Debug)]
struct Refused(ApiError, Hostile);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_error_that_panics_when_it_is_dropped_is_told_once() {
    type Failed = Result<Response<Full<Bytes>>, BoxError>;
    let kept = service_fn(async |_| -> Failed { Err(BoxError::from(Hostile)) });
    // Its own answer has a source already: the rest of it is dropped.
    let spent = service_fn(async |_| -> Failed {
        Err(BoxError::from(Refused(ApiError::gone().with_source("why"), Hostile)))
    });
    let check = |act: &dyn Fn() -> Response<Bytes>, status: u16| {
        let told = events(|| assert_eq!(act().status(), status));
        assert_told_once(&told, "Drop", "it is dropped");
    };
    check(&|| ask(CatchErrorLayer::new().layer(kept), "GET /"), 500);
    check(&|| ask(contract().layer(kept), "GET /"), 500);
    check(&|| ask(CatchErrorLayer::new().layer(spent), "GET /"), 410);
    check(&|| ask(contract().layer(spent), "GET /"), 410);
}

// ===== a head without room =====

/// As many fields as a map takes.
fn full() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for n in 0.. {
        let name: HeaderName = format!("x-{n}").parse().unwrap();
        if headers.try_insert(name, HeaderValue::from_static("a")).is_err() {
            break;
        }
    }
    headers
}

#[test]
fn an_error_to_an_rpc_whose_head_is_full_tells_its_outcome() {
    let full = full();
    let failing = answering(move |_| {
        let mut answer = Response::new(Full::<Bytes>::default());
        *answer.status_mut() = StatusCode::NOT_FOUND;
        *answer.headers_mut() = full.clone();
        answer
    });
    let rpc =
        |media: &str| format!("POST /\norigin: https://app.example.com\ncontent-type: {media}");
    for is_alone in [true, false] {
        let send = |asked: &str| {
            if is_alone {
                ask(ErrorBodyLayer::new().layer(failing.clone()), asked)
            } else {
                ask(contract().layer(failing.clone()), asked)
            }
        };
        let answer = send(&rpc("application/grpc"));
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["grpc-status"]),
            (200, &"12".parse().unwrap())
        );
        let answer = send(&rpc("application/grpc-web"));
        assert_eq!(&answer.headers()["grpc-status"], "12");
        let answer = send(&rpc("application/connect+json"));
        assert_eq!(&answer.headers()["content-type"], "application/connect+json");
        // An answer in HTTP keeps what it has; no connection could carry more.
        assert_eq!(send("GET /").status(), 404);
    }
}
