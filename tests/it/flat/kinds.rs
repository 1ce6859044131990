//! How often each kind of outcome came.

use std::{collections::BTreeMap, fmt};

use super::{
    Seen,
    case::{Case, Fate, Mark, Step},
};

/// The kinds of outcomes that must come often, by what was asked and what was seen.
type IsOfKind = fn(&Case, &Seen) -> bool;

const KINDS: [(&str, IsOfKind); 30] = [
    ("healthy", |case, seen| case.is_answered(seen) && seen.starts_with("200")),
    ("pending once", |case, seen| case.waits && case.is_answered(seen)),
    ("healthy, in pieces", |case, seen| {
        case.is_answered(seen) && seen.starts_with("200") && case.answer.steps.len() > 1
    }),
    ("with trailers", |case, seen| {
        case.is_answered(seen) && seen.answer.contains("\ngrpc-status: 0\n")
    }),
    ("to HEAD", |case, _| case.asked.method == "HEAD"),
    ("an error to HEAD", |case, seen| case.asked.method == "HEAD" && !seen.starts_with("200")),
    ("a preflight", |_, seen| seen.done == ["readiness given back"] && seen.starts_with("200")),
    ("405 or 501", |_, seen| seen.starts_with("405") || seen.starts_with("501")),
    ("readiness fails", |case, seen| case.fate == Fate::IsNeverReady && seen.starts_with("500")),
    ("readiness panics", |case, seen| {
        case.fate == Fate::PanicsWhenAskedForReadiness && seen.starts_with("500")
    }),
    ("readiness is given back with a panic", |case, seen| {
        case.ready_drop_panics && seen.done.contains(&"readiness given back")
    }),
    ("call panics", |case, seen| case.fate == Fate::PanicsInCall && seen.is_called()),
    ("poll panics", |case, seen| case.fate == Fate::PanicsInPoll && seen.is_called()),
    ("the service fails", |case, seen| matches!(case.fate, Fate::Fails(_)) && seen.is_called()),
    ("the time is up", |case, seen| case.fate == Fate::Hangs && seen.starts_with("503")),
    ("the time is up, and the drop panics", |case, seen| {
        case.fate == Fate::Hangs && seen.starts_with("503") && case.future_drop_panics
    }),
    ("the future's drop panics", |case, seen| case.future_drop_panics && seen.is_called()),
    ("the body's drop panics", |case, seen| case.is_answered(seen) && case.answer.body_drop_panics),
    ("the body panics", |case, seen| {
        case.is_answered(seen) && case.answer.steps.contains(&Step::Panic)
    }),
    ("the body fails", |case, seen| {
        case.is_answered(seen) && case.answer.steps.contains(&Step::Fail)
    }),
    ("the hints panic", |case, seen| case.is_answered(seen) && case.answer.hints_panic),
    ("an ApiError", |case, seen| case.is_answered(seen) && seen.answer.contains("Ours")),
    ("text of the service", |case, seen| {
        case.is_answered(seen)
            && seen.answer.contains("there is no recording 7")
            && seen.answer.contains("http_method")
    }),
    ("an envelope or a problem of the service", |case, seen| {
        case.is_answered(seen)
            && (seen.answer.contains("an envelope") || seen.answer.contains("of theirs"))
            && !seen.answer.contains("PUT")
    }),
    ("a 5xx of the service", |case, seen| {
        case.is_answered(seen) && case.answer.status >= 500 && case.answer.mark == Mark::Nothing
    }),
    ("an error that keeps its body", |case, seen| {
        case.is_answered(seen) && case.answer.mark == Mark::KeepBody && case.answer.status >= 400
    }),
    ("an error to gRPC", |case, seen| case.is_rpc("application/grpc") && !seen.is_well()),
    ("an error to gRPC-Web", |case, seen| case.is_rpc("application/grpc-web") && !seen.is_well()),
    ("an error to Connect", |case, seen| case.is_rpc("application/connect") && !seen.is_well()),
    ("told to a hook and a subscriber", |_, seen| !seen.told.is_empty() && !seen.events.is_empty()),
];

#[derive(Default)]
pub struct Kinds(BTreeMap<&'static str, usize>);

impl Kinds {
    pub fn count(&mut self, case: &Case, seen: &Seen) {
        for (name, _) in KINDS.iter().filter(|(_, is_so)| is_so(case, seen)) {
            *self.0.entry(name).or_default() += 1;
        }
    }

    /// The kinds that came less than `least` times.
    pub fn rare(&self, least: usize) -> Vec<&'static str> {
        let names = KINDS.iter().map(|(name, _)| *name);
        names.filter(|name| self.0.get(name).is_none_or(|count| *count < least)).collect()
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, count)| writeln!(f, "{count:>8}  {name}"))
    }
}

impl Case {
    /// Whether the answer is what became of the service's own.
    fn is_answered(&self, seen: &Seen) -> bool {
        self.fate == Fate::Answers && seen.is_called()
    }

    fn is_rpc(&self, media: &str) -> bool {
        self.asked.rpc.iter().any(|(_, value)| {
            value.strip_prefix(media).is_some_and(|rest| !rest.starts_with("-web"))
        })
    }
}

impl Seen {
    fn starts_with(&self, status: &str) -> bool {
        self.answer.starts_with(status)
    }

    fn is_called(&self) -> bool {
        self.done.contains(&"called")
    }

    /// Whether nothing went wrong, as far as a client of an rpc sees.
    fn is_well(&self) -> bool {
        self.starts_with("200")
            && !self.answer.contains("grpc-status: 1")
            && !self.answer.contains("grpc-status: 2")
            && !self.answer.contains("error")
    }
}
