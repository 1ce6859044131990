//! `/api/v2/recording-label-definitions`: the labels that recordings may get.

use axum::{
    Json, Router,
    extract::{Path, State},
    response::IntoResponse,
    routing::{delete, get, post},
};
use http::{StatusCode, header};
use serde::Deserialize;
use tower_contract::ApiError;

use crate::{
    api::Api,
    auth::{admin, agent, supervisor},
    content::Content,
    errors,
    store::Label,
};

const PATH: &str = "/api/v2/recording-label-definitions";

pub fn routes() -> Router<Api> {
    Router::new().route(PATH, agent(get(list)).merge(supervisor(post(create)))).route(
        "/api/v2/recording-label-definitions/{name}",
        agent(get(read)).merge(admin(delete(remove))),
    )
}

#[derive(Debug, Deserialize)]
struct NewLabel {
    name: String,
    #[serde(default)]
    description: String,
}

async fn list(State(api): State<Api>) -> Result<impl IntoResponse, ApiError> {
    Ok(Json(api.store.labels().await?))
}

async fn create(
    State(api): State<Api>,
    Content(content): Content<NewLabel>,
) -> Result<impl IntoResponse, ApiError> {
    let label = content.check()?;
    if !api.store.add_label(label.clone()).await? {
        return Err(errors::label_exists(&label.name));
    }
    let location = [(header::LOCATION, format!("{PATH}/{}", label.name))];
    Ok((StatusCode::CREATED, location, Json(label)))
}

async fn read(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let label = api.store.label(&name).await?;
    label.map(Json).ok_or_else(|| errors::no_such_label(&name))
}

async fn remove(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    if api.store.delete_label(&name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(errors::no_such_label(&name))
    }
}

impl NewLabel {
    /// The name becomes part of a path: it is made of what needs no escape there.
    fn check(self) -> Result<Label, ApiError> {
        let needs_no_escape = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(needs_no_escape) {
            let reason = "it is not 1 to 64 of the characters A-Z, a-z, 0-9, - and _";
            return Err(errors::bad_parameter("name", reason));
        }
        Ok(Label { name: self.name, description: self.description })
    }
}
