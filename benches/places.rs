//! How many places of a panic are contained, by the contract and by tower-http's layers: the client
//! gets a whole answer or sees a failure, its connection's other streams live, and no task dies.
//! Places that only this crate has, its hooks and formats, are left out.

#![expect(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a measurement that cannot go on stops; its modules are the tests'"
)]

#[path = "../tests/it/panic_places/client.rs"]
mod client;
#[path = "../tests/it/panic_places/hostile.rs"]
mod hostile;
#[path = "../tests/it/panic_places/place.rs"]
mod place;
#[path = "../tests/it/panic_places/server.rs"]
mod server;

use std::{collections::BTreeMap, process::exit, sync::atomic::Ordering, time::Duration};

use http::StatusCode;
use tokio::time::{sleep, timeout};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::CorsLayer,
    timeout::{ResponseBodyTimeoutLayer, TimeoutLayer},
};

use client::Client;
use place::{Case, Place, all};
use server::{Server, Stack};

/// Of the service, its future, its body and its error; what else there is belongs to this crate.
const PLACES: [Place; 29] = [
    Place::Call,
    Place::FutureFirst,
    Place::FutureLater,
    Place::Ready,
    Place::BodyFirst,
    Place::BodyLater,
    Place::BodyAfterWait,
    Place::BodyErrorInto,
    Place::SizeHint,
    Place::IsEndStream,
    Place::SizeHint4xx,
    Place::IsEndStream4xx,
    Place::BodyPoll4xx,
    Place::BodyPoll5xx,
    Place::FutureDropAfterAnswer,
    Place::FutureDropAfterError,
    Place::FutureDropAfterPanic,
    Place::FutureDropAtExpiry,
    Place::FutureDropClientGone,
    Place::BodyDrop,
    Place::BodyDrop4xxRead,
    Place::BodyDrop4xxUnread,
    Place::BodyDrop5xx,
    Place::BodyDropAfterPanic,
    Place::BodyDropAtLimit,
    Place::BodyDropClientGone,
    Place::ErrorDrop,
    Place::ReadyErrorDrop,
    Place::Into,
];

const SIBLINGS: usize = 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ours = runtime.block_on(count("tower-contract", true));
    runtime.block_on(count("tower-http", false));
    exit(i32::from(!ours));
}

/// Prints which places a stack contains; returns whether it contains all.
async fn count(name: &str, is_ours: bool) -> bool {
    let mut lost: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for is_http2 in [false, true] {
        for case in all().filter(|case| PLACES.contains(&case.place)) {
            let server = if is_ours { Server::start(Stack::Flat).await } else { peer(case).await };
            if let Some(why) = fault(&server, case, is_http2).await {
                lost.entry(format!("{:?}", case.place)).or_default().push(why);
            }
        }
    }
    let contained = PLACES.len() - lost.len();
    println!("{name}: {contained} of {} places", PLACES.len());
    for (place, mut why) in lost {
        let cases = why.len();
        why.sort_unstable();
        why.dedup();
        println!("    {place}: in {cases} of 6 cases {}", why.join(", "));
    }
    contained == PLACES.len()
}

/// tower-http's layers for the same purpose, in the order that its documentation has.
async fn peer(case: Case) -> Server {
    let expires = case.place == Place::FutureDropAtExpiry;
    let limit = Duration::from_millis(if expires { 100 } else { 60_000 });
    Server::around(Stack::ByHand, |service, _| {
        ServiceBuilder::new()
            .layer(CorsLayer::permissive())
            .layer(CatchPanicLayer::new())
            .layer(ResponseBodyTimeoutLayer::new(Duration::from_millis(100)))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limit))
            .service(service)
    })
    .await
}

/// What is lost by a panic.
async fn fault(server: &Server, case: Case, is_http2: bool) -> Option<&'static str> {
    if !is_http2 {
        let mut client = Client::http1(server).await;
        let is_seen = seen(&mut client, server, case).await;
        return (!is_seen).then_some("silence").or(dead(server).await);
    }
    let mut client = Client::http2(server).await;
    // Where the limit is short, who waits is answered too early to be a witness.
    let siblings = if case.place == Place::FutureDropAtExpiry { 0 } else { SIBLINGS };
    let waiting: Vec<_> = (0..siblings)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.ask("GET", "/wait").await.is_ok() })
        })
        .collect();
    while server.shared.waiting.load(Ordering::Relaxed) < siblings {
        sleep(Duration::from_millis(1)).await;
    }
    let is_seen = seen(&mut client, server, case).await;
    server.shared.gate.add_permits(siblings);
    let mut live = client.ask("GET", "/ok").await.is_ok();
    for sibling in waiting {
        live &= sibling.await.unwrap();
    }
    let lost = if is_seen { (!live).then_some("the other streams") } else { Some("silence") };
    lost.or(dead(server).await)
}

async fn dead(server: &Server) -> Option<&'static str> {
    // A task that dies is counted by another, a moment later.
    sleep(Duration::from_millis(5)).await;
    (server.dead_tasks() > 0).then_some("a task")
}

/// Whether the client has got a whole answer, or has seen that there is none.
async fn seen(client: &mut Client, server: &Server, case: Case) -> bool {
    server.shared.arm(case);
    if matches!(case.place, Place::FutureDropClientGone | Place::BodyDropClientGone) {
        client.leave(case, server).await;
        return true;
    }
    timeout(Duration::from_secs(5), client.ask("GET", &case.path())).await.is_ok()
}
