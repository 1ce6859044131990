//! From any error, or from nothing, to an [`ApiError`] in one call.

use std::error::Error;

use crate::{api_error::ApiError, error_chain::error_chain};

/// Makes an [`ApiError`] of the `Err` of any `Result`, and of `None`, for `?`.
///
/// The `Err` becomes the [source](ApiError::with_source) of the given error: hooks and events tell
/// it, the client never reads it. If it is an [`ApiError`], or one is among its sources (at most 16
/// deep), that one is returned as it is: a 404 that comes through three functions stays a 404.
///
/// ```
/// use std::{error::Error, fs};
///
/// use tower_contract::{ApiError, OrApiError};
///
/// fn recording(path: &str) -> Result<String, ApiError> {
///     fs::read_to_string(path).or_api_error(ApiError::internal())
/// }
///
/// let error = recording("/no/such/file").unwrap_err();
/// assert_eq!(error, ApiError::internal());
/// assert!(error.source().unwrap().to_string().contains("No such file"));
///
/// let first = [7].first().or_api_error(ApiError::not_found())?;
/// assert_eq!(*first, 7);
/// # Ok::<(), ApiError>(())
/// ```
pub trait OrApiError<T>: sealed::Sealed {
    /// Returns the value, else this error: an [`ApiError`], or an error of yours that becomes one.
    ///
    /// # Errors
    ///
    /// The given error, with the `Err` as its source; or the [`ApiError`] that the `Err` is or has
    /// among its sources.
    fn or_api_error(self, error: impl Into<ApiError>) -> Result<T, ApiError>;

    /// Returns the value, else the error that `make` makes, which a value does not pay for.
    ///
    /// ```
    /// use tower_contract::{ApiError, OrApiError};
    ///
    /// fn of(id: u32) -> Result<u32, ApiError> {
    ///     let found = [(1, 250)].iter().find(|(other, _)| *other == id);
    ///     let missing = || ApiError::not_found().with_description(format!("There is no item {id}."));
    ///     Ok(found.or_api_error_with(missing)?.1)
    /// }
    /// assert_eq!(of(1), Ok(250));
    /// assert_eq!(of(7).unwrap_err().description(), "There is no item 7.");
    /// ```
    ///
    /// # Errors
    ///
    /// As [`or_api_error`](Self::or_api_error).
    fn or_api_error_with(self, make: impl FnOnce() -> ApiError) -> Result<T, ApiError>;
}

impl<T, E> OrApiError<T> for Result<T, E>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn or_api_error(self, error: impl Into<ApiError>) -> Result<T, ApiError> {
        self.map_err(|source| caused(source.into(), || error.into()))
    }

    fn or_api_error_with(self, make: impl FnOnce() -> ApiError) -> Result<T, ApiError> {
        self.map_err(|source| caused(source.into(), make))
    }
}

impl<T> OrApiError<T> for Option<T> {
    fn or_api_error(self, error: impl Into<ApiError>) -> Result<T, ApiError> {
        self.ok_or_else(|| error.into())
    }

    fn or_api_error_with(self, make: impl FnOnce() -> ApiError) -> Result<T, ApiError> {
        self.ok_or_else(make)
    }
}

/// The `ApiError` that `source` is or holds, else what `make` makes, caused by `source`.
#[cold]
fn caused(source: Box<dyn Error + Send + Sync>, make: impl FnOnce() -> ApiError) -> ApiError {
    let source = match source.downcast::<ApiError>() {
        Ok(error) => return *error,
        Err(source) => source,
    };
    let own = error_chain(&*source).find_map(|error| error.downcast_ref::<ApiError>());
    match own.cloned() {
        Some(error) => error,
        None => make().with_source(source),
    }
}

mod sealed {
    /// So that methods can be added to the trait.
    #[expect(unnameable_types, reason = "nobody else implements the trait")]
    pub trait Sealed {}
    impl<T, E> Sealed for Result<T, E> {}
    impl<T> Sealed for Option<T> {}
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

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

    fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> ApiError {
        Err::<(), _>(error).or_api_error(ApiError::internal()).unwrap_err()
    }

    #[test]
    fn any_err_becomes_the_source_of_the_given_error() {
        for error in [failed("why"), failed(String::from("why")), failed(io::Error::other("why"))] {
            assert_eq!(error, ApiError::internal());
            assert_eq!(error.source().unwrap().to_string(), "why");
        }
        assert!(failed(Endless).source().unwrap().is::<Endless>());
    }

    #[test]
    fn an_api_error_in_the_chain_is_returned_as_it_is() {
        let not_found = || ApiError::not_found().with_member("a", 1).with_source("why");
        let nested = io::Error::other(io::Error::other(not_found()));
        for error in [failed(not_found()), failed(io::Error::other(not_found())), failed(nested)] {
            assert_eq!(error, not_found());
            assert_eq!(error.source().unwrap().to_string(), "why");
        }
        let deep = |depth| {
            let first: Box<dyn Error + Send + Sync> = Box::new(ApiError::not_found());
            failed((1..depth).fold(first, |inner, _| Box::new(io::Error::other(inner))))
        };
        assert_eq!(deep(16), ApiError::not_found());
        assert_eq!(deep(17), ApiError::internal());
    }

    #[test]
    fn a_value_makes_no_error() {
        let make = || -> ApiError { panic!("there is a value") };
        assert_eq!(Some(1).or_api_error_with(make), Ok(1));
        assert_eq!(Ok::<_, io::Error>(1).or_api_error_with(make), Ok(1));
        assert_eq!(None::<()>.or_api_error(ApiError::gone()), Err(ApiError::gone()));
    }
}
