//! The JSON API, beside the gRPC services on the same port.

use axum::{
    Json, Router,
    extract::{Path, Query, rejection::BytesRejection},
    routing::get,
};
use bytes::Bytes;
use serde_json::{Value, json};
use tower_contract::ApiError;

use crate::recordings::{self, generated::Recording};

pub fn routes() -> Router {
    // Without a fallback here tonic's own answers: 200 and a code, to whoever asks. It reads the
    // content first: hyper would close an HTTP/1.1 connection on which a client is still sending.
    Router::new()
        .route("/recordings", get(search))
        .route("/recordings/{id}", get(one))
        .fallback(async |_: Result<Bytes, BytesRejection>| ApiError::not_found())
}

async fn search(Query(query): Query<Vec<(String, String)>>) -> Json<Value> {
    let text = query.iter().find(|(key, _)| key == "text");
    let text = text.map_or("", |(_, text)| text);
    let found: Vec<_> = recordings::search(text).map(described).collect();
    Json(json!({ "recordings": found }))
}

async fn one(Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let found = recordings::find(&id).map(described);
    found.map(Json).ok_or_else(|| {
        ApiError::not_found().with_description(format!("There is no recording '{id}'."))
    })
}

fn described(recording: Recording) -> Value {
    let Recording { id, caller, agent, seconds } = recording;
    json!({ "id": id, "caller": caller, "agent": agent, "seconds": seconds })
}
