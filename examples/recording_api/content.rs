//! The JSON content of a request.

use axum::{
    Json,
    extract::{FromRequest, Request, rejection::JsonRejection},
    response::{IntoResponse, Response},
};

use crate::errors;

/// axum's [`Json`], with one difference: a missing or mistyped member is a 400, as the contract
/// documents it, where axum says 422.
///
/// The other rejections stay axum's own: their status and text get the envelope like any error.
#[derive(Debug)]
pub struct Content<T>(pub T);

impl<S, T> FromRequest<S> for Content<T>
where
    S: Send + Sync,
    Json<T>: FromRequest<S, Rejection = JsonRejection>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        match Json::from_request(request, state).await {
            Ok(Json(content)) => Ok(Self(content)),
            Err(JsonRejection::JsonDataError(wrong)) => {
                Err(errors::bad_parameter("content", wrong.body_text()).into_response())
            }
            Err(other) => Err(other.into_response()),
        }
    }
}
