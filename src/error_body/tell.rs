//! Tells of an error response, once: one event, one call of the hook.

use std::error::Error;

use http::{Extensions, HeaderMap, Response, StatusCode, response::Parts};

use super::{Settings, foreign::Foreign, rewrite::Unread};
use crate::{
    api_error::{ApiError, Cause, Members},
    report::{
        ErrorReport, Level, TextOrigin, Why, is_recorded, is_told, level, mark_response_told,
        mark_told, redacted,
    },
    request_head::RequestHead,
};

/// What is told of an error response beside what the request says.
struct Facts<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    own: Option<&'a ApiError>,
    foreign: &'a Foreign,
    masked: Option<&'a str>,
    members_left_out: bool,
    kept: bool,
}

impl<F> Settings<F> {
    /// One event and one call of the hook, unless an inner layer has told of this response.
    pub(super) fn tell(
        &self,
        request: &RequestHead,
        head: &mut Parts,
        unread: &Unread,
        members: Option<&Members>,
    ) {
        let own = ApiError::of_head(head.status, &head.extensions);
        let facts = Facts {
            status: head.status,
            headers: &head.headers,
            own,
            foreign: &unread.foreign,
            masked: unread.masked.as_deref(),
            members_left_out: members.is_some_and(Members::is_too_large),
            // An error in Connect's own JSON passes as the service wrote it.
            kept: matches!(unread.foreign, Foreign::Connect(_)),
        };
        if self.tell_facts(request, &head.extensions, &facts) {
            mark_told(head);
        }
    }

    /// The same of an error response that keeps its body.
    pub(super) fn tell_kept<B>(&self, request: &RequestHead, response: &mut Response<B>) {
        let facts = Facts {
            status: response.status(),
            headers: response.headers(),
            own: ApiError::of(response),
            foreign: &Foreign::Nothing,
            masked: None,
            members_left_out: false,
            kept: true,
        };
        if self.tell_facts(request, response.extensions(), &facts) {
            mark_response_told(response);
        }
    }

    /// Whether it was told.
    fn tell_facts(&self, request: &RequestHead, told: &Extensions, facts: &Facts<'_>) -> bool {
        let &Facts { status, headers, own, foreign, masked, members_left_out, kept } = facts;
        let cause = own.map_or(Cause::Application, ApiError::cause);
        let level = if kept { Level::Debug } else { level(cause, status.as_u16()) };
        if !(self.has_hook() || is_recorded(level)) || is_told(told) {
            return false;
        }
        let error = own.and_then(Error::source);
        let redact = &self.others.redact;
        let why = Why::of(error, redact);
        let masked = masked.map(|text| redacted(redact, text.to_owned()));
        let left_out = own.and_then(ApiError::left_out).map(|left_out| left_out.to_string());
        let left_out = left_out.or_else(|| members_left_out.then(|| "all members".to_owned()));
        let uri = request.report_uri();
        let origin = match foreign.origin() {
            TextOrigin::Status if own.is_some() => TextOrigin::ApiError,
            origin => origin,
        };
        let report = ErrorReport {
            status,
            code: own.map(ApiError::code).or(foreign.code()).unwrap_or(status.as_u16().into()),
            cause,
            method: request.method(),
            uri: uri.as_str(),
            route: request.route(),
            request_id: self.request_id(request, headers),
            origin,
            kept,
            sources: why.sources.as_deref(),
            panic: why.panic.as_deref(),
            location: why.location.as_deref(),
            masked: masked.as_deref(),
            left_out: left_out.as_deref(),
            error,
        };
        // A subscriber that panics hurts nobody.
        #[cfg(feature = "tracing")]
        let _ = crate::unwind::catch(|| report.record(level));
        #[cfg(not(feature = "tracing"))]
        let _ = level;
        self.others.on_error.run(|hook| hook(&report));
        true
    }
}
