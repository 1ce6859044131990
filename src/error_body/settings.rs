//! How error bodies are written, what keeps its own, and who is told.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use http::{HeaderMap, Method, Request, StatusCode, response::Parts};

use super::uri::UriRule;
use crate::{
    api_error::ApiError,
    format::EnvelopeFormat,
    report::{ErrorReport, Level, Redact, is_recorded},
    request_head::{Noted, RequestHead, Wanted, id_line},
    unwind::Hook,
};

/// How error bodies are written, and who is told.
#[derive(Debug)]
pub(crate) struct Settings<F> {
    pub(super) format: F,
    pub(super) others: Others,
    /// Whether making a timer has failed once: the runtime has no time, and is not asked again.
    pub(super) has_no_timer: AtomicBool,
}

/// What does not depend on the format.
#[derive(Clone, Debug)]
pub(super) struct Others {
    pub(super) uri: UriRule,
    pub(super) read_time: Duration,
    pub(super) on_error: Hook<OnError>,
    pub(super) redact: Hook<Redact>,
    pub(super) keep_if: Hook<KeepIf>,
    pub(super) understand: Hook<Understand>,
    pub(super) keeps_members: bool,
    /// `None` where nothing more is remembered of a request.
    pub(super) wanted: Option<Arc<Wanted>>,
}

pub(super) type OnError = dyn Fn(&ErrorReport<'_>) + Send + Sync;
pub(super) type KeepIf = dyn Fn(&Method, &str, &Parts) -> bool + Send + Sync;
pub(super) type Understand =
    dyn Fn(StatusCode, &HeaderMap, &[u8]) -> Option<ApiError> + Send + Sync;

/// How long content of the service's own is waited for.
const READ_TIME: Duration = Duration::from_secs(1);

impl Default for Settings<EnvelopeFormat> {
    fn default() -> Self {
        let others = Others {
            uri: UriRule::default(),
            read_time: READ_TIME,
            on_error: Hook::NONE,
            redact: Hook::NONE,
            keep_if: Hook::NONE,
            understand: Hook::NONE,
            keeps_members: false,
            wanted: None,
        };
        Self { format: EnvelopeFormat, others, has_no_timer: AtomicBool::new(false) }
    }
}

impl<F> Settings<F> {
    pub(super) fn with_format<G>(&self, format: G) -> Settings<G> {
        let others = self.others.clone();
        Settings { format, others, has_no_timer: AtomicBool::new(false) }
    }

    /// What is remembered of a request: what someone asked for, and its route where someone is told
    /// of errors.
    #[inline(always)]
    pub(crate) fn head_of<B>(&self, request: &Request<B>) -> RequestHead {
        let wanted = self.others.wanted.as_deref();
        let tells = cfg!(feature = "axum") && (self.has_hook() || is_recorded(Level::Error));
        let noted = if wanted.is_some() || tells { Noted::of(request, wanted) } else { None };
        RequestHead::noting(request, noted)
    }

    /// The id of the request, where one is wanted: what the client sent, else what the service
    /// says.
    pub(super) fn request_id<'a>(
        &self,
        request: &'a RequestHead,
        response: &'a HeaderMap,
    ) -> Option<&'a str> {
        let name = self.others.wanted.as_deref()?.request_id.as_ref()?;
        request.request_id().or_else(|| id_line(response, name)?.to_str().ok())
    }

    /// Whether a hook wants to know of errors.
    pub(crate) fn has_hook(&self) -> bool {
        self.others.on_error.is_set()
    }
}

impl<F: Clone> Clone for Settings<F> {
    fn clone(&self) -> Self {
        self.with_format(self.format.clone())
    }
}
