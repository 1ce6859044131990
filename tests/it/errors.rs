//! What an error of the service becomes: the table of `CatchError`.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_contract::{ApiError, CatchErrorLayer, Cause};

use crate::support::{ask, block_on, contract, request, response, sentence};

type Answer = Response<Full<Bytes>>;

/// What the layer makes of `error`.
#[track_caller]
fn answered(layer: &CatchErrorLayer, error: BoxError) -> ApiError {
    let mut error = Some(error);
    let failing = service_fn(move |_| std::future::ready(Err::<Answer, _>(error.take().unwrap())));
    let answer = block_on(layer.layer(failing).oneshot(request("GET /x"))).unwrap();
    ApiError::of(&answer).cloned().unwrap()
}

#[track_caller]
fn check(error: impl Into<BoxError>, status: u16, cause: Cause) {
    let error = error.into();
    let text = format!("{error:?}");
    let answer = answered(&CatchErrorLayer::new(), error);
    assert_eq!((answer.status().as_u16(), answer.cause()), (status, cause), "{text}");
    // The error's own words are never the client's.
    assert_eq!(answer.description(), sentence(status));
}

/// An error with a source of its own.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

fn wrapped(error: impl Into<BoxError>, times: usize) -> BoxError {
    (0..times).fold(error.into(), |error, _| Box::new(Wrapped(error)))
}

fn tower_elapsed() -> BoxError {
    Box::new(tower::timeout::error::Elapsed::new())
}

#[test]
fn a_time_limit_of_another_layer_is_503() {
    check(tower_elapsed(), 503, Cause::Timeout);
    let tokio = block_on(async {
        tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await
    });
    check(tokio.unwrap_err(), 503, Cause::Timeout);
}

#[test]
fn overload_and_a_closed_queue_are_503() {
    check(tower::load_shed::error::Overloaded::new(), 503, Cause::Overload);
    let closed = block_on(async {
        let never = service_fn(async |(): ()| Ok::<_, BoxError>(()));
        let (mut buffer, worker) = tower::buffer::Buffer::pair(never, 1);
        drop(worker);
        buffer.ready().await.err().unwrap()
    });
    check(closed, 503, Cause::Overload);
}

#[test]
fn content_over_a_limit_is_413() {
    let limited = Limited::new(Full::new(Bytes::from_static(b"12345")), 4);
    let error = block_on(limited.collect()).unwrap_err();
    let answer = answered(&CatchErrorLayer::new(), error);
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn an_io_error_of_a_connection_is_502_and_of_anything_else_500() {
    for kind in [
        ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkUnreachable,
        ErrorKind::NotConnected,
        ErrorKind::BrokenPipe,
        ErrorKind::TimedOut,
        ErrorKind::UnexpectedEof,
    ] {
        check(io::Error::from(kind), 502, Cause::Upstream);
        check(io::Error::new(kind, "text"), 502, Cause::Upstream);
    }
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::PermissionDenied,
        ErrorKind::StorageFull,
        ErrorKind::InvalidData,
        ErrorKind::Other,
    ] {
        check(io::Error::from(kind), 500, Cause::Service);
    }
}

#[test]
fn what_nothing_names_is_500() {
    check("boom", 500, Cause::Service);
    check(Wrapped("inner".into()), 500, Cause::Service);
    check(fmt::Error, 500, Cause::Service);
}

#[test]
fn a_source_is_found_up_to_sixteen_deep() {
    check(wrapped(tower_elapsed(), 1), 503, Cause::Timeout);
    check(wrapped(tower_elapsed(), 15), 503, Cause::Timeout);
    check(wrapped(tower_elapsed(), 16), 500, Cause::Service);
    check(wrapped("deep", 10_000), 500, Cause::Service);
    // `source` of an io::Error skips what it was made from; that is looked at too.
    check(io::Error::other(tower_elapsed()), 503, Cause::Timeout);
    check(wrapped(io::Error::other(wrapped(tower_elapsed(), 1)), 1), 503, Cause::Timeout);
}

#[test]
fn an_error_that_is_its_own_source_ends() {
    #[derive(Debug)]
    struct Circle;
    impl fmt::Display for Circle {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("circle")
        }
    }
    impl Error for Circle {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }
    check(Circle, 500, Cause::Service);
}

#[test]
fn an_error_of_the_application_is_sent_as_it_is_wherever_it_stands() {
    let own = ApiError::new(StatusCode::CONFLICT)
        .with_code(4091)
        .with_description("Someone else was first.");
    for error in [
        own.clone().into(),
        wrapped(own.clone(), 3),
        io::Error::other(own.clone()).into(),
        io::Error::new(ErrorKind::BrokenPipe, own.clone()).into(),
        wrapped(io::Error::new(ErrorKind::BrokenPipe, own.clone()), 2),
    ] {
        assert_eq!(answered(&CatchErrorLayer::new(), error), own);
    }
}

#[test]
fn the_users_rule_is_asked_first_and_none_leaves_it_to_the_others() {
    let layer = CatchErrorLayer::new().classify(|error| {
        let elapsed = error.is::<tower::timeout::error::Elapsed>();
        elapsed.then(|| ApiError::new(StatusCode::GATEWAY_TIMEOUT))
    });
    assert_eq!(answered(&layer, tower_elapsed()).status(), 504);
    // It sees the outermost error, and ApiError too.
    assert_eq!(answered(&layer, wrapped(tower_elapsed(), 1)).status(), 503);
    assert_eq!(answered(&layer, "boom".into()).status(), 500);
    let all = CatchErrorLayer::new().classify(|_| Some(ApiError::forbidden()));
    assert_eq!(answered(&all, ApiError::not_found().into()).status(), 403);
}

#[test]
fn the_hook_is_told_of_the_request_the_error_and_the_answer() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&told);
    let contract = contract().on_error(move |report| {
        let (method, uri, status) = (report.method, report.uri, report.status.as_u16());
        let error = report.error().unwrap();
        log.lock().unwrap().push(format!("{method} {uri} {error} {status}"));
    });
    let failing = service_fn(async |_| Err::<Answer, _>(BoxError::from("boom")));
    ask(contract.layer(failing), "POST /a?token=s");
    assert_eq!(*told.lock().unwrap(), ["POST /a boom 500"]);
}

#[test]
fn a_response_is_no_error_whatever_its_status() {
    let layer = CatchErrorLayer::new().classify(|_| panic!("it is asked of a response"));
    for status in ["200", "404", "503"] {
        let answer = layer.layer(crate::support::answering(move |_| response(status)));
        assert_eq!(ask(answer, "GET /x").status().as_str(), status);
    }
}
