//! 100,000 panics at random places over 64 connections of HTTP/1.1 and 8 of HTTP/2, as often as there
//! are ways to print a panic: no sibling may be lost, no task may die. `PANICS` changes their number.
//! The ways are compared by panics for a second of CPU, which others on the machine change little.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    dead_code,
    unreachable_pub,
    reason = "a measurement that cannot go on stops; figures are rounded; its modules are the tests'"
)]

#[path = "../tests/it/panic_places/client.rs"]
mod client;
#[path = "../tests/it/panic_places/hostile.rs"]
mod hostile;
#[path = "../tests/it/panic_places/place.rs"]
mod place;
#[path = "../tests/it/panic_places/server.rs"]
mod server;
#[path = "../tests/it/panic_places/storm.rs"]
mod storm;

use std::{
    env, fs,
    process::{Command, Stdio},
    sync::atomic::Ordering,
};

/// How a process prints its panics: whether the crate's hook is installed, `RUST_BACKTRACE`.
const WAYS: [(&str, &str, &str); 4] = [
    ("default hook", "no", "0"),
    ("default hook, backtraces", "no", "1"),
    ("panic_hook", "yes", "0"),
    ("panic_hook, backtraces", "yes", "1"),
];

fn main() {
    let panics = env::var("PANICS").map_or(100_000, |panics| panics.parse().unwrap());
    if let Ok(installs) = env::var("STORM_HOOK") {
        return one(&installs, panics);
    }
    let mut rates = Vec::new();
    for (name, installs, backtrace) in WAYS {
        // A backtrace is many times dearer with the default hook: fewer of them tell as much.
        let panics = if name == "default hook, backtraces" { panics / 20 } else { panics };
        let child = Command::new(env::current_exe().unwrap())
            .env("STORM_HOOK", installs)
            .env("RUST_BACKTRACE", backtrace)
            .env("PANICS", panics.to_string())
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let figures = String::from_utf8(child.stdout).unwrap();
        assert!(child.status.success(), "{name}: {figures}");
        let figures: Vec<f64> = figures.split_whitespace().map(|f| f.parse().unwrap()).collect();
        let [siblings, time, cpu] = figures.try_into().unwrap();
        let rate = panics as f64 / if cpu > 0.0 { cpu } else { time };
        println!(
            "{name:26} {panics:6} panics, {siblings:6.0} siblings, none lost, no task dead; \
             {:6.0} panics a second, {rate:6.0} a second of CPU",
            panics as f64 / time
        );
        rates.push(rate);
    }
    let [default, _, hook, with_backtraces] = rates.try_into().unwrap();
    let kept = with_backtraces / hook;
    println!("with the hook, backtraces on, / off: {kept:.2}");
    println!(
        "with the hook, backtraces on, / the default without: {:.2}",
        with_backtraces / default
    );
    assert!(kept >= 0.8, "backtraces are paid for, though nobody prints them");
}

/// One storm; prints its siblings, its seconds and its seconds of CPU.
fn one(installs: &str, panics: usize) {
    if installs == "yes" {
        tower_contract::panic_hook::install();
    }
    hostile::RUNS_HOOK.store(true, Ordering::Relaxed);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let storm = runtime.block_on(storm::run(panics));
    let lost = (storm.wrong, storm.lost_siblings, storm.dead_tasks);
    println!("{} {} {}", storm.siblings, storm.time.as_secs_f64(), cpu_seconds());
    assert_eq!(lost, (0, 0, 0), "{storm:?}");
}

/// Of this process, as Linux says it, in hundredths; elsewhere zero.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let times = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
