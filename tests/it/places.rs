//! The places where the stack can live: under `Router::layer`, around a Router, inside `nest`.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Query},
    middleware,
    routing::{get, post},
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_contract::{ApiError, MethodGuardLayer};
use tower_http::limit::RequestBodyLimitLayer;

use crate::support::{all, ask, assert_error, block_on, contract, envelope, request, sentence};

/// An application in which everything that axum answers by itself can be had.
fn routes() -> Router {
    async fn recording(Path(id): Path<u32>) -> Result<String, ApiError> {
        match id {
            1 => Ok("one".into()),
            _ => Err(ApiError::not_found().with_code(4041).with_description("No such recording.")),
        }
    }
    Router::new()
        .route("/ok", get(async || "hello"))
        .route("/recordings/{id}", get(recording).delete(async || StatusCode::NO_CONTENT))
        .route("/json", post(async |Json(_): Json<Vec<u32>>| "read"))
        .route("/query", get(async |Query(_): Query<Vec<(String, u32)>>| "read"))
        .route("/bytes", post(async |_: Bytes| "read"))
        .route("/panic", get(async || -> String { panic!("secret") }))
        .route("/404", get(async || (StatusCode::NOT_FOUND, "There is no such thing.")))
}

/// The envelope's description, code and uri, or the content of what is no error.
#[track_caller]
fn told<S, B>(service: S, asked: &str) -> String
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let sent = ask(service, asked);
    assert_eq!(all(&sent, "access-control-allow-origin").len(), 1);
    let content = std::str::from_utf8(sent.body()).unwrap();
    let status = sent.status().as_u16();
    match serde_json::from_str::<tower_contract::Envelope>(content) {
        Ok(envelope) => {
            assert_error(&sent, status, content);
            let (code, text, uri) = (envelope.code, envelope.description, envelope.uri);
            format!("{status} {code} {uri}: {text}")
        }
        Err(_) => format!("{status} {content}"),
    }
}

/// What a Router with the stack says, wherever the stack is.
#[track_caller]
fn check_application<S, B>(service: &S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    for (asked, expected) in [
        ("GET /ok", "200 hello"),
        ("HEAD /ok", "200 "),
        ("GET /recordings/1", "200 one"),
        ("DELETE /recordings/1", "204 "),
        ("GET /recordings/2", "404 4041 /recordings/2: No such recording."),
        ("GET /recordings/x", "400 400 /recordings/x: Invalid URL: Cannot parse `x` to a `u32`"),
        (
            "POST /json\ncontent-type: application/json\n\n[1,",
            "400 400 /json: Failed to parse the request body as JSON: EOF while parsing a value \
             at line 1 column 3",
        ),
        (
            "POST /json\ncontent-type: application/json\n\n[\"a\"]",
            "422 422 /json: Failed to deserialize the JSON body into the target type: [0]: \
             invalid type: string \"a\", expected u32 at line 1 column 4",
        ),
        (
            "POST /json\n\n[1]",
            "415 415 /json: Expected request with `Content-Type: application/json`",
        ),
        (
            "GET /query?a=b&token=secret",
            "400 400 /query: Failed to deserialize query string: [0][1]: invalid digit found in string",
        ),
        ("GET /panic", "500 500 /panic: The server met an unexpected condition."),
        ("GET /404", "404 404 /404: There is no such thing."),
    ] {
        assert_eq!(told(service.clone(), asked), expected, "{asked}");
    }
}

#[test]
fn under_router_layer_every_answer_of_axum_is_an_envelope() {
    let router = routes().layer(contract());
    check_application(&router);
    // The fallback of a Router is inside its layers.
    assert_eq!(told(router.clone(), "GET /nope"), "404 404 /nope: No resource exists at this URI.");
    let refused = ask(router, "PUT /recordings/1");
    assert_eq!(refused.status(), 405);
    assert_eq!(all(&refused, "allow"), ["GET,HEAD,DELETE"]);
}

