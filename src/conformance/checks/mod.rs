//! All checks, a file for each group, and what several of them ask of an answer.

mod content;
mod cors;
mod errors;
mod failures;
mod framing;
mod methods;
mod preflight;
mod reach;
mod rpc;
mod told;

use crate::conformance::{
    answer::Answer,
    check::{Check, Fault, Level, Stop, Unmet},
    envelope::{self, Members},
    options::Format,
    subject::Subject,
};

/// The groups in order, each with its name.
pub(super) const GROUPS: [(&str, &[Check]); 10] = [
    ("Reach", &reach::CHECKS),
    ("CORS fields on whatever happens", &cors::CHECKS),
    ("Preflights", &preflight::CHECKS),
    ("The envelope", &errors::CHECKS),
    ("Methods", &methods::CHECKS),
    ("HEAD and framing", &framing::CHECKS),
    ("Content", &content::CHECKS),
    ("Real failures", &failures::CHECKS),
    ("gRPC, gRPC-Web, Connect", &rpc::CHECKS),
    ("Told, never failed", &told::CHECKS),
];

const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_ORIGINS: &str = "access-control-allow-origins";
const ALLOW_HEADERS: &str = "access-control-allow-headers";
const ALLOW_METHODS: &str = "access-control-allow-methods";
const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";

/// What a page sees of an answer that it may not read.
const FAILED_TO_FETCH: &str = "TypeError: Failed to fetch (a CORS error; no status, no body)";

/// Why a page of `origin` cannot read the answer (Fetch, "CORS check").
fn unreadable(answer: &Answer, origin: &str) -> Option<String> {
    let credentials = answer.has(ALLOW_CREDENTIALS);
    match answer.all(ALLOW_ORIGIN).as_slice() {
        [value] if *value == origin => None,
        ["*"] if !credentials => None,
        _ => Some(format!("{}, {}", answer.status, answer.shown(ALLOW_ORIGIN))),
    }
}

/// The fault of an answer that a page of the front end cannot read.
fn readable(subject: &Subject, answer: &Answer, at: usize) -> Result<Vec<Fault>, Unmet> {
    let front_end = subject.front_end()?;
    let seen = unreadable(answer, front_end);
    let expected = format!("one line {ALLOW_ORIGIN}: {front_end}");
    Ok(seen.into_iter().map(|seen| Fault::new(at, seen, expected.clone())).collect())
}

/// The contract's fields that an answer must have.
fn contract_fields(subject: &Subject, answer: &Answer) -> Vec<&'static str> {
    let mut names = vec![ALLOW_ORIGIN];
    // Who lets every page read sends no credentials, and need not list request headers.
    if answer.one(ALLOW_ORIGIN) != Some("*") {
        names.extend([ALLOW_HEADERS, ALLOW_METHODS, ALLOW_CREDENTIALS]);
    }
    if subject.profile.documented_origin_field {
        names.push(ALLOW_ORIGINS);
    }
    names
}

/// What a healthy answer without `Origin` lacks, if there is one that check 6 judges.
pub(super) fn lacking(subject: &Subject, healthy: &Answer) -> Vec<String> {
    if subject.existing().is_err() {
        return Vec::new();
    }
    let names = contract_fields(subject, healthy).into_iter();
    names.filter(|name| !healthy.has(name)).map(str::to_owned).collect()
}

/// The contract's fields that an answer lacks, or has more than once. Those that every answer lacks
/// are told once, by check 6.
fn five_fields(subject: &Subject, answer: &Answer, at: usize) -> Vec<Fault> {
    let told = |name: &&str| subject.lacking.iter().any(|lacking| lacking == name);
    missing_fields(subject, answer, at, |name| !told(&name))
}

fn missing_fields(
    subject: &Subject,
    answer: &Answer,
    at: usize,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Fault> {
    let names = contract_fields(subject, answer).into_iter().filter(|name| wanted(name));
    let wrong: Vec<_> = names.filter(|name| answer.all(name).len() != 1).collect();
    if wrong.is_empty() {
        return Vec::new();
    }
    let seen = wrong.iter().map(|name| match answer.all(name).len() {
        0 => format!("no {name}"),
        lines => format!("{lines} lines {name}"),
    });
    let seen = format!("{}, {}", answer.status, seen.collect::<Vec<_>>().join(", "));
    vec![Fault::new(at, seen, "each of the contract's fields, once").at_level(Level::Contract)]
}

/// The format that errors are judged by.
fn format(subject: &Subject) -> Format {
    subject.profile.format.unwrap_or(Format::Envelope)
}

/// The members of an error, or the fault that there are none. Where errors have no known shape at
/// all, check 26 tells it once.
fn members(subject: &Subject, answer: &Answer, at: usize) -> Result<Members, Stop> {
    match subject.profile.format {
        Some(_) => known_members(subject, answer, at),
        None => Err(Unmet::new("errors have no known shape", "").into()),
    }
}

fn known_members(subject: &Subject, answer: &Answer, at: usize) -> Result<Members, Stop> {
    let format = format(subject);
    envelope::read(format, answer).map_err(|why| {
        let expected = match format {
            Format::Envelope => {
                "the envelope: application/json with http_method, title, description, code, uri"
            }
            Format::Wrapped => "the envelope in a member `error`, application/json",
            Format::Problem => "problem details, application/problem+json",
        };
        Fault::new(at, why, expected).at_level(Level::Contract).into()
    })
}

/// An error as the contract wants it: the five fields, and the envelope.
fn kept_error(subject: &Subject, answer: &Answer, at: usize) -> Vec<Fault> {
    let mut faults = five_fields(subject, answer, at);
    if let Err(Stop::Fault(fault)) = members(subject, answer, at) {
        faults.push(fault);
    }
    faults
}

/// A fault if the status is none of these.
fn status(answer: &Answer, at: usize, expected: &[u16]) -> Vec<Fault> {
    if expected.contains(&answer.status) {
        return Vec::new();
    }
    let words: Vec<_> = expected.iter().map(u16::to_string).collect();
    vec![Fault::new(at, answer.summary(), words.join(" or "))]
}
