//! How often a request allocates, on each path.

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::Full;
use tower::{BoxError, Layer, Service, service_fn};
use tower_contract::{
    ApiError, BodyTimeoutLayer, CatchErrorLayer, ContractLayer, CorsContractLayer, CorsPolicy,
    DrainRequestLayer, ErrorBodyLayer, MethodGuardLayer, PanicToErrorLayer, TimeoutLayer, service,
};

use crate::support::{FRONT_END, Script, Step, policy, request};

const MINUTE: Duration = Duration::from_secs(60);

/// Allocations of one request, from `call` to the end of the body, after one that filled whatever is
/// filled once.
fn total<S, B>(mut service: S, asked: &str) -> u64
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    B: Body,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    let mut cx = Context::from_waker(Waker::noop());
    let mut once = || {
        let request = request(asked);
        // A target that a connection has read is shared with its buffer; one from a text becomes so
        // with its first clone.
        drop(request.uri().clone());
        assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
        let counted = measure(|| {
            let mut future = pin!(service.call(request));
            let answer = loop {
                if let Poll::Ready(answer) = future.as_mut().poll(&mut cx) {
                    break answer.ok().unwrap();
                }
            };
            let mut body = pin!(answer.into_body());
            while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
                assert!(frame.is_ok());
            }
        });
        counted.count_total
    };
    once();
    once()
}

/// Allocations of one request above those of the service itself.
fn above<L, S, B>(layer: L, inner: S, asked: &str) -> u64
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>> + Clone,
    L: Layer<S, Service: Service<Request<Full<Bytes>>, Response = Response<B>>>,
    B: Body,
{
    total(layer.layer(inner.clone()), asked) - total(inner, asked)
}

// ===== services =====

fn answering(
    answer: fn() -> Response<Full<Bytes>>,
) -> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send>
+ Clone
+ Send {
    service_fn(move |_| async move { Ok(answer()) })
}

/// Pending once, then an answer.
fn waiting(
    answer: fn() -> Response<Full<Bytes>>,
) -> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send>
+ Clone
+ Send {
    service_fn(move |_| async move {
        let mut polls = [Poll::Pending, Poll::Ready(())].into_iter();
        poll_fn(|_| polls.next().unwrap()).await;
        Ok(answer())
    })
}

/// JSON, in a header map that has room for `fields`.
fn json_in(fields: usize) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from("{}"));
    *answer.headers_mut() = HeaderMap::with_capacity(fields);
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}

fn roomy() -> Response<Full<Bytes>> {
    json_in(20)
}

/// As a handler writes it: `http` makes room for six fields at the first.
fn usual() -> Response<Full<Bytes>> {
    json_in(0)
}

fn text_404() -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from("there is no recording 7"));
    *answer.status_mut() = StatusCode::NOT_FOUND;
    let text = HeaderValue::from_static("text/plain");
    answer.headers_mut().insert(CONTENT_TYPE, text);
    answer
}

fn empty_503() -> Response<Full<Bytes>> {
    let mut answer = Response::default();
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer
}

fn typed_404() -> Response<Full<Bytes>> {
    ApiError::not_found().with_description("There is no such recording.").into_http()
}

fn of_urls(urls: &[&str]) -> ContractLayer {
    let policy = CorsPolicy::builder(urls.to_vec()).build().unwrap();
    ContractLayer::new(policy)
        .public_url("https://api.example.com".parse().unwrap())
        .methods(MethodGuardLayer::new([Method::GET]))
        .timeout(TimeoutLayer::new(MINUTE))
}

fn contract() -> ContractLayer {
    of_urls(&[FRONT_END])
}

// ===== healthy =====

#[test]
fn no_layer_allocates_for_a_healthy_request_whose_response_has_room() {
    const ASKED: &str = "GET /recordings/7?part=1\norigin: https://app.example.com";
    let grown = [
        above(CorsContractLayer::new(policy()), answering(roomy), ASKED),
        above(ErrorBodyLayer::new(), answering(roomy), ASKED),
        above(MethodGuardLayer::new([Method::GET]), answering(roomy), ASKED),
        above(PanicToErrorLayer::new(), answering(roomy), ASKED),
        above(CatchErrorLayer::new(), answering(roomy), ASKED),
        above(TimeoutLayer::new(MINUTE), answering(roomy), ASKED),
        above(contract(), answering(roomy), ASKED),
        above(contract(), waiting(roomy), ASKED),
    ];
    assert_eq!(grown, [0; 8]);
}

