//! C. Preflights: what a browser asks before it sends what a form could not send.

use std::time::Duration;

use super::{
    ALLOW_CREDENTIALS, ALLOW_HEADERS, ALLOW_METHODS, ALLOW_ORIGIN, FAILED_TO_FETCH, unreadable,
};
use crate::conformance::{
    answer::Answer,
    ask::Ask,
    check::{
        Check, Fault,
        Level::{self, Advice, Must},
        Plan, Seen, Unmet, Verdict,
    },
    subject::Subject,
};

const ANSWERED: &[(&str, &str)] = &[
    ("axum", "Put the CORS layer outside of routing, login and MethodGuard."),
    (
        "express",
        "app.use(cors(..)) before every router and before the login; or app.options('/{*path}', cors(..)).",
    ),
    ("nginx", "if ($request_method = OPTIONS) { return 204; } with the add_header lines in it."),
];

pub(super) const CHECKS: [Check; 9] = [
    Check::new(17, Must, "A preflight for a path that exists is answered.", "Fetch, 4.8")
        .page(FAILED_TO_FETCH)
        .fix_by(
            "Answer OPTIONS with Origin and Access-Control-Request-Method before anything else.",
            ANSWERED,
        )
        .sends(|s| Ok(vec![Ask::preflight(&s.any_path(), s.front_end()?, "POST")]))
        .judged(let_through),
    Check::new(18, Must, "A preflight for a path that does not exist is answered.", "contract, 2")
        .page("Failed to fetch, where a 404 could be read")
        .fix_by("Answer preflights before routing.", ANSWERED)
        .sends(|s| Ok(vec![Ask::preflight(&s.nowhere(), s.front_end()?, "POST")]))
        .judged(let_through),
    Check::new(19, Must, "A preflight needs no login.", "Fetch, 4.8")
        .page(FAILED_TO_FETCH)
        .fix_by(
            "Answer preflights before the login: browsers send no credentials with them.",
            ANSWERED,
        )
        .sends(without_login)
        .judged(let_through),
    Check::new(20, Advice, "The methods that pages send are allowed.", "Fetch, 4.8")
        .page(FAILED_TO_FETCH)
        .fix_by("Add the method to Access-Control-Allow-Methods, in upper case.", &[])
        .sends(each_method)
        .judged(methods_are_listed),
    Check::new(21, Advice, "The request fields that pages send are allowed.", "Fetch, 4.8")
        .page(FAILED_TO_FETCH)
        .fix_by("Add the name to Access-Control-Allow-Headers.", &[])
        .sends(each_field)
        .judged(fields_are_listed),
    Check::new(
        22,
        Advice,
        "OPTIONS without Access-Control-Request-Method is no preflight.",
        "Fetch, 3.2.2",
    )
    .fix_by(
        "Take for a preflight only what has both fields; let other OPTIONS reach the service.",
        &[],
    )
    .sends(|s| Ok(vec![s.ask("OPTIONS", &s.any_path()).origin(s.front_end()?)]))
    .judged(plain_options),
    Check::new(23, Must, "A preflight of a foreign page is not let through.", "Fetch, 4.8")
        .page("a page that is not yours may send requests with the user's session")
        .fix_by("Compare Origin with the list of your front ends, on preflights too.", &[])
        .sends(|s| Ok(vec![Ask::preflight(&s.any_path(), &s.foreign(), "POST")]))
        .judged(super::cors::foreign_is_refused),
    Check::new(24, Advice, "Max-Age is a number of seconds, of at most a day.", "Fetch, 3.2.3")
        .fix_by("Send a whole number up to 86400; no browser keeps a preflight for longer.", &[])
        .sends(|s| Ok(vec![Ask::preflight(&s.any_path(), s.front_end()?, "POST")]))
        .judged(max_age),
    Check::new(25, Advice, "A long list of request fields costs nothing.", "robustness")
        .fix_by("Do not parse what the answer does not depend on.", &[])
        .alone()
        .sends(many_commas)
        .judged(is_quick),
];

/// Whether a browser goes on after this answer to a preflight.
fn let_through(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(0)?;
    let front_end = subject.front_end()?;
    let mut faults = Vec::new();
    if !answer.is_success() {
        let location = answer.one("location").map(|to| format!(", to {to}")).unwrap_or_default();
        faults.push(Fault::new(
            0,
            format!("{}{location}", answer.status),
            "200 to 299, no redirect",
        ));
    }
    if let Some(seen) = unreadable(answer, front_end) {
        faults.push(Fault::new(0, seen, format!("{ALLOW_ORIGIN}: {front_end}")));
    }
    Ok(faults)
}

fn without_login(subject: &Subject) -> Plan {
    match subject.options.auth.as_slice() {
        [] => Err(Unmet::new("no path is known that needs a login", "--auth 'Name: value'")),
        _ => Ok(vec![Ask::preflight(subject.existing()?, subject.front_end()?, "POST")]),
    }
}

/// What `--page-sends` names, methods or fields.
fn page_sends(subject: &Subject, methods: bool) -> Vec<String> {
    let all = subject.options.page_sends.iter();
    let is_method = |word: &&String| word.bytes().all(|byte| byte.is_ascii_uppercase());
    all.filter(|word| is_method(word) == methods).cloned().collect()
}

