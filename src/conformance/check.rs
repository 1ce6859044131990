//! A check as a value: what is sent, and a pure judgement over what came back.

use std::fmt;

use serde::Serialize;

use crate::conformance::{
    answer::Answer,
    ask::{Answers, Ask, Message},
    checks,
    subject::Subject,
};

/// How much a check counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Level {
    /// A standard says so, or a page cannot read the answer otherwise.
    Must,
    /// The response contract says so.
    Contract,
    /// It is good to know; it never fails a run.
    Advice,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "must",
            Self::Contract => "contract",
            Self::Advice => "advice",
        })
    }
}

/// One promise, and how it is checked.
///
/// ```
/// use tower_contract::conformance::{Check, Level};
///
/// let check = Check::by_id(5).expect("there are checks 1 to 70");
/// assert_eq!(check.level(), Level::Must);
/// assert_eq!(check.title(), "A page of the front end can read a healthy answer.");
/// assert_eq!(Check::all().count(), 70);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Check {
    id: u8,
    level: Level,
    title: &'static str,
    clause: &'static str,
    page: &'static str,
    fix: &'static str,
    fixes: &'static [(&'static str, &'static str)],
    pub(super) over: Over,
    pub(super) alone: bool,
    pub(super) plan: fn(&Subject) -> Plan,
    pub(super) judge: fn(&Subject, &Seen<'_>) -> Verdict,
}

/// Over which versions of HTTP a check is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Once for each version that the service speaks.
    Each,
    Http1,
    Http2,
    /// Nothing is sent: all answers of the run are judged, at its end.
    Run,
}

/// The requests of a check, or why there are none.
pub(super) type Plan = Result<Vec<Ask>, Unmet>;

/// What is wrong, or why nothing can be said.
pub(super) type Verdict = Result<Vec<Fault>, Stop>;

/// What a check lacks.
#[derive(Clone, Debug)]
pub(super) struct Unmet {
    pub(super) why: String,
    /// The option that would bring it; empty where none would.
    pub(super) option: &'static str,
}

/// One thing that does not hold.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// The place of the message among all of the check.
    pub(super) at: usize,
    pub(super) level: Option<Level>,
    pub(super) seen: String,
    pub(super) expected: String,
}

/// Ends a judgement before its end.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    Fault(Fault),
    Unmet(Unmet),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Unmet> for Stop {
    fn from(unmet: Unmet) -> Self {
        Self::Unmet(unmet)
    }
}

/// The answers that a judgement is about.
pub(super) struct Seen<'a> {
    pub(super) messages: Vec<&'a Message>,
    pub(super) answers: &'a Answers,
    pub(super) run: &'a [Logged],
}

/// An answer of the run, for the checks that judge all of them.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    pub(super) message: Message,
    pub(super) answer: Answer,
}

// ===== impl Check =====

impl Check {
    /// The checks in order, 1 to 70.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        checks::GROUPS.iter().flat_map(|(_, group)| group.iter())
    }

    /// The check of this number.
    pub fn by_id(id: u8) -> Option<&'static Self> {
        Self::all().find(|check| check.id == id)
    }

    /// Its number, which never changes its meaning.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// How much it counts; some of its findings may count less.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What must hold, as a sentence.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// Where it is said: a standard, or a section of the response contract.
    pub fn clause(&self) -> &'static str {
        self.clause
    }

    /// What to do where it does not hold.
    pub fn fix(&self) -> &'static str {
        self.fix
    }

    /// What to do with one server or framework: its name, and the words.
    pub fn fixes(&self) -> &'static [(&'static str, &'static str)] {
        self.fixes
    }

    /// What a web page sees where it does not hold; empty where a page sees nothing of it.
    pub fn page_sees(&self) -> &'static str {
        self.page
    }

    pub(super) const fn new(
        id: u8,
        level: Level,
        title: &'static str,
        clause: &'static str,
    ) -> Self {
        Self {
            id,
            level,
            title,
            clause,
            page: "",
            fix: "",
            fixes: &[],
            over: Over::Each,
            alone: false,
            plan: |_| Ok(Vec::new()),
            judge: |_, _| Ok(Vec::new()),
        }
    }

    pub(super) const fn page(mut self, page: &'static str) -> Self {
        self.page = page;
        self
    }

    pub(super) const fn fix_by(
        mut self,
        fix: &'static str,
        fixes: &'static [(&'static str, &'static str)],
    ) -> Self {
        self.fix = fix;
        self.fixes = fixes;
        self
    }

    pub(super) const fn over(mut self, over: Over) -> Self {
        self.over = over;
        self
    }

    /// No other check sends anything while this one is run.
    pub(super) const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    pub(super) const fn sends(mut self, plan: fn(&Subject) -> Plan) -> Self {
        self.plan = plan;
        self
    }

    pub(super) const fn judged(mut self, judge: fn(&Subject, &Seen<'_>) -> Verdict) -> Self {
        self.judge = judge;
        self
    }
}

// ===== impl Unmet, Fault, Seen =====

impl Unmet {
    pub(super) fn new(why: impl Into<String>, option: &'static str) -> Self {
        Self { why: why.into(), option }
    }
}

impl Fault {
    pub(super) fn new(at: usize, seen: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { at, level: None, seen: seen.into(), expected: expected.into() }
    }

    pub(super) fn at_level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    pub(super) fn advice(self) -> Self {
        self.at_level(Level::Advice)
    }
}

impl Seen<'_> {
    /// The answer to a message; that there is none is a fault.
    pub(super) fn answer(&self, at: usize) -> Result<&Answer, Fault> {
        match self.answers.get(at) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(trouble)) => Err(Fault::new(at, trouble.to_string(), "an answer")),
            None => Err(Fault::new(at, "nothing was sent", "an answer")),
        }
    }

    /// The answers to all messages.
    pub(super) fn all(&self) -> Result<Vec<(usize, &Answer)>, Fault> {
        (0..self.answers.len()).map(|at| Ok((at, self.answer(at)?))).collect()
    }

    /// The answer to a path that does not exist. One that exists after all cannot be judged.
    pub(super) fn error(&self, at: usize) -> Result<&Answer, Stop> {
        let answer = self.answer(at)?;
        if answer.is_error() {
            return Ok(answer);
        }
        Err(Unmet::new(format!("the answer is no error: {}", answer.status), "").into())
    }

    pub(super) fn message(&self, at: usize) -> Option<&Message> {
        self.messages.get(at).copied()
    }
}
