//! A panic hook for processes whose contracts contain panics: opt-in, process-wide.
//!
//! Rust runs the process's panic hook before anything is caught. The default one prints each panic,
//! and with `RUST_BACKTRACE=1` a backtrace, which makes a panic many times dearer. [`install`] puts
//! a hook in its place that prints one line for a panic which a layer of this crate contains, and
//! remembers where it happened: [`PanicReport::location`](crate::PanicReport::location) and
//! [`ErrorReport::location`](crate::ErrorReport::location) then tell file, line and column. Every
//! other panic goes to the hook that was there.
//!
//! # Example
//!
//! ```
//! tower_contract::panic_hook::install();
//! ```

use std::{
    cell::{Cell, RefCell},
    io::Write,
    panic::{self, PanicHookInfo},
    sync::atomic::{AtomicBool, Ordering},
};

static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How many calls of `catch` run on this thread, one inside the other.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The last panic that ran the hook below them.
    static LAST: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// A panic, as the hook saw it.
struct Seen {
    location: String,
    message: String,
}

/// Installs the hook, in front of the one that is there. A second call changes nothing.
///
/// Call it once, early in `main`. A hook that is set later with [`std::panic::set_hook`] takes its
/// place; one that chains, as Sentry's does, is best installed before it: this hook then hands on
/// what no contract contains, and each contained panic is reported by the contract's own event.
///
/// # Panics
///
/// On a thread that panics, as [`std::panic::set_hook`] does.
pub fn install() {
    if IS_INSTALLED.swap(true, Ordering::SeqCst) {
        return;
    }
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if DEPTH.try_with(Cell::get).is_ok_and(|depth| depth > 0) {
            see(info);
        } else {
            previous(info);
        }
    }));
}

/// Remembers a panic that will be contained, and prints its line.
fn see(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let text = info.payload().downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| info.payload().downcast_ref::<String>().map(String::as_str));
    let message = text.unwrap_or("a panic whose payload is not text").to_owned();
    // Not `eprintln!`: where standard error is closed that panics, and a panic in a hook aborts.
    let line = message.escape_debug();
    let _ = writeln!(std::io::stderr(), "contained a panic at {location}: {line}");
    let _ = LAST.try_with(|last| last.replace(Some(Seen { location, message })));
}

/// Tells the hook that panics of this thread are contained from now on, until [`leave`].
///
/// False where the hook is not installed: then there is nothing to leave.
#[inline]
pub(crate) fn enter() -> bool {
    if !IS_INSTALLED.load(Ordering::Relaxed) {
        return false;
    }
    DEPTH.try_with(|depth| depth.set(depth.get() + 1)).is_ok()
}

pub(crate) fn leave() {
    let _ = DEPTH.try_with(|depth| depth.set(depth.get().saturating_sub(1)));
}

/// Where the panic with this message happened; `None` for one that ran no hook, as
/// [`resume_unwind`](panic::resume_unwind) runs none.
pub(crate) fn location_of(message: Option<&str>) -> Option<String> {
    let seen = LAST.try_with(RefCell::take).ok()??;
    let is_same = message.is_none_or(|message| message == seen.message);
    is_same.then_some(seen.location)
}
