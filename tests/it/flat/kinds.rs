//! How often each kind of outcome came.

use std::{collections::BTreeMap, fmt};

use super::{
    Seen,
    case::{Case, ENVELOPE, FRONT_ENDS, Failure, Fate, Lines, Mark, PROBLEM, Step, TEXT},
};

/// A kind of outcome that must come often.
struct Kind {
    name: &'static str,
    /// Whether an exchange was of this kind, by what was asked and what was seen.
    is_so: fn(&Case, &Seen) -> bool,
    /// Makes a case of chance one that most likely is of this kind.
    lead: fn(&mut Case),
}

const KINDS: [Kind; 30] = [
    Kind {
        name: "healthy",
        is_so: |case, seen| case.is_answered(seen) && seen.starts_with("200"),
        lead: |case| case.answers(200, Mark::Nothing),
    },
    Kind {
        name: "pending once",
        is_so: |case, seen| case.waits && case.is_answered(seen),
        lead: |case| {
            case.answers(200, Mark::Nothing);
            case.waits = true;
        },
    },
    Kind {
        name: "healthy, in pieces",
        is_so: |case, seen| {
            case.is_answered(seen) && seen.starts_with("200") && case.answer.steps.len() > 1
        },
        lead: |case| {
            case.answers(200, Mark::Nothing);
            case.answer.steps = vec![Step::Data("in "), Step::Wait, Step::Data("pieces")];
        },
    },
    Kind {
        name: "with trailers",
        is_so: |case, seen| case.is_answered(seen) && seen.answer.contains("\ngrpc-status: 0\n"),
        lead: |case| {
            case.answers(200, Mark::Nothing);
            case.answer.steps = vec![Step::Data("a"), Step::Trailers];
        },
    },
    Kind {
        name: "to HEAD",
        is_so: |case, _| case.asked.method == "HEAD",
        lead: |case| case.asked.method = "HEAD",
    },
    Kind {
        name: "an error to HEAD",
        is_so: |case, seen| case.asked.method == "HEAD" && !seen.starts_with("200"),
        lead: |case| {
            case.answers(404, Mark::Nothing);
            (case.asked.method, case.asked.rpc) = ("HEAD", &[]);
        },
    },
    Kind {
        name: "a preflight",
        is_so: |_, seen| seen.done == ["readiness given back"] && seen.starts_with("200"),
        lead: Case::is_preflight,
    },
    Kind {
        name: "405 or 501",
        is_so: |_, seen| seen.starts_with("405") || seen.starts_with("501"),
        lead: Case::is_refused,
    },
    Kind {
        name: "readiness fails",
        is_so: |case, seen| case.fate == Fate::IsNeverReady && seen.starts_with("500"),
        lead: |case| {
            case.calls(Fate::IsNeverReady);
            case.asked.rpc = &[];
        },
    },
    Kind {
        name: "readiness panics",
        is_so: |case, seen| {
            case.fate == Fate::PanicsWhenAskedForReadiness && seen.starts_with("500")
        },
        lead: |case| {
            case.calls(Fate::PanicsWhenAskedForReadiness);
            case.asked.rpc = &[];
        },
    },
    Kind {
        name: "readiness is given back with a panic",
        is_so: |case, seen| case.ready_drop_panics && seen.done.contains(&"readiness given back"),
        lead: |case| {
            case.is_refused();
            case.ready_drop_panics = true;
        },
    },
    Kind {
        name: "call panics",
        is_so: |case, seen| case.fate == Fate::PanicsInCall && seen.is_called(),
        lead: |case| case.calls(Fate::PanicsInCall),
    },
    Kind {
        name: "poll panics",
        is_so: |case, seen| case.fate == Fate::PanicsInPoll && seen.is_called(),
        lead: |case| case.calls(Fate::PanicsInPoll),
    },
    Kind {
        name: "the service fails",
        is_so: |case, seen| matches!(case.fate, Fate::Fails(_)) && seen.is_called(),
        lead: |case| {
            let failure = if case.waits { Failure::ApiError } else { Failure::Text };
            case.calls(Fate::Fails(failure));
        },
    },
    Kind {
        name: "the time is up",
        is_so: |case, seen| case.fate == Fate::Hangs && seen.starts_with("503"),
        lead: Case::hangs,
    },
    Kind {
        name: "the time is up, and the drop panics",
        is_so: |case, seen| {
            case.fate == Fate::Hangs && seen.starts_with("503") && case.future_drop_panics
        },
        lead: |case| {
            case.hangs();
            case.future_drop_panics = true;
        },
    },
    Kind {
        name: "the future's drop panics",
        is_so: |case, seen| case.future_drop_panics && seen.is_called(),
        lead: |case| {
            case.calls(Fate::Answers);
            case.future_drop_panics = true;
        },
    },
    Kind {
        name: "the body's drop panics",
        is_so: |case, seen| case.is_answered(seen) && case.answer.body_drop_panics,
        lead: |case| {
            case.calls(Fate::Answers);
            case.answer.body_drop_panics = true;
        },
    },
    Kind {
        name: "the body panics",
        is_so: |case, seen| case.is_answered(seen) && case.answer.steps.contains(&Step::Panic),
        lead: |case| {
            case.calls(Fate::Answers);
            case.answer.steps = vec![Step::Data("a"), Step::Panic];
        },
    },
    Kind {
        name: "the body fails",
        is_so: |case, seen| case.is_answered(seen) && case.answer.steps.contains(&Step::Fail),
        lead: |case| {
            case.calls(Fate::Answers);
            case.answer.steps = vec![Step::Data("a"), Step::Fail];
        },
    },
    Kind {
        name: "the hints panic",
        is_so: |case, seen| case.is_answered(seen) && case.answer.hints_panic,
        lead: |case| {
            case.calls(Fate::Answers);
            case.answer.hints_panic = true;
        },
    },
    Kind {
        name: "an ApiError",
        is_so: |case, seen| case.is_answered(seen) && seen.answer.contains("Ours"),
        lead: |case| {
            case.answers(409, Mark::ApiError);
            (case.asked.method, case.asked.rpc) = ("GET", &[]);
        },
    },
    Kind {
        name: "text of the service",
        is_so: |case, seen| {
            case.is_answered(seen)
                && seen.answer.contains(TEXT)
                && seen.answer.contains("http_method")
        },
        lead: |case| case.says(404, "text/plain", TEXT),
    },
    Kind {
        name: "an envelope or a problem of the service",
        is_so: |case, seen| {
            case.is_answered(seen)
                && (seen.answer.contains("an envelope") || seen.answer.contains("of theirs"))
                && !seen.answer.contains("PUT")
        },
        lead: |case| {
            let (media, content) = if case.waits {
                ("application/problem+json", PROBLEM)
            } else {
                ("application/json", ENVELOPE)
            };
            case.says(400, media, content);
        },
    },
    Kind {
        name: "a 5xx of the service",
        is_so: |case, seen| {
            case.is_answered(seen) && case.answer.status >= 500 && case.answer.mark == Mark::Nothing
        },
        lead: |case| case.answers(503, Mark::Nothing),
    },
    Kind {
        name: "an error that keeps its body",
        is_so: |case, seen| {
            case.is_answered(seen)
                && case.answer.mark == Mark::KeepBody
                && case.answer.status >= 400
        },
        lead: |case| case.answers(404, Mark::KeepBody),
    },
    Kind {
        name: "an error to gRPC",
        is_so: |case, seen| case.is_rpc("application/grpc") && !seen.is_well(),
        lead: |case| case.is_rpc_that_fails(&[("content-type", "application/grpc")]),
    },
    Kind {
        name: "an error to gRPC-Web",
        is_so: |case, seen| case.is_rpc("application/grpc-web") && !seen.is_well(),
        lead: |case| case.is_rpc_that_fails(&[("content-type", "application/grpc-web+proto")]),
    },
    Kind {
        name: "an error to Connect",
        is_so: |case, seen| case.is_rpc("application/connect") && !seen.is_well(),
        lead: |case| case.is_rpc_that_fails(&[("content-type", "application/connect+json")]),
    },
    Kind {
        name: "told to a hook and a subscriber",
        is_so: |_, seen| !seen.told.is_empty() && !seen.events.is_empty(),
        lead: |case| {
            case.calls(Fate::PanicsInPoll);
            (case.has_hooks, case.has_subscriber) = (true, true);
        },
    },
];

