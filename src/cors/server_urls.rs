//! The origins that an operator writes down, and what is said about those that are none.

use http::HeaderValue;

#[cfg(feature = "subdomains")]
use crate::cors::subdomains::{self, Subdomains};
use crate::cors::{
    app_origin,
    origin::{self, Origin},
    problem::{
        CorsPolicyProblem as Problem, CorsPolicyProblemKind as Kind, CorsPolicySetting as Setting,
    },
};

/// As many as an index of two bytes tells apart. The request's cost does not depend on it.
const MAX_ORIGINS: usize = 65_535;

const PATTERN: &str = "a pattern is no origin: write each origin, or see subdomains_of for all hosts \
    below one and any_loopback_port for local ports";
const BASE: &str = "a pattern is no origin: write the host below which all are allowed";
const ANYONE: &str = "a pattern is no origin: for every page, without credentials, there is \
    CorsPolicy::public()";
const PRIVATE: &str = "over plain http in a private network it is allowed by \
    dangerously_allow_insecure_origins";
const APP: &str = "app_origins takes the origins of app pages";
#[cfg(feature = "subdomains")]
const OWN_HOST: &str = "write a host that is yours alone, with all below it, or list the origins";
const NO_ORIGIN: &str = "such pages share one origin with everyone: serve the page over https, or \
    over http on loopback";

/// Parses the server urls; what is none of them is told.
pub(super) fn parse(
    urls: &[String],
    allow_insecure: bool,
    problems: &mut Vec<Problem>,
) -> Vec<HeaderValue> {
    match urls.len() {
        0 => problems.push(Problem::new(Setting::ServerUrls, Kind::Missing, "")),
        1..=MAX_ORIGINS => {}
        n => problems.push(too_many(Setting::ServerUrls, n)),
    }
    let parse = |url: &String| parse_one(Setting::ServerUrls, url, allow_insecure, problems);
    urls.iter().filter_map(parse).map(Origin::into_value).collect()
}

/// Parses one origin of the web; every problem that it has is told.
pub(super) fn parse_one(
    setting: Setting,
    text: &str,
    allow_insecure: bool,
    problems: &mut Vec<Problem>,
) -> Option<Origin> {
    let (parsed, meant) = match Origin::parse(text) {
        Ok(origin) if allow_insecure || !origin.is_insecure() => return Some(origin),
        Ok(origin) => (None, vec![origin]),
        Err(kind) => (Some(kind), parsed(&origin::corrected(text))),
    };
    let insecure: Vec<_> = meant.iter().filter(|o| !allow_insecure && o.is_insecure()).collect();
    let is_private = insecure.iter().any(|origin| origin.is_in_private_network());
    // Each is accepted when it is used, or the advice says what else is needed.
    let usable = |origin: &Origin| match origin.is_insecure() && !allow_insecure {
        true if origin.is_in_private_network() => Some(origin.to_text()),
        true => origin.over_https(),
        false => Some(origin.to_text()),
    };
    if let Some(kind) = parsed {
        let corrected = meant.iter().filter_map(usable).collect();
        let problem = Problem::new(setting, kind, text).with_corrected(corrected);
        problems.push(problem.with_advice(advice(setting, kind, text)));
    }
    if !insecure.is_empty() {
        let problem = Problem::new(setting, Kind::Insecure, text);
        problems.push(match (is_private, parsed) {
            (true, _) => problem.with_advice(Some(PRIVATE)),
            (false, Some(_)) => problem,
            (false, None) => problem.with_corrected(meant.iter().filter_map(usable).collect()),
        });
    }
    None
}

fn parsed(origins: &[String]) -> Vec<Origin> {
    origins.iter().filter_map(|origin| Origin::parse(origin).ok()).collect()
}

/// What there is instead of a value that no other value corrects.
fn advice(setting: Setting, kind: Kind, text: &str) -> Option<&'static str> {
    match kind {
        Kind::Wildcard if setting == Setting::ServerUrls => Some(ANYONE),
        _ if text.contains('*') && setting == Setting::SubdomainsOf => Some(BASE),
        _ if text.contains('*') => Some(PATTERN),
        Kind::Scheme if app_origin::is_app_scheme(text) => Some(APP),
        Kind::NullOrigin | Kind::Scheme => Some(NO_ORIGIN),
        _ => None,
    }
}

/// Parses the origins of apps; what is none of them is told.
pub(super) fn parse_apps(
    texts: &[String],
    server_urls: usize,
    problems: &mut Vec<Problem>,
) -> Vec<HeaderValue> {
    const SETTING: Setting = Setting::AppOrigins;
    if !texts.is_empty() && texts.len().saturating_add(server_urls) > MAX_ORIGINS {
        problems.push(too_many(SETTING, texts.len()));
    }
    let mut parse = |text: &String| {
        let problem = match (app_origin::check(text), HeaderValue::from_str(text)) {
            (Ok(()), Ok(value)) => return Some(value),
            (Ok(()), Err(_)) => Problem::new(SETTING, Kind::NotPrintableAscii, text),
            (Err(kind), _) => {
                let corrected = app_origin::corrected(text).into_iter().collect();
                let problem = Problem::new(SETTING, kind, text).with_corrected(corrected);
                problem.with_advice(app_advice(kind, text))
            }
        };
        problems.push(problem);
        None
    };
    texts.iter().filter_map(&mut parse).collect()
}

fn app_advice(kind: Kind, text: &str) -> Option<&'static str> {
    match kind {
        Kind::Wildcard => Some(ANYONE),
        _ if text.contains('*') => Some("a pattern is no origin: write each origin"),
        Kind::Scheme if text.starts_with("http") => {
            Some("the origins of web pages are server urls")
        }
        Kind::NullOrigin | Kind::Scheme => Some(NO_ORIGIN),
        _ => None,
    }
}

fn too_many(setting: Setting, number: usize) -> Problem {
    Problem::new(setting, Kind::TooMany, number.to_string())
}

/// Parses the origins whose subdomains are admitted; what is none of them is told.
#[cfg(feature = "subdomains")]
pub(super) fn parse_subdomains(
    texts: &[String],
    allow_insecure: bool,
    problems: &mut Vec<Problem>,
) -> Subdomains {
    const SETTING: Setting = Setting::SubdomainsOf;
    let mut bases = Vec::new();
    for text in texts {
        match parse_one(SETTING, text, allow_insecure, problems) {
            Some(origin) if subdomains::can_be_base(&origin) => bases.push(origin),
            Some(_) => {
                let problem = Problem::new(SETTING, Kind::SharedSubdomains, text);
                problems.push(problem.with_advice(Some(OWN_HOST)));
            }
            None => {}
        }
    }
    Subdomains::of(&bases)
}
