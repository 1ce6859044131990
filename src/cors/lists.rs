//! What every policy says beside whose pages it is for: methods, headers, and for how long.

use std::time::Duration;

use http::HeaderValue;

use crate::cors::{
    names,
    problem::{
        CorsPolicyProblem as Problem, CorsPolicyProblemKind as Kind, CorsPolicySetting as Setting,
    },
};

/// The greatest `Access-Control-Max-Age` that any browser honours: Firefox's, one day.
const MAX_MAX_AGE: Duration = Duration::from_secs(86_400);

/// The lists as they were given.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    /// The whole lists, the contract's if nothing else is said.
    pub(super) methods: Vec<String>,
    pub(super) headers: Vec<String>,
    /// What is added to them, whatever was said first.
    pub(super) also_methods: Vec<String>,
    pub(super) also_headers: Vec<String>,
    pub(super) exposed: Vec<String>,
    pub(super) max_age: Option<Duration>,
}

/// The lists as the values of header lines.
#[derive(Debug)]
pub(super) struct ListLines {
    pub(super) methods: HeaderValue,
    pub(super) headers: Option<HeaderValue>,
    pub(super) exposed: Option<HeaderValue>,
    pub(super) max_age: Option<HeaderValue>,
}

/// What the pages of one kind need beside the contract's lists.
pub(super) struct Preset {
    methods: &'static [&'static str],
    headers: &'static [&'static str],
    exposed: &'static [&'static str],
}

/// Pages that send JSON.
pub(super) const JSON: Preset =
    Preset { methods: &["PUT", "PATCH", "DELETE"], headers: &["Content-Type"], exposed: &[] };

/// The fields of gRPC-Web that are not safelisted ("PROTOCOL-WEB.md" of the gRPC project).
pub(super) const GRPC_WEB: Preset = Preset {
    methods: &[],
    headers: &["Content-Type", "X-Grpc-Web", "X-User-Agent", "Grpc-Timeout"],
    exposed: &["Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"],
};

/// The fields of Connect that are not safelisted ("Connect Protocol Reference").
pub(super) const CONNECT: Preset = Preset {
    methods: &[],
    headers: &[
        "Content-Type",
        "Connect-Protocol-Version",
        "Connect-Timeout-Ms",
        "Connect-Content-Encoding",
        "Connect-Accept-Encoding",
        "Content-Encoding",
        "X-User-Agent",
    ],
    exposed: &["Content-Encoding", "Connect-Content-Encoding", "Grpc-Status-Details-Bin"],
};

impl Lists {
    pub(super) fn new(methods: &str, headers: &str) -> Self {
        let list = |text: &str| owned(text.split(", ").filter(|name| !name.is_empty()));
        Self {
            methods: list(methods),
            headers: list(headers),
            also_methods: Vec::new(),
            also_headers: Vec::new(),
            exposed: Vec::new(),
            max_age: None,
        }
    }

    pub(super) fn add(&mut self, preset: &Preset) {
        self.also_methods.extend(owned(preset.methods));
        self.also_headers.extend(owned(preset.headers));
        self.exposed.extend(owned(preset.exposed));
    }

    /// The lists as header values, or `None` with every problem of each told.
    pub(super) fn parse(&self, for_anyone: bool, problems: &mut Vec<Problem>) -> Option<ListLines> {
        let methods = names::methods(&[&self.methods[..], &self.also_methods].concat());
        let headers = [&self.headers[..], &self.also_headers].concat();
        let headers = names::request_fields(&headers, for_anyone);
        let exposed = names::exposed_fields(&self.exposed, for_anyone);
        let max_age = self.max_age.map(parse_max_age).transpose();
        let [methods, headers, exposed] = [methods, headers, exposed]
            .map(|line| line.map_err(|found| problems.extend(found)).ok());
        let max_age = max_age.map_err(|problem| problems.push(problem)).ok();
        // A list of methods is never empty.
        Some(ListLines {
            methods: methods??,
            headers: headers?,
            exposed: exposed?,
            max_age: max_age?,
        })
    }
}

pub(super) fn owned(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect()
}

fn parse_max_age(max_age: Duration) -> Result<HeaderValue, Problem> {
    if max_age <= MAX_MAX_AGE && max_age.subsec_nanos() == 0 {
        Ok(HeaderValue::from(max_age.as_secs()))
    } else {
        Err(Problem::new(Setting::MaxAge, Kind::OutOfRange, format!("{max_age:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_max_age_is_whole_seconds_of_at_most_a_day() {
        for (valid, max_age) in [
            (true, Duration::ZERO),
            (true, Duration::from_secs(86_400)),
            (false, Duration::from_secs(86_401)),
            (false, Duration::from_nanos(86_400_000_000_001)),
            (false, Duration::from_millis(1_500)),
            (false, Duration::MAX),
        ] {
            assert_eq!(parse_max_age(max_age).is_ok(), valid, "{max_age:?}");
        }
    }
}
