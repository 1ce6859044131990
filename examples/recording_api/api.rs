//! All routes, and what they share.

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware};

use crate::{
    diagnostics, labels,
    media::MediaClient,
    mode::{self, ModeSwitch},
    playback, recordings,
    store::Store,
};

/// No request of this API needs more content. A larger one is a 413.
const CONTENT_LIMIT: usize = 64 * 1024;

/// What the routes share; a clone is a few reference counts.
#[derive(Clone, Debug)]
pub struct Api {
    pub store: Store,
    pub media: MediaClient,
    pub mode: Arc<ModeSwitch>,
}

impl Api {
    pub fn new(store: Store, media: MediaClient) -> Self {
        Self { store, media, mode: Arc::default() }
    }
}

/// The whole application, except for the contract around it.
pub fn routes(api: Api, with_failures: bool) -> Router {
    let mut routes = Router::new()
        .merge(mode::routes())
        .merge(recordings::routes())
        .merge(playback::routes())
        .merge(labels::routes())
        .merge(diagnostics::routes());
    if with_failures {
        routes = routes.merge(diagnostics::failures());
    }
    routes
        .layer(DefaultBodyLimit::max(CONTENT_LIMIT))
        .layer(middleware::from_fn_with_state(api.clone(), mode::maintenance))
        .with_state(api)
}
