//! How a run goes: it reaches the service, sends what the checks plan, and repeats what failed.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep, timeout};

use crate::conformance::{
    answer::{Trouble, Version},
    ask::{Answers, Ask, Message},
    check::{Check, Fault, Level, Logged, Over, Seen, Stop, Unmet},
    checks,
    credentials::hide,
    http2::PROBE_LIMIT,
    report::{CheckResult, Finding, Outcome, Report},
    run::{CannotCheck, Run},
    subject::{Profile, Subject, root, spoken},
};

/// Checks that are run at once; each has one request under way.
const AT_ONCE: usize = 4;

/// How often a failure is tried again before it counts.
const REPEATS: usize = 2;

/// A check over one version of HTTP.
type Unit = (&'static Check, Version);

/// What a unit found, and what came back.
struct Done {
    unit: Unit,
    found: Result<Vec<Finding>, Unmet>,
    flaky: bool,
    gone: Option<String>,
    log: Vec<Logged>,
}

impl Run {
    /// The requests that [`report`](Self::report) would send at most, by the checks that send them,
    /// as `curl` commands. Nothing is sent, so that a front end which only an answer names stands
    /// as `https://the-front-end.example`.
    pub fn dry_run(&self) -> Vec<(&'static Check, Vec<String>)> {
        let subject = self.subject(Profile::assumed(&self.options));
        let mut all = Vec::new();
        for check in self.checks() {
            let mut lines = Vec::new();
            for (_, version) in units(check, &subject) {
                let messages = planned(check, version, &subject).unwrap_or_default();
                let each = |ask: &Ask| {
                    let lines = ask.messages.iter();
                    lines.map(|m| self.curl(&subject, m, ask.version)).collect::<Vec<_>>()
                };
                for line in messages.iter().flat_map(each) {
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                }
            }
            if !lines.is_empty() {
                all.push((check, lines));
            }
        }
        all
    }

    /// Runs the checks.
    ///
    /// # Errors
    ///
    /// If the inputs are wrong, if the service is not reached, or if it is gone before the end.
    pub async fn report(mut self) -> Result<Report, CannotCheck> {
        let problems = self.options.problems();
        if !problems.is_empty() {
            return Err(CannotCheck { reasons: problems });
        }
        self.place.prepare().map_err(CannotCheck::because)?;
        refuse_paused_time().await?;
        let start = Instant::now();
        let mut log = Vec::new();
        let (subject, reached) = self.reach(&mut log).await?;
        let done = self.run_units(&subject, &reached).await?;
        let mut results = Vec::new();
        for check in self.checks().filter(|check| check.over != Over::Run) {
            let mine = done.iter().filter(|done| done.unit.0.id() == check.id());
            results.push(result(check, mine));
        }
        log.extend(done.into_iter().flat_map(|done| done.log));
        self.judge_run(&subject, &log, &mut results);
        results.sort_by_key(|result| result.id);
        Ok(Report {
            target: self.target.clone(),
            profile: subject.profile,
            results,
            milliseconds: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Runs the checks, and panics with the report unless every promise is kept.
    ///
    /// # Panics
    ///
    /// If a promise is broken, or if nothing could be checked: this is an assertion for tests.
    #[expect(clippy::panic, reason = "it is an assertion")]
    pub async fn assert_kept(self) {
        match self.report().await {
            Ok(report) if report.is_kept() => {}
            Ok(report) => panic!("the contract is broken\n\n{report}"),
            Err(error) => panic!("the contract could not be checked: {error}"),
        }
    }

    fn checks(&self) -> impl Iterator<Item = &'static Check> {
        Check::all().filter(|check| self.options.includes(check))
    }

    fn subject(&self, profile: Profile) -> Subject {
        Subject {
            options: self.options.clone(),
            profile,
            token: self.token.clone(),
            in_process: self.place.is_in_process(),
            is_tls: self.place.origin().starts_with("https:"),
            lacking: Vec::new(),
        }
    }

    /// Sends `ask`; what came back has no credentials in it.
    async fn converse(&self, ask: &Ask) -> Answers {
        let mut answers = self.place.converse(ask).await;
        answers.iter_mut().flatten().for_each(|answer| hide(&self.options.auth, answer));
        answers
    }

    fn curl(&self, subject: &Subject, message: &Message, version: Version) -> String {
        let mut line = message.curl(&self.place.origin(), version);
        for (_, secret) in &subject.options.auth {
            line = line.replace(secret, "***");
        }
        line
    }

    /// The first requests: whether there is a service, and what it is (checks 1, 2 and 4).
    async fn reach(
        &self,
        log: &mut Vec<Logged>,
    ) -> Result<(Subject, Vec<(u8, Answers)>), CannotCheck> {
        let mut subject = self.subject(Profile::assumed(&self.options));
        subject.profile.versions.clear();
        let mut reached = Vec::new();
        let first = if self.options.http1 { Version::Http1 } else { Version::Http2 };
        let ask = subject.get(&root(&self.options)).over(first);
        let answers = self.converse(&ask).await;
        keep(log, &ask, &answers);
        if let Some(Err(trouble)) = answers.first() {
            return Err(CannotCheck::because(format!("{} is not reached: {trouble}", self.target)));
        }
        subject.profile.versions.push(first);
        reached.push((1, answers));
        if self.options.http1 && self.options.http2 {
            let ask = subject.get(&root(&self.options)).over(Version::Http2);
            let late = || vec![Err(Trouble::Late(PROBE_LIMIT))];
            let answers =
                timeout(PROBE_LIMIT, self.converse(&ask)).await.unwrap_or_else(|_| late());
            if let Some(Ok(_)) = answers.first() {
                subject.profile.versions.push(Version::Http2);
            }
            reached.push((2, answers));
        }
        let path = self.options.get.clone().unwrap_or_else(|| root(&self.options));
        let asks = [subject.get(&path).over(first), subject.get(&subject.nowhere()).over(first)];
        let mut answers = Answers::new();
        for ask in &asks {
            let answer = self.converse(ask).await;
            keep(log, ask, &answer);
            answers.extend(answer);
        }
        self.take_profile(&mut subject, &path, &answers)?;
        reached.push((4, answers));
        Ok((subject, reached))
    }

    fn take_profile(
        &self,
        subject: &mut Subject,
        path: &str,
        answers: &Answers,
    ) -> Result<(), CannotCheck> {
        let options = &self.options;
        subject.profile.existing = None;
        let [healthy, nowhere] = answers.as_slice() else { return Ok(()) };
        let unreached = |trouble: &Trouble| {
            CannotCheck::because(format!("{} answers, and then not: {trouble}", self.target))
        };
        let (healthy, nowhere) =
            (healthy.as_ref().map_err(unreached)?, nowhere.as_ref().map_err(unreached)?);
        let elsewhere = |location: &&str| location.contains("://");
        if let (300..=399, 300..=399, Some(location)) =
            (healthy.status, nowhere.status, nowhere.one("location").filter(elsewhere))
        {
            let reason = format!("{} sends everything to {location}: check that", self.target);
            return Err(CannotCheck::because(reason));
        }
        subject.profile.hear_healthy(options, path, healthy);
        subject.profile.hear_nowhere(options, nowhere);
        subject.lacking = checks::lacking(subject, healthy);
        let took = healthy.took.min(nowhere.took).as_millis();
        subject.profile.baseline_ms = u64::try_from(took).unwrap_or(u64::MAX);
        Ok(())
    }

    async fn run_units(
        &self,
        subject: &Subject,
        reached: &[(u8, Answers)],
    ) -> Result<Vec<Done>, CannotCheck> {
        let all = self.checks().filter(|check| check.over != Over::Run);
        let all: Vec<Unit> = all.flat_map(|check| units(check, subject)).collect();
        let total = all.len();
        let (alone, together): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(check, _)| check.alone);
        let mut done = Vec::new();
        for (units, at_once) in [(together, AT_ONCE), (alone, 1)] {
            let runs = stream::iter(units).map(|unit| self.run_unit(unit, subject, reached));
            let mut runs = std::pin::pin!(runs.buffer_unordered(at_once));
            while let Some(one) = runs.next().await {
                if let Some(why) = &one.gone {
                    let reason = format!("{} is gone before the end: {why}", self.target);
                    return Err(CannotCheck::because(reason));
                }
                done.push(one);
                if let Some(progress) = &self.progress {
                    progress(done.len(), total);
                }
            }
        }
        done.sort_by_key(|done| (done.unit.0.id(), done.unit.1));
        Ok(done)
    }

    async fn run_unit(&self, unit: Unit, subject: &Subject, reached: &[(u8, Answers)]) -> Done {
        let (check, version) = unit;
        let mut done =
            Done { unit, found: Ok(Vec::new()), flaky: false, gone: None, log: Vec::new() };
        let asks = match planned(check, version, subject) {
            Ok(asks) => asks,
            Err(unmet) => {
                done.found = Err(unmet);
                return done;
            }
        };
        let known = reached.iter().find(|(id, _)| *id == check.id()).map(|(_, answers)| answers);
        for round in 0..=REPEATS {
            let answers = match known {
                Some(answers) => answers.clone(),
                None => self.send(&asks, &mut done.log).await,
            };
            let found = self.judge(check, version, subject, &asks, &answers);
            let fails = found.as_ref().is_ok_and(|found| found.iter().any(counts));
            if round == 0 {
                done.found = found;
            } else if !fails {
                done.flaky = true;
            }
            if !fails || known.is_some() {
                break;
            }
            done.gone = answers.iter().find_map(|answer| match answer {
                Err(Trouble::Connect(why)) => Some(why.clone()),
                _ => None,
            });
        }
        if done.flaky {
            done.gone = None;
        }
        done
    }

    async fn send(&self, asks: &[Ask], log: &mut Vec<Logged>) -> Answers {
        let mut all = Answers::new();
        for ask in asks {
            let answers = self.converse(ask).await;
            keep(log, ask, &answers);
            all.extend(answers);
        }
        all
    }

    fn judge(
        &self,
        check: &'static Check,
        version: Version,
        subject: &Subject,
        asks: &[Ask],
        answers: &Answers,
    ) -> Result<Vec<Finding>, Unmet> {
        let messages: Vec<_> = asks.iter().flat_map(|ask| &ask.messages).collect();
        let seen = Seen { messages: messages.clone(), answers, run: &[] };
        let faults = match (check.judge)(subject, &seen) {
            Ok(faults) => faults,
            Err(Stop::Fault(fault)) => vec![fault],
            Err(Stop::Unmet(unmet)) => return Err(unmet),
        };
        let each = faults.into_iter().map(|fault| {
            let message = messages.get(fault.at);
            let request = message.map(|message| self.curl(subject, message, version));
            finding(check, fault, request.unwrap_or_default(), version)
        });
        Ok(each.collect())
    }

    /// The checks that judge all answers of the run (14 to 16, 48, 69 and 70).
    fn judge_run(&self, subject: &Subject, log: &[Logged], results: &mut Vec<CheckResult>) {
        let flaky: Vec<u8> =
            results.iter().filter(|r| r.outcome == Outcome::Flaky).map(|r| r.id).collect();
        for check in self.checks().filter(|check| check.over == Over::Run) {
            let seen = Seen { messages: Vec::new(), answers: &Answers::new(), run: log };
            let verdict = match check.id() {
                70 if !flaky.is_empty() => {
                    let ids: Vec<_> = flaky.iter().map(u8::to_string).collect();
                    Ok(vec![Fault::new(
                        0,
                        format!("sometimes: {}", ids.join(", ")),
                        "always or never",
                    )])
                }
                _ => (check.judge)(subject, &seen),
            };
            let found = match verdict {
                Ok(faults) => Ok(faults),
                Err(Stop::Fault(fault)) => Ok(vec![fault]),
                Err(Stop::Unmet(unmet)) => Err(unmet),
            };
            let first = Version::Http1;
            let found = found.map(|faults| {
                let all = faults.into_iter();
                all.map(|fault| finding(check, fault, String::new(), first)).collect::<Vec<_>>()
            });
            let done =
                Done { unit: (check, first), found, flaky: false, gone: None, log: Vec::new() };
            results.push(result(check, std::iter::once(&done)));
        }
    }
}

/// A paused clock jumps over every limit, so that nothing can be said.
async fn refuse_paused_time() -> Result<(), CannotCheck> {
    #[expect(clippy::disallowed_methods, reason = "a clock that cannot be paused is asked for")]
    let now = std::time::Instant::now;
    let start = now();
    sleep(Duration::from_millis(20)).await;
    if now().duration_since(start) < Duration::from_millis(10) {
        let reason = "the runtime's clock is paused: take start_paused away";
        return Err(CannotCheck::because(reason));
    }
    Ok(())
}

/// The versions that a check is run over.
fn units(check: &'static Check, subject: &Subject) -> Vec<Unit> {
    let versions: Vec<_> = match check.over {
        Over::Each => subject.profile.versions.clone(),
        Over::Http1 => vec![Version::Http1],
        Over::Http2 => vec![Version::Http2],
        Over::Run => Vec::new(),
    };
    versions.into_iter().map(|version| (check, version)).collect()
}

/// What a check sends over a version, if the service speaks it.
fn planned(check: &Check, version: Version, subject: &Subject) -> Result<Vec<Ask>, Unmet> {
    // Whether HTTP/2 is spoken is what check 2 asks.
    let tried = check.id() == 2 && subject.options.http2;
    if !tried && !subject.profile.versions.contains(&version) {
        let wanted = spoken(&subject.options).any(|wanted| wanted == version);
        let (why, option) = if wanted {
            (format!("{version} is not spoken"), "")
        } else {
            (format!("{version} is not asked for"), "--h1, --h2c")
        };
        return Err(Unmet::new(why, option));
    }
    let asks = (check.plan)(subject)?.into_iter();
    Ok(asks.map(|ask| ask.over(version)).collect())
}

/// Remembers answers of the service; those of the server before it are not the service's.
fn keep(log: &mut Vec<Logged>, ask: &Ask, answers: &Answers) {
    for (message, answer) in ask.messages.iter().zip(answers) {
        let Ok(answer) = answer else { continue };
        let by_the_server = message.raw.is_some() || message.target == "*";
        if !by_the_server && !matches!(answer.status, 414 | 431) {
            log.push(Logged { message: message.clone(), answer: answer.clone() });
        }
    }
}

fn counts(finding: &Finding) -> bool {
    finding.level != Level::Advice
}

fn finding(check: &Check, fault: Fault, request: String, version: Version) -> Finding {
    Finding {
        level: fault.level.unwrap_or(check.level()).max(advice_stays(check)),
        request,
        versions: vec![version],
        seen: fault.seen,
        expected: fault.expected,
    }
}

/// A check that never fails a run does so only where the caller asked for it (20 and 21).
fn advice_stays(check: &Check) -> Level {
    match check.level() {
        Level::Advice if !matches!(check.id(), 20 | 21) => Level::Advice,
        _ => Level::Must,
    }
}

/// What a check's units found together.
fn result<'a>(check: &'static Check, done: impl Iterator<Item = &'a Done>) -> CheckResult {
    let mut findings: Vec<Finding> = Vec::new();
    let (mut unmet, mut checked, mut flaky) = (None, false, false);
    for done in done {
        flaky |= done.flaky;
        match &done.found {
            Err(why) => unmet = unmet.or(Some(why)),
            Ok(found) => {
                checked = true;
                for finding in found {
                    let same = findings.iter_mut().find(|other| other.says_the_same(finding));
                    match same {
                        Some(same) => same.versions.extend(&finding.versions),
                        None => findings.push(finding.clone()),
                    }
                }
            }
        }
    }
    let outcome = match (checked, unmet) {
        (false, unmet) => {
            let unmet = unmet.cloned().unwrap_or_else(|| Unmet::new("nothing was sent", ""));
            Outcome::NotChecked { why: unmet.why, option: unmet.option }
        }
        _ if flaky => Outcome::Flaky,
        _ if findings.iter().any(counts) => Outcome::Broken,
        _ if findings.is_empty() => Outcome::Kept,
        _ => Outcome::Advised,
    };
    CheckResult::new(check, outcome, findings)
}
