//! Errors by the name of their status.

use http::StatusCode;

use crate::api_error::ApiError;

impl ApiError {
    /// Creates a 400: a parameter is missing or wrong, or the syntax is.
    pub const fn bad_request() -> Self {
        Self::new(StatusCode::BAD_REQUEST)
    }

    /// Creates a 401: credentials are missing or incorrect. Add the challenge with
    /// [`with_challenge`](Self::with_challenge) (RFC 9110, 15.5.2).
    pub const fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED)
    }

    /// Creates a 403: forbidden; the description says why.
    pub const fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN)
    }

    /// Creates a 404: no such resource.
    pub const fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND)
    }

    /// Creates a 405: the resource does not support the method. Add `Allow` with
    /// [`with_header`](Self::with_header) (RFC 9110, 15.5.6).
    pub const fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED)
    }

    /// Creates a 409: the request conflicts with the state of the resource.
    pub const fn conflict() -> Self {
        Self::new(StatusCode::CONFLICT)
    }

    /// Creates a 410: the resource was there and will not come back.
    pub const fn gone() -> Self {
        Self::new(StatusCode::GONE)
    }

    /// Creates a 413: the content of the request is larger than the service takes.
    pub const fn payload_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Creates a 415: the media type or the coding of the request content is not supported.
    pub const fn unsupported_media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    /// Creates a 422: the content is well formed and says something that cannot be done; say what
    /// with [`with_field`](Self::with_field).
    pub const fn unprocessable() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// Creates a 429: too many requests of this client. Say when to come back with
    /// [`with_retry_after`](Self::with_retry_after).
    pub const fn too_many_requests() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Creates a 500: an unexpected error.
    pub const fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Creates a 501: the service does not know the method.
    pub const fn not_implemented() -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED)
    }

    /// Creates a 502: a system behind the service is unavailable or returned an error.
    pub const fn bad_gateway() -> Self {
        Self::new(StatusCode::BAD_GATEWAY)
    }

    /// Creates a 503: the service cannot process the request now.
    pub const fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// Creates a 504: a system behind the service did not answer in time.
    pub const fn gateway_timeout() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_constructor_makes_the_error_of_its_status() {
        const ALL: [(ApiError, u16); 16] = [
            (ApiError::bad_request(), 400),
            (ApiError::unauthorized(), 401),
            (ApiError::forbidden(), 403),
            (ApiError::not_found(), 404),
            (ApiError::method_not_allowed(), 405),
            (ApiError::conflict(), 409),
            (ApiError::gone(), 410),
            (ApiError::payload_too_large(), 413),
            (ApiError::unsupported_media_type(), 415),
            (ApiError::unprocessable(), 422),
            (ApiError::too_many_requests(), 429),
            (ApiError::internal(), 500),
            (ApiError::not_implemented(), 501),
            (ApiError::bad_gateway(), 502),
            (ApiError::unavailable(), 503),
            (ApiError::gateway_timeout(), 504),
        ];
        for (error, status) in ALL {
            assert_eq!((error.status().as_u16(), error.code()), (status, status.into()));
        }
    }
}
