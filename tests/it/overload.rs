//! More requests at once than a service has places for: the recipe of `docs/guide/overload.md`, and
//! what happens without it.

use std::time::Duration;

use axum::{Router, body::Body, response::Response as AxumResponse, routing::get};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer};
use tower_contract::{ApiError, Cause, ContractLayer};

use crate::support::{FRONT_END, contract, envelope, sentence};

const WORK: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(2);

fn full_contract() -> ContractLayer {
    let busy = ApiError::unavailable().with_retry_after(Duration::from_secs(5));
    let contract = contract().timeout(LIMIT);
    contract.service_errors(|layer| layer.answer(Cause::Overload, busy))
}

fn routes() -> Router {
    let hangs = get(async || std::future::pending::<()>().await);
    Router::new().route("/work", get(async || sleep(WORK).await)).route("/hang", hangs)
}

/// One place, and who finds none is refused.
fn shedding() -> Router {
    let limit = GlobalConcurrencyLimitLayer::new(1);
    routes().layer(ServiceBuilder::new().layer(full_contract()).load_shed().layer(limit))
}

/// The answer, and when it came.
async fn ask(app: &Router, path: &str) -> (AxumResponse, Duration) {
    let begun = Instant::now();
    let request = Request::get(path).header("origin", FRONT_END).body(Body::empty()).unwrap();
    let answer = app.clone().oneshot(request).await.unwrap();
    (answer, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_request_over_the_limit_is_refused_at_once_in_a_way_that_a_page_can_read() {
    let app = shedding();
    let ((served, after), (refused, at)) = tokio::join!(ask(&app, "/work"), ask(&app, "/work"));
    assert_eq!((served.status(), after), (StatusCode::OK, WORK));
    assert_eq!((refused.status(), at), (StatusCode::SERVICE_UNAVAILABLE, Duration::ZERO));
    assert_eq!(refused.headers()["access-control-allow-origin"], FRONT_END);
    assert_eq!(refused.headers()["retry-after"], "5");
    let content = refused.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(content, envelope("GET", 503, &sentence(503), "/work"));
}

#[tokio::test(start_paused = true)]
async fn a_place_is_free_again_after_an_answer_a_refusal_and_a_limit_of_time() {
    let app = shedding();
    for _ in 0..2 {
        let (hung, refused) = tokio::join!(ask(&app, "/hang"), ask(&app, "/work"));
        assert_eq!((hung.0.status(), hung.1), (StatusCode::SERVICE_UNAVAILABLE, LIMIT));
        assert_eq!(refused.1, Duration::ZERO);
        let (served, after) = ask(&app, "/work").await;
        assert_eq!((served.status(), after), (StatusCode::OK, WORK));
    }
}

#[tokio::test(start_paused = true)]
async fn without_shedding_a_request_waits_and_its_limit_of_time_begins_only_then() {
    let limit = GlobalConcurrencyLimitLayer::new(1);
    let app = routes().layer(ServiceBuilder::new().layer(full_contract()).layer(limit));
    let ((first, at), (second, after)) = tokio::join!(ask(&app, "/hang"), ask(&app, "/hang"));
    assert_eq!((first.status(), at), (StatusCode::SERVICE_UNAVAILABLE, LIMIT));
    assert_eq!((second.status(), after), (StatusCode::SERVICE_UNAVAILABLE, 2 * LIMIT));
}