/// What is asked about: what the page sends, else what pages commonly send.
fn asked<'a>(given: &'a [String], common: &'a [&'a str]) -> Vec<&'a str> {
    match given {
        [] => common.to_vec(),
        given => given.iter().map(String::as_str).collect(),
    }
}

const COMMON_METHODS: [&str; 3] = ["PUT", "PATCH", "DELETE"];
const COMMON_FIELDS: [&str; 2] = ["content-type", "authorization"];

fn each_method(subject: &Subject) -> Plan {
    let given = page_sends(subject, true);
    let (path, front_end) = (subject.any_path(), subject.front_end()?);
    let all = asked(&given, &COMMON_METHODS).into_iter();
    Ok(all.map(|method| Ask::preflight(&path, front_end, method)).collect())
}

fn methods_are_listed(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let given = page_sends(subject, true);
    let mut faults = Vec::new();
    for (at, method) in asked(&given, &COMMON_METHODS).into_iter().enumerate() {
        let answer = seen.answer(at)?;
        let safelisted = matches!(method, "GET" | "HEAD" | "POST");
        let list = answer.list(ALLOW_METHODS);
        let wildcard = list.contains(&"*") && !answer.has(ALLOW_CREDENTIALS);
        if !safelisted && !wildcard && !list.contains(&method) {
            faults.push(unlisted(at, answer, ALLOW_METHODS, method, given.is_empty()));
        }
    }
    Ok(together(faults))
}

fn each_field(subject: &Subject) -> Plan {
    let given = page_sends(subject, false);
    let (path, front_end) = (subject.any_path(), subject.front_end()?);
    let ask = |name: &str| {
        let preflight = Ask::preflight(&path, front_end, "POST");
        preflight.with("access-control-request-headers", name.to_ascii_lowercase())
    };
    Ok(asked(&given, &COMMON_FIELDS).into_iter().map(ask).collect())
}

fn fields_are_listed(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let given = page_sends(subject, false);
    let mut faults = Vec::new();
    for (at, name) in asked(&given, &COMMON_FIELDS).into_iter().enumerate() {
        let answer = seen.answer(at)?;
        // `*` never stands for Authorization (Fetch, 4.8).
        let wildcard = answer.lists(ALLOW_HEADERS, "*")
            && !answer.has(ALLOW_CREDENTIALS)
            && !name.eq_ignore_ascii_case("authorization");
        if !wildcard && !answer.lists(ALLOW_HEADERS, name) {
            faults.push(unlisted(at, answer, ALLOW_HEADERS, name, given.is_empty()));
        }
    }
    Ok(together(faults))
}

fn unlisted(at: usize, answer: &Answer, list: &str, missing: &str, guessed: bool) -> Fault {
    let expected =
        format!("{missing}, if a page sends it (--page-sends {missing} makes it a must)");
    if guessed {
        return Fault::new(at, answer.shown(list), expected);
    }
    Fault::new(at, answer.shown(list), format!("{list} with {missing}")).at_level(Level::Must)
}

/// One finding in place of several that say the same of one answer.
fn together(faults: Vec<Fault>) -> Vec<Fault> {
    let mut all = faults.into_iter();
    let Some(mut first) = all.next() else { return Vec::new() };
    let mut others = Vec::new();
    for fault in all {
        if fault.seen == first.seen && fault.level.is_none() {
            let name = fault.expected.split(',').next().unwrap_or_default().to_owned();
            first.expected = format!("{name}, {}", first.expected);
        } else {
            others.push(fault);
        }
    }
    others.insert(0, first);
    others
}

fn plain_options(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(0)?;
    let taken = answer.is_success() && answer.has("access-control-max-age");
    let fault = || {
        let seen = format!("{}, {}", answer.status, answer.shown("access-control-max-age"));
        Fault::new(0, seen, "the service's own answer to OPTIONS")
    };
    Ok(taken.then(fault).into_iter().collect())
}

fn max_age(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(0)?;
    let lines = answer.all("access-control-max-age");
    let fits = lines.iter().all(|line| matches!(line.parse::<u32>(), Ok(0..=86_400)));
    let fault = || Fault::new(0, answer.shown("access-control-max-age"), "0 to 86400, or no line");
    Ok((!fits).then(fault).into_iter().collect())
}

fn many_commas(subject: &Subject) -> Plan {
    let preflight: Ask = Ask::preflight(&subject.any_path(), subject.front_end()?, "POST");
    let preflight = preflight.with("access-control-request-headers", ",".repeat(64 * 1024));
    Ok(vec![preflight.clone(), preflight.clone(), preflight])
}

fn is_quick(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    // Who does not take such a head may close the connection at once.
    let answers = (0..seen.answers.len()).filter_map(|at| seen.answer(at).ok());
    let Some(answer) = answers.min_by_key(|answer| answer.took) else { return Ok(Vec::new()) };
    let limit = Duration::from_millis(200) + 3 * subject.baseline();
    let fault = || {
        let seen = format!("{} after {} ms", answer.status, answer.took.as_millis());
        Fault::new(0, seen, format!("431, or an answer within {} ms", limit.as_millis()))
    };
    Ok((answer.took > limit).then(fault).into_iter().collect())
}
