//! Where a layer finds its policy, and its decision about a request.

use std::sync::Arc;

use http::{HeaderMap, Request, StatusCode};

use crate::cors::{
    answer::{CorsAnswer, CorsHeaders},
    live::{CorsPolicyHandle, OnePolicy},
    paths::ByPath,
    policy::CorsPolicy,
};

/// What a layer takes: a [`CorsPolicy`], a [`CorsPolicyHandle`] that the caller keeps, or a source
/// [by path](Self::by_path).
#[derive(Clone, Debug)]
pub struct CorsPolicySource {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    One(OnePolicy),
    ByPath(Arc<ByPath>),
}

// ===== the decision =====

impl CorsPolicySource {
    /// The decision: what the response to this request will carry, by the policy of this moment.
    #[inline(always)]
    pub(crate) fn decide<B>(&self, request: &Request<B>) -> CorsAnswer {
        match &self.kind {
            Kind::One(policy) => policy.decide(request),
            Kind::ByPath(paths) => decide_by_path(paths, request),
        }
    }

    /// Writes what was decided onto a response's head; the status is that of the response.
    #[inline(always)]
    pub(crate) fn write(&self, answer: &CorsAnswer, status: StatusCode, headers: &mut HeaderMap) {
        let lines = match answer.kept() {
            Some(lines) => Some(lines),
            None => self.fixed(answer.policy()).map(Arc::as_ref),
        };
        if let Some(lines) = lines {
            lines.write(answer, status, headers);
        }
    }

    /// The same decision, for who has not the source when the response comes.
    #[inline]
    pub(super) fn decide_to_keep<B>(&self, request: &Request<B>) -> CorsAnswer {
        let answer = self.decide(request);
        match self.fixed(answer.policy()) {
            Some(lines) => answer.keeping(Arc::clone(lines)),
            None => answer,
        }
    }

    #[inline]
    fn fixed(&self, policy: u16) -> Option<&Arc<CorsHeaders>> {
        match &self.kind {
            Kind::One(one) => one.fixed(),
            Kind::ByPath(paths) => paths.policy(policy)?.fixed(),
        }
    }
}

fn decide_by_path<B>(paths: &ByPath, request: &Request<B>) -> CorsAnswer {
    let index = paths.index_of(request.uri().path());
    match paths.policy(index) {
        Some(policy) => policy.decide(request).of_policy(index),
        None => CorsAnswer::NOTHING,
    }
}

// ===== impl CorsPolicySource =====

impl CorsPolicySource {
    pub(super) fn of_paths(paths: Arc<ByPath>) -> Self {
        Self { kind: Kind::ByPath(paths) }
    }
}

impl From<CorsPolicy> for CorsPolicySource {
    fn from(policy: CorsPolicy) -> Self {
        Self { kind: Kind::One(policy.into()) }
    }
}

impl From<CorsPolicyHandle> for CorsPolicySource {
    fn from(handle: CorsPolicyHandle) -> Self {
        Self { kind: Kind::One(handle.into()) }
    }
}
