//! Errors of an older API, read into the contract's: `{"statusCode": n, "statusMessage": ".."}`.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use tower_contract::ApiError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Old {
    status_code: u32,
    #[serde(default)]
    status_message: Value,
}

/// The error that `content` tells, if it is one of that API whose number is known.
///
/// Its number decides on the status, whatever the status was before. It is not told to the client:
/// `code` has the contract's numbers. The message is, where the new status is 4xx; the texts of a 5xx
/// are for the people who run the service.
pub fn translate(content: &[u8]) -> Option<ApiError> {
    let old: Old = serde_json::from_slice(content).ok()?;
    let status = status_of(old.status_code)?;
    let error = ApiError::new(status);
    Some(match old.status_message {
        Value::String(message) if status.is_client_error() => error.with_description(message),
        _ => error,
    })
}

const fn status_of(status_code: u32) -> Option<StatusCode> {
    Some(match status_code {
        1 | 2 => StatusCode::BAD_REQUEST,
        3 | 5 => StatusCode::FORBIDDEN,
        4 => StatusCode::INTERNAL_SERVER_ERROR,
        6 => StatusCode::NOT_FOUND,
        20 => StatusCode::UNAUTHORIZED,
        _ => return None,
    })
}
