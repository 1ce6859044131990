//! The service: a small part of a recording API, with one path for each way to fail. It is the same
//! under every stack but for the words of its own errors: under the contract they are `ApiError`,
//! elsewhere what people write.
//!
//! Only code 4020, "bad parameter", is documented by the original API; 4030 and 4040 are this
//! example's own.

use std::{convert::Infallible, future, io, time::Duration};

use axum::{
    Json, Router,
    error_handling::HandleError,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::{get, get_service, post},
};
use serde::Deserialize;
use serde_json::json;
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService,
};
use tower_contract::{ApiError, CatchErrorLayer};

/// In which words the service tells of its own errors.
#[derive(Clone, Copy, Debug)]
pub enum Words {
    /// An `ApiError`, for the contract's layers.
    Contract,
    /// What an application writes when nothing says how.
    Own,
}

pub fn routes(words: Words) -> Router {
    Router::new()
        .route("/ping", get(async || Json("pong")))
        .route("/server/mode", post(set_mode))
        .route("/recordings", get(recordings))
        .route("/recordings/{id}", get(recording))
        .route("/recordings/{id}/labels", post(add_label))
        .route("/diagnostics/panic", get(panics))
        .route("/diagnostics/slow", get(slow))
        .route("/recordings/call-01/media", get_service(caught(words, service_fn(media))))
        .route("/export", get_service(caught(words, full())))
        .layer(DefaultBodyLimit::max(16 * 1024))
        .with_state(words)
}

/// A service whose errors are told in these words.
fn caught<S>(words: Words, service: S) -> BoxCloneSyncService<Request, Response, Infallible>
where
    S: Service<Request, Response = Response, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    match words {
        Words::Contract => {
            let service = CatchErrorLayer::new().layer(service);
            BoxCloneSyncService::new(service.map_response(IntoResponse::into_response))
        }
        Words::Own => {
            let told =
                async |error: BoxError| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
            BoxCloneSyncService::new(HandleError::new(service, told))
        }
    }
}

/// A service behind a limit of no requests at all.
fn full()
-> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Clone + Sync {
    ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(0)
        .service(service_fn(async |_: Request| Ok::<_, Infallible>(().into_response())))
}

impl Words {
    fn refuse(self, error: ApiError) -> Response {
        match self {
            Self::Contract => error.into_response(),
            Self::Own => {
                let told = json!({ "error": error.description() });
                (error.status(), Json(told)).into_response()
            }
        }
    }
}

#[derive(Deserialize)]
struct Mode {
    mode: String,
}

async fn set_mode(
    State(words): State<Words>,
    Json(Mode { mode }): Json<Mode>,
) -> Result<StatusCode, Response> {
    match mode.as_str() {
        "normal" | "maintenance" => Ok(StatusCode::OK),
        _ => Err(words.refuse(
            ApiError::bad_request().with_code(4020).with_title("bad parameter").with_description(
                format!(
                    "bad parameter 'server mode' reason : \
                     server mode has not a correct value '{mode}'"
                ),
            ),
        )),
    }
}

/// Not `Basic`: browsers then ask the user before a script sees the answer.
async fn recordings(State(words): State<Words>, headers: HeaderMap) -> Response {
    if headers.contains_key(AUTHORIZATION) {
        return Json(["call-01"]).into_response();
    }
    let challenge = [(WWW_AUTHENTICATE, "Bearer realm=\"recordings\"")];
    (challenge, words.refuse(ApiError::unauthorized())).into_response()
}

async fn recording(
    State(words): State<Words>,
    Path(id): Path<String>,
) -> Result<Json<&'static str>, Response> {
    let error = match id.as_str() {
        "call-01" => return Ok(Json("call-01")),
        "call-secret" => ApiError::forbidden()
            .with_code(4030)
            .with_description("Only a supervisor may see this recording."),
        _ => ApiError::not_found()
            .with_code(4040)
            .with_description(format!("There is no recording '{id}'.")),
    };
    Err(words.refuse(error))
}

async fn add_label(Json(_label): Json<String>) -> StatusCode {
    StatusCode::CREATED
}

async fn panics() -> StatusCode {
    panic!("a bug: the database password is hunter2")
}

async fn slow() -> StatusCode {
    tokio::time::sleep(Duration::from_secs(60)).await;
    StatusCode::OK
}

/// A media store that is down.
fn media(_: Request) -> future::Ready<Result<Response, BoxError>> {
    future::ready(Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()))
}
