//! A run: one service, and what the caller knows of it.

use std::{fmt, path::PathBuf, time::Duration};

use crate::conformance::{
    options::{Format, Options},
    transport::{Place, Server},
};

/// A run of the checks against one service, made by [`of`](super::of) and [`at`](super::at).
///
/// Everything beside the service itself is optional. What is not told is not checked, and the
/// report names the option that would check it.
#[must_use]
pub struct Run {
    pub(super) place: Place,
    pub(super) target: String,
    pub(super) options: Options,
    pub(super) token: String,
    pub(super) progress: Option<Box<Progress>>,
}

pub(super) type Progress = dyn Fn(usize, usize) + Send + Sync;

/// Why nothing could be checked: one line for each reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotCheck {
    pub(super) reasons: Vec<String>,
}

impl CannotCheck {
    /// Creates an error with one reason, for programs that add checks of their inputs.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()] }
    }

    /// The reasons, each with what would be right where there is such a thing.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl fmt::Display for CannotCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons.join("; "))
    }
}

impl std::error::Error for CannotCheck {}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options may hold credentials.
        f.debug_struct("Run").field("target", &self.target).finish_non_exhaustive()
    }
}

// ===== impl Run: what the caller knows =====

impl Run {
    pub(super) fn new(place: Place, target: String, base: String) -> Self {
        let options = Options { base, ..Options::default() };
        Self { place, target, options, token: token(), progress: None }
    }

    /// Names an origin of a front end, such as `https://app.example.com`; the first one is the page
    /// that asks, a second one lets the checks of several front ends run. Without any, the origin
    /// counts that the answer to a plain GET names.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.options.origins.push(origin.into());
        self
    }

    /// Names a path that exists and answers GET with success; else `/`, if it does.
    pub fn get(mut self, path: impl Into<String>) -> Self {
        self.options.get = Some(path.into());
        self
    }

    /// Adds a field with credentials to every request but preflights, and says that the path of
    /// [`get`](Self::get) needs it. The value is in no report.
    pub fn auth(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.auth.push((name.into(), value.into()));
        self
    }

    /// Names a path whose GET panics (or throws).
    pub fn panic_at(mut self, path: impl Into<String>) -> Self {
        self.options.panic = Some(path.into());
        self
    }

    /// Names a path whose answer fails after its body has begun.
    pub fn panic_body_at(mut self, path: impl Into<String>) -> Self {
        self.options.panic_body = Some(path.into());
        self
    }

    /// Names a path that takes longer than the service's limit, and that limit.
    pub fn slow_at(mut self, path: impl Into<String>, limit: Duration) -> Self {
        self.options.slow = Some((path.into(), limit));
        self
    }

    /// Names a path that refuses when [`load`](Self::load) requests come at once.
    pub fn overload_at(mut self, path: impl Into<String>) -> Self {
        self.options.overload = Some(path.into());
        self
    }

    /// Names a path whose upstream is down.
    pub fn upstream_down_at(mut self, path: impl Into<String>) -> Self {
        self.options.upstream_down = Some(path.into());
        self
    }

    /// Names a path that takes JSON by POST; what is sent there is never right.
    pub fn post_json_at(mut self, path: impl Into<String>) -> Self {
        self.options.post_json = Some(path.into());
        self
    }

    /// Names a path that takes a POST of at most `bytes`.
    pub fn upload_limit_at(mut self, path: impl Into<String>, bytes: usize) -> Self {
        self.options.upload_limit = Some((path.into(), bytes));
        self
    }

    /// Names a gRPC method, `package.Service/Method`; a method beside it is called.
    pub fn grpc(mut self, method: impl Into<String>) -> Self {
        self.options.grpc = Some(method.into());
        self
    }

    /// Names a gRPC method that takes longer than a millisecond; it is called.
    pub fn grpc_slow(mut self, method: impl Into<String>) -> Self {
        self.options.grpc_slow = Some(method.into());
        self
    }

    /// Names the URL under which clients know the service; `uri` members are judged by it.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.options.public_url = Some(url.into());
        self
    }

    /// Says which shape errors must have; else the one counts that the first error has.
    pub fn format(mut self, format: Format) -> Self {
        self.options.format = Some(format);
        self
    }

    /// Sends nothing over HTTP/2. By default both versions are tried.
    pub fn http1_only(mut self) -> Self {
        (self.options.http1, self.options.http2) = (true, false);
        self
    }

    /// Sends nothing over HTTP/1.1. By default both versions are tried.
    pub fn http2_only(mut self) -> Self {
        (self.options.http1, self.options.http2) = (false, true);
        self
    }

    /// Names methods (in upper case) and request fields that pages send: they must be allowed.
    pub fn page_sends<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.options.page_sends.extend(names.into_iter().map(Into::into));
        self
    }

    /// Lets checks send POST, PUT, PATCH and DELETE, the methods of [`get`](Self::get)'s path and
    /// at paths that nobody wrote.
    pub fn unsafe_methods(mut self) -> Self {
        self.options.unsafe_methods = true;
        self
    }

    /// Sets how many requests are sent at once where a check asks for load: 20, at most 1,000.
    pub fn load(mut self, requests: usize) -> Self {
        self.options.load = requests;
        self
    }

    /// Leaves out checks by their number. One that no check has is an error of the run.
    pub fn skip(mut self, ids: impl IntoIterator<Item = u8>) -> Self {
        self.options.skip.extend(ids);
        self
    }

    /// Runs these checks alone, by their number. One that no check has is an error of the run.
    pub fn only(mut self, ids: impl IntoIterator<Item = u8>) -> Self {
        self.options.only.extend(ids);
        self
    }

    /// Trusts the certificates of a PEM file, beside those of the system.
    pub fn trust(mut self, pem_file: impl Into<PathBuf>) -> Self {
        if let Place::Socket(Server { trusted, .. }) = &mut self.place {
            trusted.push(pem_file.into());
        }
        self
    }

    /// Calls `progress` with how many checks are done, and how many there are.
    pub fn on_progress(mut self, progress: impl Fn(usize, usize) + Send + Sync + 'static) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }
}

/// Sixteen characters that no other run has.
fn token() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}", RandomState::new().hash_one("tower-contract"))
}
