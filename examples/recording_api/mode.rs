//! `/server/*` and `/ping`: the server's mode, and what maintenance means.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::header;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_contract::ApiError;

use crate::{api::Api, auth::admin, content::Content, errors};

/// The page of the original API that documents its responses shows an error of `/server/mode`, and
/// names no login for it. But who can change the mode can stop the service for everybody: it asks for
/// an administrator, as the page has it for "an administrative service method".
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/ping", get(ping))
        .route("/server/status", get(status))
        .route("/server/mode", admin(post(change)))
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Production,
    Maintenance,
}

/// The mode the server is in: production, until someone changes it.
#[derive(Debug, Default)]
pub struct ModeSwitch {
    maintenance: AtomicBool,
}

#[derive(Debug, Deserialize)]
struct ChangeMode {
    mode: String,
}

async fn ping() -> impl IntoResponse {
    Json(json!({ "ping": "pong" }))
}

async fn status(State(api): State<Api>) -> impl IntoResponse {
    Json(json!({ "mode": api.mode.get() }))
}

async fn change(
    State(api): State<Api>,
    Content(content): Content<ChangeMode>,
) -> Result<impl IntoResponse, ApiError> {
    let mode = Mode::parse(&content.mode)
        .ok_or_else(|| errors::incorrect_value("server mode", &content.mode))?;
    api.mode.set(mode);
    Ok(([(header::LOCATION, "/server/status")], Json(json!({ "server changed": mode }))))
}

/// In maintenance, everything but `/server/*` is a 503. Preflights never come this far: the
/// contract's layer has answered them.
pub async fn maintenance(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    match api.mode.get() {
        Mode::Maintenance if !request.uri().path().starts_with("/server/") => {
            Err(errors::in_maintenance())
        }
        _ => Ok(next.run(request).await),
    }
}

impl Mode {
    fn parse(text: &str) -> Option<Self> {
        [("production", Self::Production), ("maintenance", Self::Maintenance)]
            .into_iter()
            .find_map(|(name, mode)| name.eq_ignore_ascii_case(text).then_some(mode))
    }
}

impl ModeSwitch {
    fn get(&self) -> Mode {
        if self.maintenance.load(Ordering::Relaxed) { Mode::Maintenance } else { Mode::Production }
    }

    fn set(&self, mode: Mode) {
        self.maintenance.store(matches!(mode, Mode::Maintenance), Ordering::Relaxed);
    }
}