#[test]
fn around_a_router_every_answer_of_axum_is_an_envelope() {
    let router = contract().layer(routes());
    check_application(&router);
    assert_eq!(told(router.clone(), "GET /nope"), "404 404 /nope: No resource exists at this URI.");
    let refused = ask(router, "PUT /recordings/1");
    assert_eq!(refused.status(), 405);
    assert_eq!(all(&refused, "allow"), ["GET,HEAD,DELETE"]);
}

#[test]
fn a_method_that_the_guard_refuses_has_one_allow_in_every_place() {
    let guard = MethodGuardLayer::by_path([("/recordings/{id}", [Method::GET])]).unwrap();
    let stack = contract().methods(guard);
    // The Router has a route for one of the methods, and none for the other.
    for method in ["DELETE", "PUT"] {
        let asked = format!("{method} /recordings/1");
        let expected = envelope(method, 405, &sentence(405), "/recordings/1");
        let around = ask(stack.layer(routes()), &asked);
        let under = ask(routes().layer(stack.clone()), &asked);
        for refused in [around, under] {
            assert_error(&refused, 405, &expected);
            assert_eq!(all(&refused, "allow"), ["GET, HEAD"]);
        }
    }
}

#[test]
fn under_nest_the_uri_is_the_one_that_the_client_asked_for() {
    let inside = Router::new().nest("/api/v2", routes().layer(contract()));
    for (asked, expected) in [
        ("GET /api/v2/ok", "200 hello"),
        (
            "GET /api/v2/recordings/2?token=secret",
            "404 4041 /api/v2/recordings/2: No such recording.",
        ),
        ("GET /api/v2/panic", "500 500 /api/v2/panic: The server met an unexpected condition."),
    ] {
        assert_eq!(told(inside.clone(), asked), expected);
    }
    // Twice nested, and the methods are matched against what is left of the path.
    let guard = MethodGuardLayer::by_path([("/ok", [Method::POST])]).unwrap();
    let inner = routes().layer(contract().methods(guard));
    let inside = Router::new().nest("/a", Router::new().nest("/b", inner));
    assert_eq!(
        told(inside, "GET /a/b/ok"),
        "405 405 /a/b/ok: This resource does not support the request method."
    );
}

#[test]
fn as_a_route_layer_it_keeps_the_contract_of_its_routes_alone() {
    let router = routes().route_layer(contract());
    check_application(&router);
    let fallback = ask(router.clone(), "GET /nope");
    assert_eq!(fallback.body(), "");
    let refused = ask(router, "PUT /recordings/1");
    assert_eq!(refused.status(), 405);
    assert_eq!(all(&refused, "allow").len(), 1);
}

#[test]
fn on_one_method_router_it_keeps_the_contract_there() {
    let router = Router::new().route("/one", get(async || "one").layer(contract()));
    assert_eq!(
        told(router.clone(), "POST /one"),
        "405 405 /one: This resource does not support the request method."
    );
    assert_eq!(all(&ask(router, "POST /one"), "allow"), ["GET,HEAD"]);
}

#[test]
fn content_over_a_limit_is_413_whoever_limits() {
    let content = "x".repeat(100);
    let (with_length, without) = (
        format!("POST /bytes\ncontent-length: 100\n\n{content}"),
        format!("POST /bytes\n\n{content}"),
    );
    let default = || routes().layer(DefaultBodyLimit::max(99));
    let tower = || {
        let routes = routes().layer(DefaultBodyLimit::disable());
        routes.layer(RequestBodyLimitLayer::new(99))
    };
    for asked in [with_length, without] {
        for routes in [default(), tower()] {
            let under = told(routes.clone().layer(contract()), &asked);
            let around = told(contract().layer(routes), &asked);
            for said in [under, around] {
                assert!(said.starts_with("413 413 /bytes: "), "{said}");
            }
        }
    }
}

