//! `/api/v2/recordings`: search, read, protect and delete recordings.

use std::collections::BTreeMap;

use axum::{
    Extension, Json, Router,
    extract::{Path, Query, State},
    response::IntoResponse,
    routing::{delete, get, post},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_contract::ApiError;

use crate::{
    api::Api,
    auth::{Role, User, admin, agent, supervisor},
    content::Content,
    errors,
    media::MediaClient,
    playback,
    search::Search,
    store::{Deletion, MediaFile, Recording},
    timestamp::Timestamp,
};

pub const PATH: &str = "/api/v2/recordings";

pub fn routes() -> Router<Api> {
    Router::new().route(PATH, supervisor(get(search))).route(
        "/api/v2/recordings/{id}",
        agent(get(read)).merge(supervisor(post(operate))).merge(admin(delete(remove))),
    )
}

async fn search(
    State(api): State<Api>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<impl IntoResponse, ApiError> {
    let search = Search::parse(&parameters)?;
    let found = api.store.search(search.clone()).await?;
    let recordings = found.page.into_iter().map(|one| Representation::of(one, &api.media));
    Ok(Json(SearchResult {
        recordings: recordings.collect(),
        page: search.page(),
        page_size: search.page_size(),
        total: found.total,
        previous: search.previous(found.total),
        next: search.next(found.total),
    }))
}

async fn read(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let recording = api.store.recording(&id).await?;
    let recording = recording.ok_or_else(|| errors::no_such_recording(&id))?;
    Ok(Json(Representation::of(recording, &api.media)))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation_name: String,
}

/// Supervisors protect a recording from deletion; only an administrator takes that back.
async fn operate(
    State(api): State<Api>,
    Extension(user): Extension<User>,
    Path(id): Path<String>,
    Content(operation): Content<Operation>,
) -> Result<impl IntoResponse, ApiError> {
    let protect = match operation.operation_name.as_str() {
        "applyNonDelete" => true,
        "unapplyNonDelete" => {
            user.must_be(Role::Admin)?;
            false
        }
        other => return Err(errors::incorrect_value("operationName", other)),
    };
    if !api.store.protect(&id, protect).await? {
        return Err(errors::no_such_recording(&id));
    }
    Ok(Json(json!({ "id": id, "nonDelete": protect })))
}

async fn remove(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    match api.store.delete(&id).await? {
        Deletion::Done => Ok(StatusCode::NO_CONTENT),
        Deletion::Protected => Err(errors::recording_is_protected(&id)),
        Deletion::NotFound => Err(errors::no_such_recording(&id)),
    }
}

// ===== what a client reads =====

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SearchResult {
    recordings: Vec<Representation>,
    page: u32,
    page_size: u32,
    total: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Representation {
    id: String,
    caller_phone_number: String,
    dialed_phone_number: String,
    start_time: Timestamp,
    stop_time: Timestamp,
    media_files: Vec<MediaRepresentation>,
}

/// Duration (in seconds) and size (in bytes) are strings, as the original API has them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MediaRepresentation {
    media_id: String,
    media_uri: String,
    play_path: String,
    r#type: String,
    duration: String,
    size: String,
    start_time: Timestamp,
    stop_time: Timestamp,
    parameters: BTreeMap<String, String>,
}

impl Representation {
    fn of(recording: Recording, media: &MediaClient) -> Self {
        let files = recording.media_files.into_iter();
        Self {
            media_files: files
                .map(|file| MediaRepresentation::of(file, &recording.id, media))
                .collect(),
            id: recording.id,
            caller_phone_number: recording.caller,
            dialed_phone_number: recording.dialed,
            start_time: recording.start,
            stop_time: recording.stop,
        }
    }
}

impl MediaRepresentation {
    fn of(file: MediaFile, recording: &str, media: &MediaClient) -> Self {
        Self {
            media_uri: media.uri_of(&file.path),
            play_path: playback::path(recording, &file.id),
            media_id: file.id,
            r#type: file.media_type,
            duration: file.start.seconds_until(file.stop).to_string(),
            size: file.size.to_string(),
            start_time: file.start,
            stop_time: file.stop,
            parameters: file.parameters,
        }
    }
}
