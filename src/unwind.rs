//! Runs someone else's code and keeps its panic.

use std::{
    any::Any,
    error::Error,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use crate::panic_hook;

/// What is told of a panic in hooks and events: enough to find it, short enough for one log line.
const MAX_MESSAGE_BYTES: usize = 1024;

/// Runs `code`; a panic is its `Err`.
///
/// That `code` is unwind safe is asserted, not known: a mutex may be poisoned, a half-done change
/// of shared state may stay. Whoever panics is never called again by the caller of this function.
#[inline(always)]
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_payload(code).map_err(Panic::new)
}

/// As [`catch`], for what every request passes: a large value is moved once less, because it comes
/// as the standard library returns it. Its panic is to be made a [`Panic`] at once.
#[inline(always)]
pub(crate) fn catch_payload<T>(code: impl FnOnce() -> T) -> thread::Result<T> {
    let entered = panic_hook::enter();
    let outcome = catch_unwind(AssertUnwindSafe(code));
    if entered {
        panic_hook::leave();
    }
    outcome
}

/// A caught panic. Dropping it never panics, even where dropping its payload does.
pub(crate) struct Panic {
    payload: Option<Box<dyn Any + Send>>,
    /// File, line and column, where the hook of this crate saw it.
    location: Option<String>,
}

impl Panic {
    #[cold]
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        let mut panic = Self { payload: Some(payload), location: None };
        panic.location = panic_hook::location_of(panic.text());
        panic
    }

    fn text(&self) -> Option<&str> {
        let payload = self.payload.as_deref()?;
        let text = payload.downcast_ref::<&'static str>().copied();
        text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }

    /// The message, on one line: escaped, and cut at 1 KiB. For the log, never for the client.
    pub(crate) fn message(&self) -> String {
        escaped(self.text().unwrap_or("a panic whose payload is not text"))
    }

    /// Tells of a panic of which no answer speaks and no hook is told: in one event, where someone
    /// subscribes.
    #[cold]
    pub(crate) fn tell(&self, place: &'static str) {
        // A subscriber that panics hurts nobody.
        #[cfg(feature = "tracing")]
        let _ = catch(|| {
            let location = self.location.as_deref();
            tracing::error!(panic = self.message(), place, location, "panic");
        });
        #[cfg(not(feature = "tracing"))]
        let _ = (self, place);
    }

    /// What it said, as the source of an error.
    pub(crate) fn told(&self) -> Panicked {
        Panicked { message: self.message(), location: self.location.clone() }
    }
}

/// What a caught panic said, as the source of the error that it became. Never sent.
#[derive(Debug)]
pub(crate) struct Panicked {
    /// One escaped line.
    pub(crate) message: String,
    /// File, line and column, where they are known.
    pub(crate) location: Option<String>,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Panicked {}

impl Drop for Panic {
    fn drop(&mut self) {
        let payload = self.payload.take();
        if let Err(second) = catch(|| drop(payload)) {
            // Its payload may be of the same kind: leak it rather than try again.
            mem::forget(second);
        }
    }
}

/// `text` as one line of a log: controls, quotes and bidi characters escaped, at most 1 KiB.
pub(crate) fn escaped(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars() {
        let whole = line.len();
        line.extend(character.escape_debug());
        if line.len() > MAX_MESSAGE_BYTES {
            line.truncate(whole);
            break;
        }
    }
    line
}

/// `text` as [`escaped`] text, where what is escaped in it already stays so.
pub(crate) fn escaped_again(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars() {
        let whole = line.len();
        match character {
            '\\' | '\'' | '"' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
        if line.len() > MAX_MESSAGE_BYTES {
            line.truncate(whole);
            break;
        }
    }
    line
}

/// `error` as [`escaped`] text, read only as far as the line goes; empty if its `Display` panics.
pub(crate) fn displayed(error: &dyn fmt::Display) -> String {
    let mut text = Beginning(String::new());
    // An Err is the signal that the line is full.
    let _ = catch(|| fmt::Write::write_fmt(&mut text, format_args!("{error}")));
    escaped(&text.0)
}

/// A writer that takes the first KiB and refuses the rest, so that an endless `Display` ends.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_MESSAGE_BYTES.saturating_sub(self.0.len());
        if text.len() > room {
            let fits = (0..=room).rev().find_map(|end| text.get(..end));
            self.0.push_str(fits.unwrap_or_default());
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// A user's function that a layer calls when something went wrong, never for a healthy request.
///
/// A panic in it is swallowed, and told in an event: it must not turn one failure into two.
pub(crate) struct Hook<F: ?Sized>(Option<Arc<F>>);

impl<F: ?Sized> Hook<F> {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn new(function: Arc<F>) -> Self {
        Self(Some(function))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Runs `call` with the user's function, if there is one and it does not panic.
    pub(crate) fn run<T>(&self, call: impl FnOnce(&F) -> T) -> Option<T> {
        let function = self.0.as_deref()?;
        catch(|| call(function)).inspect_err(|panic| panic.tell("Hook")).ok()
    }
}

impl<F: ?Sized> Clone for Hook<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: ?Sized> fmt::Debug for Hook<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "set" } else { "none" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    struct DropPanics;

    impl Drop for DropPanics {
        fn drop(&mut self) {
            panic_any(DropPanicsToo);
        }
    }

    struct DropPanicsToo;

    impl Drop for DropPanicsToo {
        fn drop(&mut self) {
            panic!("never dropped");
        }
    }

    fn message_of(code: impl FnOnce()) -> String {
        catch(code).expect_err("it panics").message()
    }

    #[test]
    fn a_message_is_one_escaped_line_of_at_most_one_kib() {
        assert_eq!(message_of(|| panic!("static")), "static");
        assert_eq!(message_of(|| panic!("with {}", 1)), "with 1");
        assert_eq!(message_of(|| panic!("a\nb\u{1b}[31m\u{202e}")), "a\\nb\\u{1b}[31m\\u{202e}");
        assert_eq!(message_of(|| panic!("{}", "é".repeat(2000))).len(), 1024);
        assert_eq!(message_of(|| panic_any(7)), "a panic whose payload is not text");
    }

    #[test]
    fn a_payload_whose_drop_panics_is_dropped_in_silence() {
        drop(catch(|| panic_any(DropPanics)));
    }

    #[test]
    fn a_hook_that_panics_is_swallowed() {
        let hook: Hook<dyn Fn() -> u8> = Hook::new(Arc::new(|| panic!("hook")));
        assert_eq!(hook.run(|function| function()), None);
        let hook: Hook<dyn Fn() -> u8> = Hook::new(Arc::new(|| 7));
        assert_eq!(hook.run(|function| function()), Some(7));
    }
}
