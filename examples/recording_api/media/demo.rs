//! A media store for trying the API without one. It knows nothing of the API but the files' lengths.

use std::{collections::HashMap, convert::Infallible, net::Ipv4Addr, ops::Range, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};
use tokio::net::TcpListener;

use super::{MediaUrl, Wav};
use crate::store::BoxError;

/// Serves a file of so many seconds under each path, for as long as the program runs.
pub async fn start(files: HashMap<String, u32>) -> Result<MediaUrl, BoxError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?).parse()?;
    let app = Router::new().route("/{*path}", get(file)).with_state(Arc::new(files));
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(url)
}

async fn file(
    State(files): State<Arc<HashMap<String, u32>>>,
    Path(path): Path<String>,
    request: HeaderMap,
) -> Response {
    let Some(&seconds) = files.get(&format!("/{path}")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let wav = Wav::of_seconds(seconds);
    let size = wav.size();
    let etag = format!("\"{size}\"");
    let part = Part::wanted(&request, &etag, size);
    let about = [(header::ETAG, etag), (header::ACCEPT_RANGES, "bytes".to_owned())];
    match part {
        Part::Whole => (about, audio(wav, 0..size)).into_response(),
        Part::Bytes(range) => {
            let place = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            let place = [(header::CONTENT_RANGE, place)];
            (StatusCode::PARTIAL_CONTENT, about, place, audio(wav, range)).into_response()
        }
        Part::Unsatisfiable => {
            let place = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            (StatusCode::RANGE_NOT_SATISFIABLE, place).into_response()
        }
    }
}

/// Computed while it is sent: the length is known before the bytes are.
fn audio(wav: Wav, range: Range<u64>) -> impl IntoResponse {
    let about = [
        (header::CONTENT_TYPE, "audio/wav".to_owned()),
        (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
    ];
    let chunks = wav.chunks(range).map(Ok::<_, Infallible>);
    (about, Body::from_stream(tokio_stream::iter(chunks)))
}

/// What part of a file a request wants (RFC 9110, 14.2).
enum Part {
    Whole,
    Bytes(Range<u64>),
    Unsatisfiable,
}

impl Part {
    /// Several ranges, and what is not understood, are the whole file: a server may do so.
    fn wanted(request: &HeaderMap, etag: &str, size: u64) -> Self {
        let other_version = request.get(header::IF_RANGE).is_some_and(|version| version != etag);
        let range = request.get(header::RANGE).and_then(|range| range.to_str().ok());
        match range.and_then(|range| Self::parse(range, size)) {
            Some(part) if !other_version => part,
            _ => Self::Whole,
        }
    }

    fn parse(range: &str, size: u64) -> Option<Self> {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let range = match (first, last) {
            ("", suffix) => size.saturating_sub(suffix.parse().ok()?)..size,
            (first, "") => first.parse().ok()?..size,
            (first, last) => {
                let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
                if last < first {
                    return None;
                }
                first..size.min(last.saturating_add(1))
            }
        };
        Some(if range.is_empty() { Self::Unsatisfiable } else { Self::Bytes(range) })
    }
}