#[test]
fn an_error_in_middleware_is_an_envelope() {
    let auth =
        middleware::from_fn(async |request: axum::extract::Request, next: middleware::Next| {
            if request.headers().contains_key("authorization") {
                return Ok(next.run(request).await);
            }
            let basic = [("www-authenticate", "Basic")];
            Err((StatusCode::UNAUTHORIZED, basic, "no credentials"))
        });
    let router = routes().layer(ServiceBuilder::new().layer(contract()).layer(auth));
    assert_eq!(told(router.clone(), "GET /ok\nauthorization: Basic x"), "200 hello");
    assert_eq!(told(router.clone(), "GET /ok"), "401 401 /ok: no credentials");
    assert_eq!(all(&ask(router, "GET /ok"), "www-authenticate"), ["Basic"]);
}

#[test]
fn to_head_a_router_answers_errors_without_a_length_in_every_place() {
    let (under, around) = (routes().layer(contract()), contract().layer(routes()));
    for path in ["/nope", "/404", "/panic", "/recordings/2"] {
        let asked = format!("HEAD {path}");
        for sent in [ask(under.clone(), &asked), ask(around.clone(), &asked)] {
            assert!(sent.status().as_u16() >= 400);
            assert_eq!(all(&sent, "content-length"), [""; 0], "{path}");
            assert_eq!(all(&sent, "content-type"), ["application/json"]);
            assert_eq!(sent.body(), "");
        }
    }
}

#[test]
fn a_preflight_reaches_no_route_in_any_place() {
    let asked = "OPTIONS /ok\norigin: https://app.example.com\naccess-control-request-method: PUT";
    let (under, around) =
        (ask(routes().layer(contract()), asked), ask(contract().layer(routes()), asked));
    for sent in [&under, &around] {
        assert_eq!(sent.status(), 200);
        assert_eq!(all(sent, "access-control-allow-methods"), ["GET, POST, OPTIONS"]);
        assert_eq!(sent.body(), "");
    }
    // axum adds it outside of its layers to what it holds for a 405.
    assert_eq!(all(&under, "allow"), ["GET,HEAD"]);
    assert_eq!(all(&around, "allow"), [""; 0]);
}

#[test]
fn a_health_route_beside_the_stack_is_left_alone() {
    let router = routes().layer(contract()).route("/health", get(async || "up"));
    let sent = ask(router, "GET /health");
    assert_eq!(sent.body(), "up");
    assert_eq!(all(&sent, "access-control-allow-origin"), [""; 0]);
}

#[test]
fn a_stream_begins_before_it_ends() {
    let router = routes().route(
        "/stream",
        get(async || {
            let first = tokio_stream::once(Ok::<_, std::io::Error>("first"));
            let never = tokio_stream::pending();
            Body::from_stream(tokio_stream::StreamExt::chain(first, never))
        }),
    );
    block_on(async {
        let sent = contract().layer(router).oneshot(request("GET /stream")).await;
        let mut body = Box::pin(sent.unwrap().into_body());
        let first = tokio::time::timeout(Duration::from_secs(1), body.frame()).await;
        let first = first.expect("no wait for the end").unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "first");
    });
}

#[tokio::test]
async fn axum_serves_the_stack_around_a_router() {
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(contract())
        .service(routes());
    let service = axum::ServiceExt::<axum::extract::Request>::into_make_service(service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = axum::serve(listener, service);
    tokio::spawn(std::future::IntoFuture::into_future(server));
    check_served(address).await;
}

#[tokio::test]
async fn hyper_serves_the_stack_around_a_router() {
    check_served(crate::wire::serve(contract().layer(routes())).await).await;
}

async fn check_served(address: std::net::SocketAddr) {
    let missing = envelope("GET", 404, &sentence(404), "/nope");
    for (path, expected) in [("/ok", "hello"), ("/nope", &*missing)] {
        assert_eq!(crate::wire::get(address, path).await, expected);
    }
}

#[test]
fn two_stacks_are_as_the_outer_one() {
    let inner = contract().error_body(|layer| layer.keep_query(["a"]));
    let twice = contract().layer(routes().layer(inner));
    check_application(&twice);
    let sent = ask(twice, "GET /nope?a=1");
    assert_error(&sent, 404, &envelope("GET", 404, &sentence(404), "/nope"));
    assert_eq!(all(&sent, "access-control-allow-origins").len(), 1);
}
