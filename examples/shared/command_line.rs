//! The command line: `--help` is no error, and what is wrong is one line and exit code 2.

use std::{fmt::Display, process::ExitCode};

use clap::Parser;

/// Returns the options, or how the program ends instead: 0 after `--help`, 2 after one line on
/// what is wrong.
pub fn options<O: Parser>() -> Result<O, ExitCode> {
    O::try_parse().map_err(|error| {
        if !error.use_stderr() {
            print!("{error}");
            return ExitCode::SUCCESS;
        }
        // What is wrong stands before the first empty line; advice and the usage follow.
        let text = error.to_string();
        let told = text.lines().map(str::trim).take_while(|line| !line.is_empty());
        eprintln!("{}", told.collect::<Vec<_>>().join(" "));
        ExitCode::from(2)
    })
}

/// Says why the program ends, and returns its exit code.
pub fn ended_by(code: u8, error: &(impl Display + ?Sized)) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}
