//! Time of each path by criterion, for who has a quiet machine. On a busy one `time.rs` compares the
//! paths in short turns, and `instructions.rs` counts what no other process changes.

#![expect(
    clippy::unwrap_used,
    dead_code,
    reason = "a measurement that cannot go on stops; the paths are shared by the benches"
)]

mod fused;
mod paths;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .configure_from_args();
    let all = [
        paths::stack(),
        paths::cloned(),
        paths::errors(),
        paths::panics(),
        paths::layers(),
        paths::by_origins(),
        paths::layering(),
        paths::waiting(),
    ];
    for mut path in all.into_iter().flatten() {
        let (group, name) = path.name.split_once('/').unwrap();
        let mut group = criterion.benchmark_group(group);
        group.bench_function(name, |bencher| bencher.iter(|| (path.run)()));
    }
    criterion.final_summary();
}
