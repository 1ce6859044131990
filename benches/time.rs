//! Time of each path above the bare service, by short turns in one process: every round gives each
//! path a turn, and what makes one round slow makes it slow for all. The figure is the median of the
//! rounds' differences.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    dead_code,
    reason = "a measurement that cannot go on stops; figures are rounded; the paths are shared"
)]

mod fused;
mod paths;

use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path};

use tokio::time::Instant;

const ROUNDS: usize = 1_000;
const WARM_UP: usize = 10;
/// Requests of one turn: far less than a time slice, far more than a look at the clock.
const REQUESTS: usize = 200;

/// Nanoseconds of one request in each round, by path.
type Times = BTreeMap<String, Vec<f64>>;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let _entered = runtime.enter();
    let all = [paths::stack(), paths::cloned(), paths::errors(), paths::layers()];
    let mut all: Vec<_> = all.into_iter().flatten().collect();
    let mut times = Times::new();
    for round in 0..WARM_UP + ROUNDS {
        // Who is first changes with each round.
        let first = round % all.len();
        all.rotate_left(first);
        for path in &mut all {
            let begin = Instant::now();
            (0..REQUESTS).for_each(|_| (path.run)());
            let time = begin.elapsed().as_nanos() as f64 / REQUESTS as f64;
            if round >= WARM_UP {
                times.entry(path.name.clone()).or_default().push(time);
            }
        }
        all.rotate_right(first);
    }
    let names: Vec<_> = all.iter().map(|path| path.name.as_str()).collect();
    print_paths(&times, &names);
    print_targets(&times);
}

/// What each round tells of a path above the bare service of its group.
fn above_bare(times: &Times, name: &str) -> Vec<f64> {
    let bare = paths::bare_of(name).and_then(|bare| times.get(&bare));
    match bare {
        Some(bare) => times[name].iter().zip(bare).map(|(time, bare)| time - bare).collect(),
        None => times[name].clone(),
    }
}

fn print_paths(times: &Times, names: &[&str]) {
    println!(
        "{:<40}{:>10}{:>12}{:>20}",
        "path, ns for a request", "whole", "above bare", "quartiles"
    );
    let mut table = String::new();
    for name in names {
        let [_, whole, _] = quartiles(times[*name].clone());
        let [low, above, high] = quartiles(above_bare(times, name));
        let spread = format!("{low:.0} .. {high:.0}");
        println!("{name:<40}{whole:>10.0}{above:>+12.0}{spread:>20}");
        writeln!(table, "{name}\t{whole:.0}\t{above:.0}").unwrap();
    }
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("time.tsv"), table).unwrap();
}

/// Each target: what of ours, at most this part, of what of a peer's.
const TARGETS: [(&str, f64, &str); 2] = [
    ("healthy/ours", 0.65, "healthy/lean peer"),
    ("pending once/ours", 0.75, "pending once/lean peer"),
];

fn print_targets(times: &Times) {
    println!("\n{:<40}{:>10}{:>10}", "ours to the peer's", "target", "is");
    for (ours, target, peer) in TARGETS {
        let median = |name| quartiles(above_bare(times, name))[1];
        let is = median(ours) / median(peer);
        let verdict = if is <= target { "" } else { "  above" };
        println!("{ours} : {peer}\n{:<40}{target:>10.2}{is:>10.3}{verdict}", "");
    }
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}
