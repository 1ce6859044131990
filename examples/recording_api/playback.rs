//! `/api/v2/recordings/{id}/play/{media}`: audio, streamed from the media store.

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use tower_contract::ApiError;

use crate::{api::Api, auth::agent, errors};

pub fn routes() -> Router<Api> {
    Router::new().route("/api/v2/recordings/{id}/play/{media}", agent(get(play)))
}

/// The path that [`routes`] has a route for; both ids consist of characters that need no escape.
pub fn path(recording: &str, media: &str) -> String {
    format!("/api/v2/recordings/{recording}/play/{media}")
}

/// What the media store is told of a request: which part is wanted, and what the client has.
const REQUEST_FIELDS: [HeaderName; 4] =
    [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// What a client is told of the store's response: what describes the audio. Everything else, the
/// hop-by-hop fields too, is between this server and the store.
const RESPONSE_FIELDS: [HeaderName; 8] = [
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// The store's body becomes the response's as it is: each part is passed on when it arrives, and
/// asked for when the client has read the one before. If the store breaks off, so does this
/// response; its length has been promised.
async fn play(
    State(api): State<Api>,
    Path((id, media)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let path = api.store.media_path(&id, &media).await?;
    let path = path.ok_or_else(|| errors::no_such_media(&id, &media))?;
    let wanted = only(&REQUEST_FIELDS, &headers);
    let audio = api.media.request(method, &path, wanted).await;
    let audio = audio.map_err(errors::media_store_failed)?;
    let mut described = only(&RESPONSE_FIELDS, audio.headers());
    if audio.headers().contains_key(header::TRANSFER_ENCODING) {
        described.remove(header::CONTENT_LENGTH); // which is not the truth (RFC 9112, 6.3)
    }
    match audio.status() {
        status @ (StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) => {
            Ok((status, described, Body::new(audio.into_body())).into_response())
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let described = only(&[header::ACCEPT_RANGES, header::CONTENT_RANGE], &described);
            Ok((described, errors::range_not_satisfiable()).into_response())
        }
        StatusCode::NOT_FOUND => Err(errors::no_such_media(&id, &media)),
        other => Err(errors::media_store_failed(format!("it answered {other}"))),
    }
}

fn only(names: &[HeaderName], fields: &HeaderMap) -> HeaderMap {
    let field = |name: &HeaderName| Some((name.clone(), fields.get(name)?.clone()));
    names.iter().filter_map(field).collect()
}
