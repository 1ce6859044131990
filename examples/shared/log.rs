//! The log: lines on standard error, as text or as JSON.

use std::{io, panic};

use tracing::error;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// What the program logs, and how.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Log")]
pub struct Log {
    /// How a line of the log is written, on standard error
    #[arg(long = "log", value_name = "FORM", value_enum, default_value_t = Form::Text)]
    form: Form,

    /// What is logged: a 5xx is `error`, a limit that passed `warn`, a 4xx `debug`
    #[arg(long = "log-level", value_name = "LEVEL", default_value = "info")]
    level: LevelFilter,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    Text,
    Json,
}

impl Log {
    /// Begins to log. The contract tells each error response in one event: with the id of its
    /// request, its route, and why it happened.
    pub fn start(self) {
        let lines = fmt::layer().with_writer(io::stderr).with_ansi(false);
        // Where standard error is closed, a line is lost and nothing else.
        let lines = lines.log_internal_errors(false);
        let lines = match self.form {
            Form::Text => lines.with_target(false).boxed(),
            Form::Json => lines.json().flatten_event(true).boxed(),
        };
        // What other libraries say below a warning is about their insides.
        let own = ["tower_contract", env!("CARGO_CRATE_NAME")].map(|name| (name, self.level));
        let targets = Targets::new().with_default(self.level.min(LevelFilter::WARN));
        Registry::default().with(lines.with_filter(targets.with_targets(own))).init();
        panic::set_hook(Box::new(log_panic));
    }
}

/// Says where a panic happened. If a contract contains it, a second line says for which request.
fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let text = panic.payload().downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str));
    let location = panic.location().map(ToString::to_string);
    error!(location, panic = text, "panicked");
}
