//! What the caller knows of the service; what is not known is not checked.

use std::time::Duration;

use serde::Serialize;

use crate::conformance::check::Check;

/// The shape of an error's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// The five members, bare: `{"http_method":..,"title":..,"description":..,"code":..,"uri":..}`.
    Envelope,
    /// The five members in a member `error`.
    Wrapped,
    /// Problem details (RFC 9457).
    Problem,
}

/// All inputs, as they were given.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) base: String,
    pub(super) origins: Vec<String>,
    pub(super) get: Option<String>,
    pub(super) auth: Vec<(String, String)>,
    pub(super) panic: Option<String>,
    pub(super) panic_body: Option<String>,
    pub(super) slow: Option<(String, Duration)>,
    pub(super) overload: Option<String>,
    pub(super) upstream_down: Option<String>,
    pub(super) post_json: Option<String>,
    pub(super) upload_limit: Option<(String, usize)>,
    pub(super) grpc: Option<String>,
    pub(super) grpc_slow: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) format: Option<Format>,
    pub(super) http1: bool,
    pub(super) http2: bool,
    pub(super) page_sends: Vec<String>,
    pub(super) unsafe_methods: bool,
    pub(super) load: usize,
    pub(super) skip: Vec<u8>,
    pub(super) only: Vec<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base: String::new(),
            origins: Vec::new(),
            get: None,
            auth: Vec::new(),
            panic: None,
            panic_body: None,
            slow: None,
            overload: None,
            upstream_down: None,
            post_json: None,
            upload_limit: None,
            grpc: None,
            grpc_slow: None,
            public_url: None,
            format: None,
            http1: true,
            http2: true,
            page_sends: Vec::new(),
            unsafe_methods: false,
            load: 20,
            skip: Vec::new(),
            only: Vec::new(),
        }
    }
}

/// The greatest number of requests that `--load` may send at once.
const MAX_LOAD: usize = 1_000;

impl Options {
    pub(super) fn includes(&self, check: &Check) -> bool {
        let id = check.id();
        (self.only.is_empty() || self.only.contains(&id)) && !self.skip.contains(&id)
    }

    /// Every problem of the inputs, each with what would be right.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self.origins.iter().filter_map(|o| origin_problem(o)).collect();
        let paths = [
            ("get", self.get.as_ref()),
            ("panic", self.panic.as_ref()),
            ("panic-body", self.panic_body.as_ref()),
            ("slow", self.slow.as_ref().map(|(path, _)| path)),
            ("overload", self.overload.as_ref()),
            ("upstream-down", self.upstream_down.as_ref()),
            ("post-json", self.post_json.as_ref()),
            ("upload-limit", self.upload_limit.as_ref().map(|(path, _)| path)),
        ];
        problems.extend(paths.into_iter().filter_map(|(name, path)| path_problem(name, path?)));
        for (name, value) in &self.auth {
            let name_is_valid = http::HeaderName::try_from(name.as_str()).is_ok();
            if !name_is_valid || http::HeaderValue::try_from(value.as_str()).is_err() {
                problems
                    .push("auth: it is no header line: write 'Authorization: Bearer ..'".into());
            }
        }
        for call in [&self.grpc, &self.grpc_slow].into_iter().flatten() {
            if call.starts_with('/') || call.split('/').count() != 2 {
                problems.push(format!("grpc: {call:?} is no method: write package.Service/Method"));
            }
        }
        if !(1..=MAX_LOAD).contains(&self.load) {
            problems.push(format!("load: {} is not from 1 to {MAX_LOAD}", self.load));
        }
        let ids = self.skip.iter().chain(&self.only).filter(|id| Check::by_id(**id).is_none());
        problems.extend(ids.map(|id| format!("there is no check {id}: they are 1 to 70")));
        problems
    }
}

/// Why no page has this origin, with the one that was perhaps meant.
fn origin_problem(origin: &str) -> Option<String> {
    let refused = |meant: String| Some(format!("origin: {origin:?} is no origin: write {meant}"));
    match url::Url::parse(origin) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            let serialized = url.origin().ascii_serialization();
            if serialized == origin { None } else { refused(serialized) }
        }
        // An app's page: `tauri://localhost`.
        Ok(url) if url.has_host() && matches!(url.path(), "") => None,
        Ok(url) if url.has_host() => {
            refused(format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()))
        }
        _ => refused(format!("https://{}", origin.trim_matches('/'))),
    }
}

fn path_problem(name: &str, path: &str) -> Option<String> {
    let fits = path.starts_with('/') && path.bytes().all(|b| matches!(b, b'!'..=b'~') && b != b'#');
    (!fits).then(|| {
        let slash = if path.starts_with('/') { "" } else { "/" };
        let encoded: String = path.bytes().map(encoded).collect();
        format!("{name}: {path:?} is no path: write {slash}{encoded}")
    })
}

fn encoded(byte: u8) -> String {
    match byte {
        b'#' => "%23".to_owned(),
        b'!'..=b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_with_a_correction_that_works() {
        let options = Options {
            origins: vec!["https://App.example.com/login".into(), "app.example.com".into()],
            get: Some("ping pong".into()),
            load: 0,
            skip: vec![71],
            ..Options::default()
        };
        let problems = options.problems();
        assert_eq!(
            problems,
            [
                r#"origin: "https://App.example.com/login" is no origin: write https://app.example.com"#,
                r#"origin: "app.example.com" is no origin: write https://app.example.com"#,
                r#"get: "ping pong" is no path: write /ping%20pong"#,
                "load: 0 is not from 1 to 1000",
                "there is no check 71: they are 1 to 70",
            ]
        );
        let corrected = Options {
            origins: vec!["https://app.example.com".into(), "tauri://localhost".into()],
            get: Some("/ping%20pong".into()),
            ..Options::default()
        };
        assert_eq!(corrected.problems(), [""; 0]);
    }
}
