//! Many panics at once, over many connections, with healthy requests between them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

use super::{
    client::Client,
    place::{Case, EXPECTED, Outcome, Place, all},
    server::{Server, Stack},
};

const HTTP_1_CONNECTIONS: usize = 64;
const HTTP_2_CONNECTIONS: usize = 8;
/// Requests at a time on a connection of HTTP/2.
const STREAMS: usize = 8;

/// What has come of a storm.
#[derive(Debug, Default)]
pub struct Storm {
    pub panics: usize,
    /// Panics after which the client saw something else than it should.
    pub wrong: usize,
    pub siblings: usize,
    pub lost_siblings: usize,
    pub dead_tasks: usize,
    pub time: Duration,
}

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
    wrong: AtomicUsize,
    siblings: AtomicUsize,
    lost: AtomicUsize,
}

/// Asks for `panics` panics at random places, each beside a healthy request on the same connection.
pub async fn run(panics: usize) -> Storm {
    let server = Arc::new(Server::start(Stack::Flat).await);
    let counts = Arc::new(Counts::default());
    let begun = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for n in 0..HTTP_1_CONNECTIONS {
        let (server, counts) = (Arc::clone(&server), Arc::clone(&counts));
        senders.spawn(async move {
            let mut client = Client::http1(&server).await;
            let mut random = Random::new(n);
            while let Some(case) = random.next(&counts, panics) {
                if client.is_closed() {
                    client = Client::http1(&server).await;
                }
                let outcome = storm_case(&mut client, case, &server, &counts).await;
                if outcome != Outcome::Broken {
                    sibling(&mut client, &counts).await;
                }
            }
        });
    }
    for n in 0..HTTP_2_CONNECTIONS {
        let client = Client::http2(&server).await;
        for stream in 0..STREAMS {
            let (server, counts) = (Arc::clone(&server), Arc::clone(&counts));
            let mut client = client.clone();
            senders.spawn(async move {
                let mut random = Random::new(HTTP_1_CONNECTIONS + n * STREAMS + stream);
                while let Some(case) = random.next(&counts, panics) {
                    storm_case(&mut client, case, &server, &counts).await;
                    sibling(&mut client, &counts).await;
                }
            });
        }
    }
    while senders.join_next().await.is_some() {}
    Storm {
        panics,
        wrong: counts.wrong.load(Ordering::Relaxed),
        siblings: counts.siblings.load(Ordering::Relaxed),
        lost_siblings: counts.lost.load(Ordering::Relaxed),
        dead_tasks: server.dead_tasks(),
        time: begun.elapsed(),
    }
}

async fn storm_case(client: &mut Client, case: Case, server: &Server, counts: &Counts) -> Outcome {
    let outcome = client.outcome(case, server).await;
    let expected =
        EXPECTED.iter().any(|(place, expected, _)| *place == case.place && *expected == outcome);
    counts.wrong.fetch_add(usize::from(!expected), Ordering::Relaxed);
    outcome
}

async fn sibling(client: &mut Client, counts: &Counts) {
    let answer = client.ask("GET", "/ok").await;
    let is_lost = answer.is_err() || answer.is_ok_and(|(status, _)| status != StatusCode::OK);
    counts.siblings.fetch_add(1, Ordering::Relaxed);
    counts.lost.fetch_add(usize::from(is_lost), Ordering::Relaxed);
}

/// Cases at random, the same in each run.
struct Random {
    state: u64,
    cases: Vec<Case>,
}

impl Random {
    fn new(seed: usize) -> Self {
        // A request cannot choose the first three; the others wait for a clock.
        let others = [
            Place::Ready,
            Place::ReadyErrorDrop,
            Place::Clone,
            Place::FutureDropClientGone,
            Place::BodyDropClientGone,
            Place::BodyDropAtLimit,
        ];
        let cases = all().filter(|case| !others.contains(&case.place)).collect();
        Self { state: seed as u64 + 1, cases }
    }

    fn next(&mut self, counts: &Counts, limit: usize) -> Option<Case> {
        if counts.begun.fetch_add(1, Ordering::Relaxed) >= limit {
            return None;
        }
        // xorshift64 (Marsaglia, 2003).
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let index = self.state % self.cases.len() as u64;
        self.cases.get(usize::try_from(index).ok()?).copied()
    }
}