#[test]
fn only_the_growth_of_the_responses_own_header_map_allocates() {
    let urls = [FRONT_END, "https://customer.example"];
    let asked = "GET /\norigin: https://customer.example";
    // The map's two blocks, once.
    assert_eq!(above(contract(), answering(usual), asked), 0);
    assert_eq!(above(contract(), answering(Response::default), asked), 2);
    assert_eq!(above(of_urls(&urls), answering(roomy), asked), 0);
    assert_eq!(above(of_urls(&urls), answering(usual), asked), 2);
    assert_eq!(above(contract(), waiting(usual), asked), 0);
}

// ===== the envelope =====

#[test]
fn an_error_body_is_one_buffer_and_one_growth_of_the_header_map() {
    assert_eq!(above(contract(), answering(text_404), "GET /recordings/7"), 3);
    assert_eq!(above(contract(), answering(empty_503), "GET /"), 3);
    // `ApiError::into_http`, in the service, makes the extensions (3) and a map with room (2).
    assert_eq!(above(contract(), answering(typed_404), "GET /"), 1);
    assert_eq!(total(contract().layer(answering(typed_404)), "GET /"), 6);
    assert_eq!(above(ErrorBodyLayer::new(), answering(text_404), "GET /"), 3);
}

#[test]
fn a_refusal_allocates_at_most_as_an_error_of_the_service_does() {
    let preflight =
        "OPTIONS /\norigin: https://app.example.com\naccess-control-request-method: GET";
    assert_eq!(total(contract().layer(answering(usual)), preflight), 2);
    assert_eq!(total(contract().layer(answering(usual)), "PUT /"), 6);
    assert_eq!(total(contract().layer(answering(usual)), "BREW /"), 6);
    let alone = MethodGuardLayer::new([Method::GET]).answer_options();
    assert_eq!(total(alone.layer(answering(usual)), "OPTIONS /"), 2);
}

#[test]
fn a_failure_allocates_at_most_as_an_error_of_the_service_does() {
    let panicking = service_fn(async |_| -> Result<Response<Full<Bytes>>, BoxError> {
        resume_unwind(Box::new(()))
    });
    let failing = service_fn(async |_| -> Result<Response<Full<Bytes>>, BoxError> {
        Err(BoxError::from(ApiError::bad_gateway()))
    });
    let too_late = contract().timeout(TimeoutLayer::new(Duration::ZERO).retry_after(MINUTE));
    // The unwinding's own, and the service's boxed error, are one each.
    assert_eq!(total(contract().layer(panicking), "GET /"), 1 + 6);
    assert_eq!(total(contract().layer(failing), "GET /"), 1 + 6);
    assert_eq!(total(too_late.layer(waiting(usual)), "GET /"), 6);
}

#[test]
fn no_timer_is_registered_for_a_response_that_is_ready_at_once() {
    // Outside a runtime, making a timer panics.
    let mut service = TimeoutLayer::new(MINUTE).layer(answering(usual));
    let answer = crate::support::now(service.call(request("GET /"))).unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

// ===== the request's content =====

#[test]
fn a_request_with_content_allocates_one_place_for_what_is_left_of_it() {
    /// Answers to any body, without reading it.
    fn service<B: Send>()
    -> impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = BoxError> {
        service_fn(async |_| Ok(roomy()))
    }
    let above = |asked| {
        let drained = total(DrainRequestLayer::new().layer(service()), asked);
        drained - total(service(), asked)
    };
    assert_eq!(above("GET /"), 0);
    assert_eq!(above("POST /\n\ncontent"), 1);
    // One more that is told `close` in a map with room.
    let closing =
        total(DrainRequestLayer::new().max_bytes(0).layer(service()), "POST /\n\ncontent");
    assert_eq!(closing - total(service(), "POST /\n\ncontent"), 1);
}

// ===== the time of a body =====

#[test]
fn a_body_under_a_limit_allocates_its_timer_when_it_is_first_pending() {
    let limit = BodyTimeoutLayer::new().total(MINUTE).between_frames(MINUTE);
    assert_eq!(above(limit, answering(roomy), "GET /"), 0);
    let pending = service_fn(async |_: Request<Full<Bytes>>| {
        let steps = [Step::Data(b"one"), Step::Hang, Step::Hang];
        Ok::<_, BoxError>(Response::new(Script::new(steps)))
    });
    // Pending twice, one timer.
    let polled_on = |response: Response<service::TimedBody<Script>>| {
        let mut cx = Context::from_waker(Waker::noop());
        let mut body = pin!(response.into_body());
        assert!(body.as_mut().poll_frame(&mut cx).is_ready());
        measure(|| {
            assert!(body.as_mut().poll_frame(&mut cx).is_pending());
            assert!(body.as_mut().poll_frame(&mut cx).is_pending());
        })
        .count_total
    };
    let counted = crate::support::block_on(async {
        let response = limit.layer(pending).call(request("GET /")).await.unwrap();
        polled_on(response)
    });
    assert_eq!(counted, 1);
}
