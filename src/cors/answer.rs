//! The policy, ready to be written, and what it decides about one request.

use std::{iter, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, Request, header::ORIGIN};

use crate::cors::{
    names::{CONTRACT_HEADERS, CONTRACT_METHODS},
    origins::{Admitted, Origins},
    request,
};

/// Under which name the allowed origin is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OriginHeader {
    /// `Access-Control-Allow-Origin`, which browsers read, and `Access-Control-Allow-Origins`,
    /// which the contract names; both with the same value.
    #[default]
    Both,
    /// `Access-Control-Allow-Origin` only.
    Standard,
    /// `Access-Control-Allow-Origins` only: no browser lets a page read such a response.
    Documented,
}

/// Where a request comes from, as far as its `Origin` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestOrigin {
    /// It has no `Origin`: no browser's cross-origin request, and no WebSocket of a page.
    Absent,
    /// It has exactly one, of a page that the policy admits.
    Admitted,
    /// It has another one, several, or `null`. A [public](crate::CorsPolicy::public) policy admits
    /// nobody with credentials, so every origin is foreign to it.
    Foreign,
}

/// A policy whose values are valid, as header values.
#[derive(Debug)]
pub(crate) struct CorsHeaders {
    pub(super) origins: Origins,
    pub(super) origin_header: OriginHeader,
    pub(super) methods: HeaderValue,
    /// `None`: no request header but the safelisted ones.
    pub(super) headers: Option<HeaderValue>,
    pub(super) exposed: Option<HeaderValue>,
    pub(super) max_age: Option<HeaderValue>,
    /// `None`: credentials are not allowed.
    pub(super) credentials: Option<HeaderValue>,
    /// Whether a 401 is sent so that an admitted page can read it.
    pub(super) readable_challenges: bool,
    /// Whether the request's origin is looked at; if not, the answer is the same for every page.
    pub(super) reads_origin: bool,
    /// Whether the answer depends on the request's origin.
    pub(super) varies: bool,
}

/// What one response will carry, decided from the head of its request.
///
/// Two words, because it waits in the future of each request: a policy that stays is not in it, who
/// writes has that one already.
#[derive(Debug)]
pub(crate) struct CorsAnswer(Kept);

/// The decision, and what would be gone before the response comes.
#[derive(Debug)]
enum Kept {
    Nothing(Decided),
    /// The policy of the moment.
    Policy(Decided, Arc<CorsHeaders>),
    /// The request's own origin, which a pattern admits.
    Origin(Decided, Box<ByPattern>),
}

#[derive(Debug)]
struct ByPattern {
    origin: HeaderValue,
    /// The policy of the moment, if it is kept.
    lines: Option<Arc<CorsHeaders>>,
}

#[derive(Clone, Copy, Debug)]
struct Decided {
    /// Which of the listed origins is admitted, counted from one; 0 is none of them.
    nth: u16,
    /// Which of the policies, if they are chosen by path.
    policy: u16,
    is_preflight: bool,
    varies: bool,
}

// ===== impl CorsHeaders =====

impl CorsHeaders {
    /// Lets every value be cloned without allocating: the first clone of `Bytes` made from a `Vec`
    /// allocates its reference count, here and not on a request. The contract's own lists, which
    /// most policies have, are static and have none to count.
    pub(super) fn shared(mut self) -> Arc<Self> {
        let own = [CONTRACT_METHODS, CONTRACT_HEADERS];
        for list in iter::once(&mut self.methods).chain(&mut self.headers) {
            if let Some(own) = own.into_iter().find(|own| list == own) {
                *list = HeaderValue::from_static(own);
            }
        }
        let optional = [&self.headers, &self.exposed, &self.max_age].into_iter().flatten();
        for value in self.origins.iter().chain([&self.methods]).chain(optional) {
            drop(value.clone());
        }
        Arc::new(self)
    }

    /// The decision: what the response to this request will carry.
    #[inline]
    pub(super) fn decide<B>(&self, request: &Request<B>) -> CorsAnswer {
        let (method, headers) = (request.method(), request.headers());
        let may_be_preflight = *method == Method::OPTIONS;
        if may_be_preflight || self.reads_origin {
            return self.decide_by_head(method, headers);
        }
        let varies = self.varies;
        CorsAnswer(Kept::Nothing(Decided { nth: 0, policy: 0, is_preflight: false, varies }))
    }

