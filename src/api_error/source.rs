//! Why an error happened: someone's value, whose drop takes nothing with it.

use std::{
    any::Any,
    error::Error,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// The source of an error. It goes with the response, and is dropped where nobody expects a panic.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// `None` while it is dropped.
    error: Option<Arc<dyn Error + Send + Sync>>,
}

impl Source {
    pub(super) fn new(error: Box<dyn Error + Send + Sync>) -> Self {
        Self { error: Some(Arc::from(error)) }
    }

    pub(super) fn error(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.error.as_deref()?)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let error = self.error.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(error))) {
            tell(&*panic);
            // Its own drop may panic too: leak it rather than try.
            mem::forget(panic);
        }
    }
}

/// Tells of a panic in the drop: no answer speaks of it. A subscriber that panics hurts nobody.
#[cold]
fn tell(panic: &(dyn Any + Send)) {
    #[cfg(feature = "tracing")]
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| {
        let text = panic.downcast_ref::<&'static str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("a panic whose payload is not text");
        let line: String = text.escape_debug().take(MAX_MESSAGE).collect();
        tracing::error!(panic = line, place = "Drop", "panic");
    })) {
        mem::forget(second);
    }
    #[cfg(not(feature = "tracing"))]
    let _ = panic;
}

/// What is told of a panic: enough to find it, short enough for one line of a log.
#[cfg(feature = "tracing")]
const MAX_MESSAGE: usize = 1024;

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Hostile;

    impl fmt::Display for Hostile {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("hostile")
        }
    }

    impl Error for Hostile {}

    impl Drop for Hostile {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_source_whose_drop_panics_takes_nothing_with_it() {
        let source = Source::new(Box::new(Hostile));
        drop(source.clone());
        assert_eq!(source.error().unwrap().to_string(), "hostile");
        drop(source);
    }
}
