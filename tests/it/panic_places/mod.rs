//! Every place where code that is not this crate's can panic, over HTTP/1.1 and HTTP/2, in the flat
//! stack and in its layers stacked by hand: the client gets a complete answer or sees a failure, and
//! nobody else on the connection notices.

mod client;
mod hostile;
mod place;
mod server;
mod storm;

use std::{sync::atomic::Ordering, time::Duration};

use http::StatusCode;
use tower::Layer;
use tower_contract::{ErrorBodyLayer, PanicPlace, PanicToErrorLayer};

use self::{
    client::Client,
    place::{Case, EXPECTED, Outcome, Place, all},
    server::{Server, Stack},
};

#[tokio::test]
async fn over_http_1_a_panic_anywhere_is_one_answer_or_one_failure() {
    for stack in [Stack::Flat, Stack::ByHand] {
        let server = Server::start(stack).await;
        let mut client = Client::http1(&server).await;
        for case in all() {
            let outcome = client.outcome(case, &server).await;
            server.check(case, outcome).await;
            if client.is_closed() {
                assert_eq!(
                    outcome,
                    Outcome::Broken,
                    "{case:?}: {stack:?} has closed the connection"
                );
                client = Client::http1(&server).await;
            }
            assert_eq!(client.ask("GET", "/ok").await.unwrap(), (StatusCode::OK, "hello".into()));
        }
        assert_eq!(server.dead_tasks(), 0, "{stack:?}");
    }
}

#[tokio::test]
async fn over_http_2_a_panic_anywhere_leaves_twenty_siblings_alive() {
    for stack in [Stack::Flat, Stack::ByHand] {
        let server = Server::start(stack).await;
        let mut client = Client::http2(&server).await;
        let siblings: Vec<_> = (0..20)
            .map(|_| {
                let mut client = client.clone();
                tokio::spawn(async move { client.ask("GET", "/wait").await.unwrap() })
            })
            .collect();
        while server.shared.waiting.load(Ordering::Relaxed) < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for case in all() {
            let outcome = client.outcome(case, &server).await;
            server.check(case, outcome).await;
        }
        server.shared.gate.add_permits(20);
        for sibling in siblings {
            assert_eq!(sibling.await.unwrap(), (StatusCode::OK, "hello".into()), "{stack:?}");
        }
        assert!(!client.is_closed(), "{stack:?}");
        assert_eq!(server.dead_tasks(), 0, "{stack:?}");
    }
}

#[tokio::test]
async fn a_subscriber_that_panics_takes_nothing_with_it() {
    let _default = tracing::subscriber::set_default(server::PanickingSubscriber);
    for (stack, is_http2) in
        [(Stack::Flat, false), (Stack::Flat, true), (Stack::ByHand, false), (Stack::ByHand, true)]
    {
        let server = Server::start(stack).await;
        let connect = async || {
            if is_http2 { Client::http2(&server).await } else { Client::http1(&server).await }
        };
        let mut client = connect().await;
        let places = [Place::Call, Place::FutureDropAfterAnswer, Place::KeepIf, Place::BodyLater];
        for case in all().filter(|case| places.contains(&case.place)) {
            let outcome = client.outcome(case, &server).await;
            server.check(case, outcome).await;
            if client.is_closed() {
                client = connect().await;
            }
        }
        assert_eq!(server.dead_tasks(), 0, "{stack:?}");
    }
}

#[test]
fn a_subscriber_that_panics_when_asked_hurts_nobody() {
    // Without a hook, the subscriber alone decides whether anything is told.
    let ask = |path: &'static str| {
        let answering = || {
            crate::support::answering(move |_| {
                assert_ne!(path, "/panic");
                crate::support::response(if path == "/ok" { "200" } else { "404" })
            })
        };
        let layers = ErrorBodyLayer::new().layer(PanicToErrorLayer::new().layer(answering()));
        let asked = format!("GET {path}");
        let flat = crate::support::ask(crate::support::contract().layer(answering()), &asked);
        [flat.status().as_u16(), crate::support::ask(layers, &asked).status().as_u16()]
    };
    let _default = tracing::subscriber::set_default(server::PanickingSubscriber);
    for _ in 0..4 {
        assert_eq!(ask("/ok"), [200, 200]);
        assert_eq!(ask("/nope"), [404, 404]);
        assert_eq!(ask("/panic"), [500, 500]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_panics_lose_no_sibling_and_end_no_task() {
    let storm = storm::run(10_000).await;
    assert_eq!((storm.wrong, storm.lost_siblings, storm.dead_tasks), (0, 0, 0), "{storm:?}");
    assert_eq!(storm.panics, 10_000);
    assert!(storm.siblings > 5_000 && !storm.time.is_zero(), "{storm:?}");
}

impl Server {
    /// Fails unless the client has seen what it should, and the hook was told of it once.
    #[track_caller]
    fn check(&self, case: Case, outcome: Outcome) -> impl Future<Output = ()> {
        let expected = EXPECTED.iter().find(|(place, ..)| *place == case.place).unwrap();
        let stack = self.stack;
        assert_eq!(outcome, expected.1, "{case:?}, {stack:?}");
        let mut places = expected.2;
        if case.place == Place::Clone && stack == Stack::ByHand {
            places = &[];
        }
        async move {
            let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
            while self.told(case).len() < places.len() && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(self.told(case), places, "{case:?}, {stack:?}");
        }
    }

    fn told(&self, case: Case) -> Vec<PanicPlace> {
        let told = self.told.lock().unwrap();
        let told = told.iter().filter(|(uri, _)| *uri == case.path());
        told.map(|(_, place)| *place).collect()
    }
}
