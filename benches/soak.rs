//! The whole stack under mixed requests for `MINUTES` (30) over loopback, at a rate that leaves the
//! machine to others: panics, limits of time, errors, healthy answers, streams, rpcs, uploads. Each
//! answer is looked at, and the process's resident memory is watched.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    unreachable_pub,
    reason = "a measurement that cannot go on stops; figures are rounded; its modules are its own"
)]

#[path = "soak/client.rs"]
mod client;
#[path = "soak/service.rs"]
mod service;

use std::{
    cell::RefCell, collections::BTreeMap, env, fs, process::exit, rc::Rc, sync::atomic::Ordering,
    time::Duration,
};

use tokio::{
    task::{LocalSet, spawn_local},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use client::{ASKED, Client, Http2, RPCS};

const HTTP_1_CONNECTIONS: usize = 8;
const HTTP_2_CONNECTIONS: usize = 2;
/// Who asks on one connection of HTTP/2.
const STREAMS: usize = 4;
/// Between two requests of each.
const PAUSE: Duration = Duration::from_millis(80);

#[derive(Default)]
struct Seen {
    requests: usize,
    /// What was wrong, and how often.
    faults: BTreeMap<String, usize>,
}

fn main() {
    let minutes: f64 = env::var("MINUTES").map_or(30.0, |minutes| minutes.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let time = Duration::from_secs_f64(minutes * 60.0);
    let is_good = LocalSet::new().block_on(&runtime, soak(time));
    exit(i32::from(!is_good));
}

async fn soak(time: Duration) -> bool {
    let (address, dead) = service::serve().await;
    let seen = Rc::new(RefCell::new(Seen::default()));
    let end = Instant::now() + time;
    let mut clients = Vec::new();
    for n in 0..HTTP_1_CONNECTIONS {
        clients.push(spawn_local(ask(n, Client::Http1(address, None), end, Rc::clone(&seen))));
    }
    for n in 0..HTTP_2_CONNECTIONS {
        let connection = Http2::connect(address).await;
        for stream in 0..STREAMS {
            let client = Client::Http2(connection.clone());
            let n = HTTP_1_CONNECTIONS + n * STREAMS + stream;
            clients.push(spawn_local(ask(n, client, end, Rc::clone(&seen))));
        }
    }
    let mut resident = Vec::new();
    while Instant::now() < end {
        sleep(Duration::from_secs(1).min(time / 30)).await;
        resident.push(resident_kib());
    }
    for client in clients {
        client.await.unwrap();
    }
    report(&seen.borrow(), dead.load(Ordering::Relaxed), time, &resident)
}

/// Asks for everything in turn, each client from another place on.
async fn ask(n: usize, mut client: Client, end: Instant, seen: Rc<RefCell<Seen>>) {
    let asked = match client {
        Client::Http1(..) => &ASKED[..ASKED.len() - RPCS],
        Client::Http2(_) => &ASKED[..],
    };
    let mut pauses = interval(PAUSE);
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for asked in asked.iter().cycle().skip(n * 3) {
        pauses.tick().await;
        if Instant::now() >= end {
            return;
        }
        let fault = client.ask(asked).await;
        let mut seen = seen.borrow_mut();
        seen.requests += 1;
        if let Some(fault) = fault {
            let protocol = if let Client::Http1(..) = client { "HTTP/1.1" } else { "HTTP/2" };
            *seen.faults.entry(format!("{protocol} {}: {fault}", asked.line)).or_default() += 1;
        }
    }
}

fn report(seen: &Seen, dead: usize, time: Duration, resident: &[u64]) -> bool {
    let thirds: Vec<_> = resident.chunks(resident.len().div_ceil(3)).map(median).collect();
    let (first, last) = (thirds[0], thirds[thirds.len() - 1]);
    let faults: usize = seen.faults.values().sum();
    println!(
        "{} requests in {:.1} minutes, {faults} faults, {dead} dead tasks",
        seen.requests,
        time.as_secs_f64() / 60.0
    );
    for (fault, times) in &seen.faults {
        println!("    {times} x {fault}");
    }
    println!("resident memory, median of the first third: {first} KiB, of the last: {last} KiB");
    println!("CPU: {:.0} % of one core", cpu_seconds() / time.as_secs_f64() * 100.0);
    // The allocator keeps more of what it has been given back, the longer it runs: up to a tenth.
    let has_grown = last > first + first / 10;
    if has_grown {
        println!("the resident memory has grown");
    }
    faults == 0 && dead == 0 && !has_grown
}

fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values[values.len() / 2]
}

/// As Linux says it; zero where nobody does.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn cpu_seconds() -> f64 {
    let times = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds: u64 =
        times.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default();
    nanoseconds as f64 / 1e9
}
