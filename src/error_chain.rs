//! The one walk over an error and what caused it.

use std::{error::Error, io, iter::successors};

/// How deep the sources of an error are read; one that is its own source would never end.
pub(crate) const MAX_SOURCES: usize = 16;

/// The error and what caused it, outermost first, at most 16 deep.
pub(crate) fn error_chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error| source(*error)).take(MAX_SOURCES)
}

/// What caused the error, if it says.
pub(crate) fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        // `source` of an io::Error skips the error that it was made from.
        Some(io) => io.get_ref().map(|inner| inner as _),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    /// An error that is its own source.
    #[derive(Debug)]
    struct Endless;

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("endless")
        }
    }

    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }

    #[test]
    fn an_endless_chain_of_sources_is_read_sixteen_deep() {
        assert_eq!(error_chain(&Endless).count(), 16);
    }

    #[test]
    fn the_error_that_an_io_error_was_made_from_is_among_its_sources() {
        let error = io::Error::other(io::Error::other(Endless));
        assert!(error_chain(&error).any(<dyn Error>::is::<Endless>));
        assert_eq!(error_chain(&io::Error::from(io::ErrorKind::TimedOut)).count(), 1);
    }
}