#[derive(Default)]
pub struct Kinds(BTreeMap<&'static str, u32>);

impl Kinds {
    pub fn count(&mut self, case: &Case, seen: &Seen) {
        for kind in KINDS.iter().filter(|kind| (kind.is_so)(case, seen)) {
            *self.0.entry(kind.name).or_default() += 1;
        }
    }

    /// The kinds that came less than `least` times: their names, how many are missing, and how a
    /// case is led to them.
    pub fn rare(&self, least: u32) -> impl Iterator<Item = (&'static str, u32, fn(&mut Case))> {
        KINDS.iter().filter_map(move |kind| {
            let missing = least.saturating_sub(self.0.get(kind.name).copied().unwrap_or_default());
            (missing > 0).then_some((kind.name, missing, kind.lead))
        })
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, count)| writeln!(f, "{count:>8}  {name}"))
    }
}

/// What leads to a kind.
impl Case {
    /// The service is called, and meets this fate.
    fn calls(&mut self, fate: Fate) {
        self.fate = fate;
        self.asked.target = "/x";
        if !matches!(self.asked.method, "GET" | "POST") {
            self.asked.method = "GET";
        }
    }

    fn answers(&mut self, status: u16, mark: Mark) {
        self.calls(Fate::Answers);
        (self.answer.status, self.answer.mark) = (status, mark);
    }

    /// An error of its own that it tells in its own words.
    fn says(&mut self, status: u16, media: &'static str, content: &'static str) {
        self.answers(status, Mark::Nothing);
        self.asked.rpc = &[];
        (self.answer.media, self.answer.steps) = (Some(media), vec![Step::Data(content)]);
        self.answer.lines.retain(|(name, _)| *name != "content-encoding");
    }

    /// It does not answer in time. The limit of one setup is for GET, another has none.
    fn hangs(&mut self) {
        self.calls(Fate::Hangs);
        self.setup %= 2;
        (self.asked.method, self.asked.rpc) = ("GET", &[]);
    }

    fn is_preflight(&mut self) {
        self.calls(Fate::Answers);
        (self.asked.method, self.asked.rpc) = ("OPTIONS", &[]);
        (self.asked.origin, self.asked.asks_method) = (Some(FRONT_ENDS[0]), true);
    }

    fn is_refused(&mut self) {
        self.calls(Fate::Answers);
        self.setup %= 2;
        (self.asked.method, self.asked.rpc) = ("DELETE", &[]);
    }

    fn is_rpc_that_fails(&mut self, rpc: Lines) {
        self.calls(Fate::Fails(Failure::Text));
        (self.asked.method, self.asked.rpc) = ("POST", rpc);
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
