//! A service under the contract on a simulated network, whose faults follow from a seed: latency, held
//! links, connections that are reset or half closed, and a server that restarts.
//!
//! `SIMULATION_SEEDS` says how many seeds are run: 20, or more by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
mod faults;
mod server;

use std::{
    env, panic,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use faults::{Fault, Random};

const CLIENTS: usize = 4;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// A whole answer that keeps the contract, with this status.
    Answered(u16),
    /// No whole answer: the connection ended, the body visibly broke, or the client broke off.
    Failed,
}

/// One request, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    id: String,
    /// How and what was asked.
    asked: String,
    expected: Outcome,
    outcome: Outcome,
    /// When its connection was begun.
    since: Duration,
    ended: Duration,
}

/// What is written down during a simulation.
#[derive(Clone, Debug, Default)]
struct Log {
    records: Arc<Mutex<Vec<Record>>>,
    /// The id of each request that the service was called for.
    calls: Arc<Mutex<Vec<String>>>,
}

/// What a seed led to.
#[derive(Debug, PartialEq)]
struct Run {
    faults: Vec<(Duration, Fault)>,
    records: Vec<Record>,
    calls: Vec<String>,
}

/// Lets panics that the service is asked for pass in silence.
fn hush() {
    static HUSHED: Once = Once::new();
    HUSHED.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if !text.contains(server::ASKED_FOR) {
                loud(info);
            }
        }));
    });
}

fn simulate(seed: u64) -> Run {
    hush();
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .enable_random_order()
        .simulation_duration(Duration::from_mins(10))
        .tick_duration(Duration::from_millis(4))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(80))
        // A link that is held keeps what is sent on it.
        .tcp_capacity(4096)
        .build();
    let log = Log::default();
    let served = log.clone();
    sim.host("server", move || server::serve(served.clone()));
    for client in 0..CLIENTS {
        let random = Random::new(seed.wrapping_mul(31).wrapping_add(client as u64));
        sim.client(faults::name(client), client::run(client, random, log.clone()));
    }
    let faults = faults::planned(&Random::new(seed));
    let mut planned = faults.iter().peekable();
    while !sim.step().unwrap() {
        while let Some((_, fault)) = planned.next_if(|(at, _)| *at <= sim.elapsed()) {
            fault.inject(&mut sim);
        }
    }
    let records = log.records.lock().unwrap().clone();
    let calls = log.calls.lock().unwrap().clone();
    let begun = faults.into_iter().filter(|(at, _)| *at <= sim.elapsed()).collect();
    Run { faults: begun, records, calls }
}

impl Run {
    /// Whether a fault explains that the answer is another, or that there is none: the server restarted
    /// while the request's connection was open; the end of a closed half was held, and came too late;
    /// the content was held for longer than the service's limit, which is then answered.
    fn excuses(&self, record: &Record) -> bool {
        let own = |client: &usize| record.id.starts_with(&format!("{client}-"));
        let is_half_closed = record.asked.starts_with("half closed");
        let has_content = record.asked.ends_with("POST /echo");
        self.faults.iter().any(|(at, fault)| {
            let outcome = match fault {
                Fault::Restart => Some(Outcome::Failed),
                Fault::Hold(client) if own(client) && is_half_closed => Some(Outcome::Failed),
                Fault::Release(client) if own(client) && has_content => {
                    Some(Outcome::Answered(503))
                }
                Fault::Hold(_) | Fault::Release(_) | Fault::Latency(_) => None,
            };
            outcome == Some(record.outcome.clone()) && record.since <= *at && *at <= record.ended
        })
    }

    fn failed(&self) -> usize {
        self.records.iter().filter(|record| record.outcome == Outcome::Failed).count()
    }
}

fn seeds() -> u64 {
    env::var("SIMULATION_SEEDS").map_or(20, |seeds| seeds.parse().unwrap())
}

#[test]
fn every_request_is_answered_once_or_failed_by_an_injected_fault() {
    let (mut answered, mut failed, mut faults) = (0, 0, 0);
    for seed in 0..seeds() {
        let run = simulate(seed);
        for record in &run.records {
            let is_as_expected = record.outcome == record.expected;
            assert!(
                is_as_expected || run.excuses(record),
                "seed {seed}: {record:?}, {:?}",
                run.faults
            );
            let calls = run.calls.iter().filter(|id| **id == record.id).count();
            let is_refused = record.outcome == Outcome::Answered(405);
            let most = usize::from(!is_refused);
            let least = usize::from(!is_refused && record.outcome != Outcome::Failed);
            assert!((least..=most).contains(&calls), "seed {seed}: {calls} calls for {record:?}");
        }
        assert_eq!(run.records.len(), CLIENTS * client::REQUESTS, "seed {seed}");
        answered += run.records.len() - run.failed();
        failed += run.failed();
        faults += run.faults.len();
    }
    println!("{} seeds: {answered} answered, {failed} failed, {faults} faults", seeds());
    // The faults are there, and they are not all that there is.
    assert!(failed > 0 && answered > failed);
}

#[test]
fn the_same_seed_gives_the_same_statuses_and_faults() {
    for seed in [1, 2] {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
    assert_ne!(simulate(1).records, simulate(2).records);
}
