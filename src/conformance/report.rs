//! What a run found, as a value.

use serde::Serialize;

use crate::conformance::{
    answer::Version,
    check::{Check, Level},
    subject::Profile,
};

/// What a run found.
///
/// Its `Display` is one screen for a person: the profile, the broken promises with what to do, and
/// what was not checked. It is `Serialize` for programs, and there are [`junit`](Self::junit) and
/// [`markdown`](Self::markdown).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What was checked: a URL, or "in process".
    pub target: String,
    /// What the service is, by its own answers.
    pub profile: Profile,
    /// One for each check that was wanted, in order.
    pub results: Vec<CheckResult>,
    /// How long the run took.
    pub milliseconds: u64,
}

/// What one check found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CheckResult {
    /// The number of the check.
    pub id: u8,
    /// How much the check counts.
    pub level: Level,
    /// What must hold.
    pub title: &'static str,
    /// Where it is said.
    pub clause: &'static str,
    /// Whether it holds.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What does not hold, or is worth knowing.
    pub findings: Vec<Finding>,
    /// What a web page sees of it; empty where it sees nothing.
    pub page_sees: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// What to do with one server or framework.
    pub fixes: &'static [(&'static str, &'static str)],
}

/// Whether a promise is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// It is kept.
    Kept,
    /// It is kept, and something is worth knowing.
    Advised,
    /// It is broken.
    Broken,
    /// It failed, and did not fail again.
    Flaky,
    /// It was not checked.
    NotChecked {
        /// Why.
        why: String,
        /// The option of the command line that would check it; empty where none would.
        option: &'static str,
    },
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How much it counts.
    pub level: Level,
    /// The request, as a `curl` command; empty where all answers of the run were judged.
    pub request: String,
    /// The versions of HTTP over which it was seen.
    pub versions: Vec<Version>,
    /// What came.
    pub seen: String,
    /// What should have come.
    pub expected: String,
}

impl Finding {
    /// Whether its request was sent over both versions of HTTP, and not by hand.
    pub(super) fn judges_one_of_two(&self) -> bool {
        self.request.starts_with("curl") && self.versions == [Version::Http2]
    }

    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        (&self.seen, &self.expected, self.level) == (&other.seen, &other.expected, other.level)
    }
}

impl CheckResult {
    pub(super) fn new(check: &Check, outcome: Outcome, findings: Vec<Finding>) -> Self {
        Self {
            id: check.id(),
            level: check.level(),
            title: check.title(),
            clause: check.clause(),
            outcome,
            findings,
            page_sees: check.page_sees(),
            fix: check.fix(),
            fixes: check.fixes(),
        }
    }

    /// Whether the check counts for "kept n of m": an advice does not, unless it is broken.
    fn counts(&self) -> bool {
        let checked = !matches!(self.outcome, Outcome::NotChecked { .. });
        checked && (self.level != Level::Advice || self.outcome == Outcome::Broken)
    }
}

impl Report {
    /// Whether no promise is broken. Advice and what was not checked do not count.
    pub fn is_kept(&self) -> bool {
        self.broken().next().is_none()
    }

    /// The promises that are broken: those of standards first.
    pub fn broken(&self) -> impl Iterator<Item = &CheckResult> {
        let worst = |result: &CheckResult| result.findings.iter().map(|f| f.level).min();
        let of_level = move |level| {
            let broken = self.results.iter().filter(|r| r.outcome == Outcome::Broken);
            broken.filter(move |result| worst(result) == Some(level))
        };
        of_level(Level::Must).chain(of_level(Level::Contract))
    }

    /// How many of the promises that were checked are kept, and how many were checked.
    pub fn kept(&self) -> (usize, usize) {
        let counted: Vec<_> = self.results.iter().filter(|result| result.counts()).collect();
        let kept = |r: &&&CheckResult| matches!(r.outcome, Outcome::Kept | Outcome::Advised);
        (counted.iter().filter(kept).count(), counted.len())
    }

    /// What one check found; `None` for a number that no check has.
    pub fn result(&self, id: u8) -> Option<&CheckResult> {
        self.results.iter().find(|result| result.id == id)
    }
}
