//! Why an error happened: someone's value, whose drop takes nothing with it.

use std::{error::Error, sync::Arc};

use crate::unwind::catch;

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
        if let Err(panic) = catch(|| drop(error)) {
            panic.tell("Drop");
        }
    }
}

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
