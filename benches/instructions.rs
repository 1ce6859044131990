//! Instructions for each path: counted by callgrind, so that a busy machine does not change them.
//!
//! `cargo bench --bench instructions` starts this program again under `valgrind --tool=callgrind` and
//! prints what each path costs above the bare service, and the targets. Without valgrind it says so
//! and ends well: it is a report.

#![expect(
    clippy::unwrap_used,
    dead_code,
    reason = "a measurement that cannot go on stops; the paths are shared by the benches"
)]

mod fused;
mod paths;

use std::{collections::BTreeMap, env, fs, io::ErrorKind, path::Path, process::Command};

/// Requests for each path, after those that warm it up.
const REQUESTS: u32 = 200;
const WARM_UP: u32 = 50;

/// The argument with which this program runs itself under callgrind.
const MEASURED: &str = "--measured";

/// Instructions for one request, by path.
type Counts = BTreeMap<String, f64>;

fn main() {
    let mut arguments = env::args().skip_while(|argument| argument != MEASURED);
    if arguments.next().is_some() {
        run_paths(&arguments.next().unwrap_or_default());
        return;
    }
    let Some(counts) = count() else {
        println!("valgrind is not installed: no instructions are counted");
        return;
    };
    print_paths(&counts);
    print_targets(&counts);
    write_table(&counts);
}

// ===== under callgrind =====

fn all() -> Vec<paths::Path> {
    [
        paths::stack(),
        paths::cloned(),
        paths::errors(),
        paths::panics(),
        paths::layers(),
        paths::by_origins(),
        paths::layering(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Runs each path; callgrind writes a file at the end of each of the two functions, and starts from
/// zero after it.
///
/// For a profile of one path: `valgrind --tool=callgrind --toggle-collect='*measured_requests*'` and
/// this program with `--measured healthy/ours`.
fn run_paths(only: &str) {
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let _entered = runtime.enter();
    let chosen = |path: &paths::Path| only.is_empty() || path.name == only;
    for mut path in all().into_iter().filter(chosen) {
        first_requests(&mut path.run);
        measured_requests(&mut path.run);
        println!("{}", path.name);
    }
}

/// What is done once (a lazy static, a first growth) is not counted. Callgrind knows it by its name.
#[inline(never)]
fn first_requests(run: &mut dyn FnMut()) {
    for _ in 0..WARM_UP {
        run();
    }
}

/// What is counted. Callgrind knows it by its name.
#[inline(never)]
fn measured_requests(run: &mut dyn FnMut()) {
    for _ in 0..REQUESTS {
        run();
    }
}

// ===== the report =====

/// Instructions for one request of each path; `None` without valgrind.
fn count() -> Option<Counts> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let run = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--dump-after=*first_requests*",
            "--dump-after=*measured_requests*",
        ])
        .arg(format!("--callgrind-out-file={}/out", folder.display()))
        .arg(env::current_exe().unwrap())
        .arg(MEASURED)
        .output();
    let run = match run {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        run => run.unwrap(),
    };
    assert!(run.status.success(), "{run:?}");
    let names = String::from_utf8(run.stdout).unwrap();
    let counts = names.lines().zip(1..).map(|(name, part)| {
        let file = folder.join(format!("out.{}", 2 * part));
        let text = fs::read_to_string(&file).unwrap();
        let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total: f64 = totals.unwrap().parse().unwrap();
        (name.to_owned(), total / f64::from(REQUESTS))
    });
    Some(counts.collect())
}

/// What a path costs above the bare service of its group; the whole of it where there is none.
fn overhead(counts: &Counts, name: &str) -> f64 {
    let bare = paths::bare_of(name).and_then(|bare| counts.get(&bare));
    counts[name] - bare.copied().unwrap_or_default()
}

fn print_paths(counts: &Counts) {
    println!("{:<40}{:>12}{:>12}", "path", "whole", "above bare");
    for path in all() {
        let (whole, above) = (counts[&path.name], overhead(counts, &path.name));
        println!("{:<40}{whole:>12.0}{above:>+12.0}", path.name);
    }
}

/// Each target: what of ours, at most this part, of what of a peer's. For a healthy request it was
/// 1.17 of the floor and 0.48 of the lean peer, before panics in drops were contained and more was
/// remembered of a request.
const TARGETS: [(&str, f64, &str); 10] = [
    ("healthy/ours", 1.22, "healthy/honest floor"),
    ("healthy/ours", 0.50, "healthy/lean peer"),
    ("healthy/ours", 0.29, "healthy/equal-work peer"),
    ("healthy/ours, two urls", 0.56, "healthy/lean peer, two urls"),
    ("pending once/ours", 0.60, "pending once/lean peer"),
    ("404 text/ours", 0.37, "404 text/equal-work peer"),
    ("panic/ours", 1.05, "panic/lean peer"),
    ("origins/ours/1024", 1.05, "origins/ours/2"),
    ("origins/ours/1024", 0.25, "origins/peer/1024"),
    ("origins/ours/1", 0.50, "origins/peer/1"),
];

/// More instructions of `Layer::layer` with 1,024 origins than with one.
const LAYER_GROWTH: f64 = 100.0;

fn print_targets(counts: &Counts) {
    println!("\n{:<40}{:>10}{:>10}", "ours to the peer's", "target", "is");
    for (ours, target, peer) in TARGETS {
        let is = overhead(counts, ours) / overhead(counts, peer);
        let verdict = if is <= target { "" } else { "  above" };
        println!("{ours} : {peer}\n{:<40}{target:>10.2}{is:>10.3}{verdict}", "");
    }
    for what in ["CorsContract", "Contract"] {
        let of = |count| counts[&format!("Layer::layer/{what}/{count}")];
        let grown = of(1024) - of(1);
        println!("{what}::layer, 1,024 origins above 1\n{:<40}{LAYER_GROWTH:>10}{grown:>10.0}", "");
    }
}

/// For the plots: one line for each path.
fn write_table(counts: &Counts) {
    let line = |path: paths::Path| {
        let (whole, above) = (counts[&path.name], overhead(counts, &path.name));
        format!("{}\t{whole:.0}\t{above:.0}\n", path.name)
    };
    let table: String = all().into_iter().map(line).collect();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions.tsv");
    fs::write(file, table).unwrap();
}
