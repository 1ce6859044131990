//! What is printed beside the report itself.

use std::{fmt::Write, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tower_contract::conformance::{Check, Report, Run};

/// All checks, one line each.
pub(crate) fn list() -> String {
    let line =
        |check: &Check| format!("{:02} {:<8} {}\n", check.id(), check.level(), check.title());
    Check::all().map(line).collect()
}

/// One check in full.
pub(crate) fn explain(id: u8) -> String {
    let Some(check) = Check::by_id(id) else { return String::new() };
    let mut out = format!("{:02} {:<8} {}\n\n", check.id(), check.level(), check.title());
    if !check.page_sees().is_empty() {
        let _ = writeln!(out, "page sees  {}", check.page_sees());
    }
    let _ = writeln!(out, "fix        {}", check.fix());
    for (name, words) in check.fixes() {
        let _ = writeln!(out, "  {name:<8} {words}");
    }
    let _ = writeln!(out, "clause     {}", check.clause());
    out
}

/// All that would be sent.
pub(crate) fn dry_run(run: &Run) -> String {
    let mut out = String::new();
    for (check, lines) in run.dry_run() {
        let _ = writeln!(out, "{:02} {}", check.id(), check.title());
        for line in lines {
            let _ = writeln!(out, "   {line}");
        }
    }
    out.push_str("\nWhat fails is sent twice again.\n");
    out
}

pub(crate) fn json(report: &Report) -> String {
    match serde_json::to_string_pretty(report) {
        Ok(json) => json + "\n",
        Err(error) => format!("{{\"error\":\"{error}\"}}\n"),
    }
}

/// A bar on the terminal, for runs that take longer than a second.
pub(crate) fn with_progress(run: Run) -> Run {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} checks") {
        bar.set_style(style);
    }
    run.on_progress(move |done, all| {
        bar.set_length(u64::try_from(all).unwrap_or_default());
        bar.set_position(u64::try_from(done).unwrap_or_default());
        // Hidden where standard error is no terminal.
        if bar.elapsed() > Duration::from_secs(1) && bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        if done == all {
            bar.finish_and_clear();
        }
    })
}