    fn decide_by_head(&self, method: &Method, headers: &HeaderMap) -> CorsAnswer {
        let is_preflight = request::is_preflight(method, headers);
        #[cfg(feature = "tracing")]
        if is_preflight {
            crate::cors::refused::tell(self, headers);
        }
        let decided = Decided { nth: 0, policy: 0, is_preflight, varies: self.varies };
        let admitted = if self.reads_origin { self.origins.admitted(headers) } else { None };
        CorsAnswer(match admitted {
            None => Kept::Nothing(decided),
            // The last index is not in use: there are at most 65,535 origins.
            Some(Admitted::Listed(index)) => {
                Kept::Nothing(Decided { nth: index.saturating_add(1), ..decided })
            }
            Some(Admitted::ByPattern(origin)) => {
                let kept = ByPattern { origin: origin.clone(), lines: None };
                Kept::Origin(decided, Box::new(kept))
            }
        })
    }

    pub(super) fn origin_of_request(&self, request: &HeaderMap) -> RequestOrigin {
        match self.origins.admitted(request) {
            Some(_) => RequestOrigin::Admitted,
            None if request.contains_key(ORIGIN) => RequestOrigin::Foreign,
            None => RequestOrigin::Absent,
        }
    }
}

// ===== impl CorsAnswer =====

impl CorsAnswer {
    /// Of a policy that does not exist, which no table leads to.
    pub(super) const NOTHING: Self = Self(Kept::Nothing(Decided {
        nth: 0,
        policy: u16::MAX,
        is_preflight: false,
        varies: false,
    }));

    /// Whether this layer answers by itself, and the service is not called.
    #[inline]
    pub(crate) fn is_preflight(&self) -> bool {
        self.decided().is_preflight
    }

    #[inline]
    pub(super) fn varies(&self) -> bool {
        self.decided().varies
    }

    #[inline]
    pub(super) fn policy(&self) -> u16 {
        self.decided().policy
    }

    /// Whether the request's origin is admitted, if the policy looks at it.
    pub(super) fn is_admitted(&self) -> bool {
        self.decided().nth > 0 || self.own_origin().is_some()
    }

    /// The policy that the answer keeps.
    #[inline]
    pub(super) fn kept(&self) -> Option<&CorsHeaders> {
        match &self.0 {
            Kept::Nothing(_) => None,
            Kept::Policy(_, lines) => Some(lines),
            Kept::Origin(_, kept) => kept.lines.as_deref(),
        }
    }

    /// The origin that the response names; the first one, if the request's is not admitted.
    #[inline]
    pub(super) fn origin<'a>(&'a self, lines: &'a CorsHeaders) -> Option<&'a HeaderValue> {
        let listed = self.decided().nth.saturating_sub(1);
        self.own_origin().or_else(|| lines.origins.get(listed))
    }

    #[inline]
    fn own_origin(&self) -> Option<&HeaderValue> {
        match &self.0 {
            Kept::Nothing(_) | Kept::Policy(..) => None,
            Kept::Origin(_, kept) => Some(&kept.origin),
        }
    }

    #[inline]
    fn decided(&self) -> Decided {
        match self.0 {
            Kept::Nothing(decided) | Kept::Policy(decided, _) | Kept::Origin(decided, _) => decided,
        }
    }

    #[inline]
    fn decided_mut(&mut self) -> &mut Decided {
        match &mut self.0 {
            Kept::Nothing(decided) | Kept::Policy(decided, _) | Kept::Origin(decided, _) => decided,
        }
    }

    /// The answer by a policy that can be replaced: it always varies, because the next policy may
    /// have more origins while a cache still holds this response.
    #[inline]
    pub(super) fn of_live<B>(lines: Arc<CorsHeaders>, request: &Request<B>) -> Self {
        let mut answer = lines.decide(request);
        answer.decided_mut().varies = true;
        answer.keeping(lines)
    }

    /// The answer by the policy of this path.
    #[inline]
    pub(super) fn of_policy(mut self, policy: u16) -> Self {
        self.decided_mut().policy = policy;
        self
    }

    /// Keeps the policy in the answer, which is then written without its source.
    #[inline]
    pub(super) fn keeping(self, lines: Arc<CorsHeaders>) -> Self {
        Self(match self.0 {
            Kept::Nothing(decided) | Kept::Policy(decided, _) => Kept::Policy(decided, lines),
            Kept::Origin(decided, mut kept) => {
                kept.lines = Some(lines);
                Kept::Origin(decided, kept)
            }
        })
    }
}
