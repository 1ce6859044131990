//! Checks from the command line whether a service keeps the contract.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod options;
mod show;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, error::ErrorKind};
use tower_contract::conformance::CannotCheck;

use self::options::{Check, Command, Options, Output};

/// What the exit code says.
const KEPT: u8 = 0;
const BROKEN: u8 = 1;
const CANNOT_CHECK: u8 = 2;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return usage(&error),
    };
    let Command::Check(check) = options.command;
    let code = match run(&check) {
        Ok(code) => code,
        Err(error) => {
            for reason in error.reasons() {
                let _ = writeln!(io::stderr(), "error: {reason}");
            }
            CANNOT_CHECK
        }
    };
    ExitCode::from(code)
}

/// Help goes to standard output; what is wrong with a command line is told in one line.
fn usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = Options::command().print_help();
            ExitCode::from(CANNOT_CHECK)
        }
        _ => {
            let text = error.to_string();
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let told = lines.take_while(|line| !line.starts_with("Usage:"));
            let told: Vec<_> = told.filter(|line| !line.starts_with("For more")).collect();
            let _ = writeln!(io::stderr(), "{}", told.join(" "));
            ExitCode::from(CANNOT_CHECK)
        }
    }
}

fn run(check: &Check) -> Result<u8, CannotCheck> {
    if check.list {
        return Ok(print(&show::list()));
    }
    if let Some(id) = check.explain {
        return Ok(print(&show::explain(id)));
    }
    let run = check.to_run()?;
    if check.dry_run {
        return Ok(print(&show::dry_run(&run)));
    }
    let run = show::with_progress(run);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| options::cannot(&error.to_string()))?;
    let report = runtime.block_on(run.report())?;
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    print(&match check.format {
        Output::Text => report.text().colour(colour).in_full(check.details).to_string() + "\n",
        Output::Json => show::json(&report),
        Output::Junit => report.junit(),
        Output::Markdown => report.markdown(),
    });
    Ok(if report.is_kept() { KEPT } else { BROKEN })
}

/// Nobody may be reading: a closed standard output is no reason to fail.
fn print(text: &str) -> u8 {
    let _ = io::stdout().write_all(text.as_bytes());
    KEPT
}
