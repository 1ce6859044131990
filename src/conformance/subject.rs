//! What is known of the service when a check is made: the inputs, and what its first answers say.

use std::time::Duration;

use serde::Serialize;

use crate::conformance::{
    answer::{Answer, Version},
    ask::Ask,
    check::Unmet,
    envelope,
    options::{Format, Options},
};

/// What the first answers of a service say of it; a report opens with it.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and none excludes another"
)]
pub struct Profile {
    /// The versions of HTTP that it speaks.
    pub versions: Vec<Version>,
    /// The front end: the first `--origin`, else the one that an answer names.
    pub front_end: Option<String>,
    /// Whether an answer named the front end, and not the caller.
    pub front_end_is_guessed: bool,
    /// Whether every origin may read it, without credentials (`*`).
    pub public: bool,
    /// Whether it sends `Access-Control-Allow-Origins` beside the standard's field.
    pub documented_origin_field: bool,
    /// Whether `Vary` says that several front ends are told apart.
    pub several_front_ends: bool,
    /// The shape of its errors, where it is a known one.
    pub format: Option<Format>,
    /// What it says that it is (`Server`).
    pub server: Option<String>,
    /// What it says that it is made with (`X-Powered-By`).
    pub powered_by: Option<String>,
    /// The path that exists.
    pub existing: Option<String>,
    /// The status of the answer to a path that nobody wrote.
    pub nowhere: u16,
    /// Whether it answers calls of gRPC alone.
    pub grpc_only: bool,
    /// The time of a healthy answer, in milliseconds.
    pub baseline_ms: u64,
}

/// The service as checks see it.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) options: Options,
    pub(super) profile: Profile,
    /// Makes the paths and origins of this run its own.
    pub(super) token: String,
    pub(super) in_process: bool,
    pub(super) is_tls: bool,
    /// The fields of CORS that a healthy answer without `Origin` lacks: check 6 tells of them.
    pub(super) lacking: Vec<String>,
}

/// An origin for a service that lets every page read.
const ANY_PAGE: &str = "https://page.example.com";

const GRPC_ONLY: &str = "it answers calls of gRPC alone";

// ===== impl Profile =====

impl Profile {
    /// What is assumed where nothing is sent: all that could be sent is planned.
    pub(super) fn assumed(options: &Options) -> Self {
        let mut profile = Self {
            versions: spoken(options).collect(),
            existing: Some(options.get.clone().unwrap_or_else(|| root(options))),
            nowhere: 404,
            ..Self::default()
        };
        profile.front_end = options.origins.first().cloned();
        if profile.front_end.is_none() {
            profile.front_end = Some("https://the-front-end.example".to_owned());
            profile.front_end_is_guessed = true;
        }
        profile
    }

    /// Takes in the answer to a path that exists, asked without `Origin`.
    pub(super) fn hear_healthy(&mut self, options: &Options, path: &str, answer: &Answer) {
        let named = answer.one("access-control-allow-origin");
        self.public = named == Some("*") && !answer.has("access-control-allow-credentials");
        self.front_end = options.origins.first().cloned();
        if self.front_end.is_none() {
            self.front_end_is_guessed = true;
            self.front_end = match named {
                Some("*") => Some(ANY_PAGE.to_owned()),
                named => named.map(str::to_owned),
            };
        }
        self.documented_origin_field = answer.has("access-control-allow-origins");
        self.several_front_ends = answer.lists("vary", "origin");
        self.server = answer.one("server").map(str::to_owned);
        self.powered_by = answer.one("x-powered-by").map(str::to_owned);
        if answer.is_success() {
            self.existing = Some(path.to_owned());
        }
    }

    /// Takes in the answer to a path that does not exist.
    pub(super) fn hear_nowhere(&mut self, options: &Options, answer: &Answer) {
        self.nowhere = answer.status;
        self.grpc_only = answer.status == 200 && answer.has("grpc-status");
        if self.grpc_only {
            self.existing = None;
        }
        self.format = options.format.or_else(|| envelope::recognised(answer));
    }
}

/// The versions that may be tried.
pub(super) fn spoken(options: &Options) -> impl Iterator<Item = Version> + use<> {
    let all = [(Version::Http1, options.http1), (Version::Http2, options.http2)];
    all.into_iter().filter(|(_, wanted)| *wanted).map(|(version, _)| version)
}

/// The path of the URL that was given.
pub(super) fn root(options: &Options) -> String {
    if options.base.is_empty() { "/".to_owned() } else { options.base.clone() }
}

// ===== impl Subject: what may be asked =====

impl Subject {
    /// A request with the credentials that were given.
    pub(super) fn ask(&self, method: &str, target: &str) -> Ask {
        let ask = Ask::new(method, target);
        self.options
            .auth
            .iter()
            .fold(ask, |ask, (name, value)| ask.with(&name.to_ascii_lowercase(), value.clone()))
    }

    pub(super) fn get(&self, target: &str) -> Ask {
        self.ask("GET", target)
    }

    /// A path that nobody wrote.
    pub(super) fn nowhere(&self) -> String {
        self.beside("nowhere")
    }

    /// A path of this run below the service's own.
    pub(super) fn beside(&self, name: &str) -> String {
        format!("{}/tower-contract-{}/{name}", self.options.base, self.token)
    }

    /// An origin that no policy can name.
    pub(super) fn foreign(&self) -> String {
        format!("https://foreign-{}.invalid", self.token)
    }

    pub(super) fn canary(&self) -> String {
        format!("canary-{}", self.token)
    }

    /// The origin of the page, or what would tell it.
    pub(super) fn front_end(&self) -> Result<&str, Unmet> {
        let missing = || Unmet::new("no answer names a front end", "--origin URL");
        self.profile.front_end.as_deref().ok_or_else(missing)
    }

    /// Two front ends.
    pub(super) fn two_front_ends(&self) -> Result<(&str, &str), Unmet> {
        match self.options.origins.as_slice() {
            [first, second, ..] => Ok((first, second)),
            _ => Err(Unmet::new("it takes two front ends", "--origin, twice")),
        }
    }

    /// A path that exists.
    pub(super) fn existing(&self) -> Result<&str, Unmet> {
        let missing = || match &self.options.get {
            _ if self.profile.grpc_only => Unmet::new(GRPC_ONLY, ""),
            Some(path) => Unmet::new(format!("GET {path} is no success"), "--auth, --get"),
            None => Unmet::new("no path is known that exists", "--get /path"),
        };
        self.profile.existing.as_deref().ok_or_else(missing)
    }

    /// A path to ask where it does not matter whether it exists.
    pub(super) fn any_path(&self) -> String {
        self.profile.existing.clone().unwrap_or_else(|| root(&self.options))
    }

    /// That a path which nobody wrote is an error; with a page for every path it is not.
    pub(super) fn nowhere_fails(&self) -> Result<(), Unmet> {
        match self.profile.nowhere {
            _ if self.profile.grpc_only => Err(Unmet::new(GRPC_ONLY, "")),
            400..=599 => Ok(()),
            status => Err(Unmet::new(format!("a path that nobody wrote is answered {status}"), "")),
        }
    }

    pub(super) fn baseline(&self) -> Duration {
        Duration::from_millis(self.profile.baseline_ms)
    }
}

/// The path of an option.
pub(super) fn route<'a>(path: Option<&'a String>, option: &'static str) -> Result<&'a str, Unmet> {
    path.map(String::as_str).ok_or_else(|| Unmet::new("no such route is named", option))
}
