//! H. Real failures, each by a route that fails on purpose.

use std::time::Duration;

use super::{errors::refused, kept_error, members, readable};
use crate::conformance::{
    answer::{Answer, End, Version, excerpt},
    check::{
        Check, Fault,
        Level::{self, Contract, Must},
        Over, Plan, Seen, Stop, Unmet, Verdict,
    },
    subject::{Subject, route},
};

const PANICS: &[(&str, &str)] = &[
    ("axum", "PanicToErrorLayer inside of CORS and ErrorBody (ContractLayer has them in order)."),
    ("express", "An error-handling middleware; in Express 4, async errors need next(err)."),
    ("nginx", "proxy_intercept_errors on; and error_page 500 with a fixed body."),
];

const BODIES: &[(&str, &str)] = &[
    ("axum", "PanicToErrorLayer ends such a body with an error."),
    ("express", "res.destroy(err), never res.end(), once the head is sent."),
];

pub(super) const CHECKS: [Check; 8] = [
    Check::new(56, Must, "A panic is answered, and tells nothing of itself.", "contract, 6")
        .page(super::FAILED_TO_FETCH)
        .fix_by("Catch it inside of what writes the CORS fields; answer 500 with a fixed sentence.", PANICS)
        .sends(|s| Ok(vec![s.get(panic(s)?).origin(s.front_end()?)]))
        .judged(panic_is_answered),
    Check::new(57, Must, "Panics do not disturb other streams of the connection.", "contract, 6")
        .page("net::ERR_HTTP2_PROTOCOL_ERROR, for answers that were fine")
        .fix_by("Catch a panic in the task of its request.", PANICS)
        .over(Over::Http2)
        .alone()
        .sends(panics_among_healthy)
        .judged(healthy_are_answered),
    Check::new(58, Must, "A body that fails is broken, and does not end as if it were whole.", "contract, 6")
        .page("half of the data, without an error")
        .fix_by("Break the message off: RST_STREAM, or no last chunk.", BODIES)
        .sends(|s| {
            let path = route(s.options.panic_body.as_ref(), "--panic-body /path")?;
            Ok(vec![s.get(path)])
        })
        .judged(body_is_broken),
    Check::new(59, Must, "A slow answer is refused in time.", "contract, 7")
        .page(super::FAILED_TO_FETCH)
        .fix_by("Put a limit around the service, inside of CORS and of what writes the envelope.", &[
            ("axum", "ContractLayer::timeout."),
            ("express", "A timer that answers 503 with the envelope; server.requestTimeout closes the connection."),
            ("nginx", "proxy_read_timeout, and error_page 504 with the fields."),
        ])
        .alone()
        .sends(|s| {
            let slow = s.get(slow(s)?.0).origin(s.front_end()?);
            Ok(vec![slow, s.get(&s.any_path())])
        })
        .judged(slow_is_refused),
    Check::new(60, Must, "An upstream that is down is told without its address.", "contract, 4")
        .fix_by("Answer 502, 503 or 504 with a fixed sentence; write the cause into the log.", PANICS)
        .sends(|s| Ok(vec![s.get(upstream(s)?)]))
        .judged(address_is_not_told),
    Check::new(61, Contract, "Overload is refused at once.", "contract, 7")
        .fix_by("Refuse what cannot be served soon (503 or 429), in place of a queue.", &[
            ("axum", "tower's LoadShed around a GlobalConcurrencyLimitLayer, inside of the contract."),
            ("nginx", "limit_conn, with limit_conn_status 503 and add_header .. always."),
        ])
        .alone()
        .sends(overload)
        .judged(overload_is_refused),
    Check::new(62, Must, "Who has no login is told how to log in.", "RFC 9110, 15.5.2")
        .fix_by("Answer 401 with WWW-Authenticate and the envelope.", PANICS)
        .sends(without_login)
        .judged(login_is_asked_for),
    Check::new(63, Must, "The same failure says the same thing.", "contract, 4")
        .fix_by("Write a fixed sentence with a 5xx: no time, no number of the request, no text of the error.", PANICS)
        .sends(same_failure)
        .judged(texts_are_equal),
];

fn panic(subject: &Subject) -> Result<&str, Unmet> {
    route(subject.options.panic.as_ref(), "--panic /path")
}

fn upstream(subject: &Subject) -> Result<&str, Unmet> {
    route(subject.options.upstream_down.as_ref(), "--upstream-down /path")
}

fn slow(subject: &Subject) -> Result<(&str, Duration), Unmet> {
    let missing = || Unmet::new("no such route is named", "--slow /path=limit");
    let slow = subject.options.slow.as_ref().ok_or_else(missing)?;
    Ok((&slow.0, slow.1))
}

/// What tells of the inside of a program.
const INSIDE: [&str; 11] = [
    "&nbsp;at ",
    "/node_modules/",
    "panicked at",
    ".rs:",
    "stack backtrace",
    "RUST_BACKTRACE",
    "Traceback (most recent",
    "\n    at ",
    "\\n    at ",
    "goroutine ",
    "Exception in",
];

fn panic_is_answered(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(0)?;
    let mut faults = super::status(answer, 0, &[500]);
    faults.extend(readable(subject, answer, 0)?);
    let text = answer.text();
    if let Some(found) = INSIDE.into_iter().find(|inside| text.contains(inside)) {
        faults.push(Fault::new(0, format!("{:?} in the answer", found.trim()), "a fixed sentence"));
    }
    if faults.is_empty() {
        faults = kept_error(subject, answer, 0);
    }
    Ok(faults)
}

fn panics_among_healthy(subject: &Subject) -> Plan {
    let both = subject.get(panic(subject)?).then(subject.get(subject.existing()?));
    Ok(vec![both.over(Version::Http2).times(subject.options.load)])
}

fn healthy_are_answered(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let healthy = (0..seen.answers.len()).skip(1).step_by(2);
    let lost = healthy.filter(|at| !seen.answer(*at).is_ok_and(Answer::is_success));
    let lost: Vec<_> = lost.collect();
    let Some(first) = lost.first() else { return Ok(Vec::new()) };
    let why = match seen.answer(*first) {
        Ok(answer) => answer.status.to_string(),
        Err(fault) => fault.seen,
    };
    let seen = format!("{} of {} lost: {why}", lost.len(), seen.answers.len() / 2);
    Ok(vec![Fault::new(*first, seen, "all healthy requests answered")])
}

fn body_is_broken(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let Ok(answer) = seen.answer(0) else { return Ok(Vec::new()) };
    if answer.is_error() {
        let why = format!("--panic-body is answered {} before its body begins", answer.status);
        return Err(Unmet::new(why, "--panic-body /path").into());
    }
    let fault = || {
        let seen = format!("{}, {} bytes and a clean end", answer.status, answer.body.len());
        Fault::new(0, seen, "a broken message")
    };
    Ok((answer.end == End::Complete).then(fault).into_iter().collect())
}

fn slow_is_refused(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let (_, limit) = slow(subject)?;
    let answer = seen.answer(0)?;
    let mut faults = super::status(answer, 0, &[503, 504]);
    // What a busy machine and the network take is not the limit's: an answer that is not slow tells
    // how long it is at this moment.
    let now = seen.answer(1).map_or(Duration::ZERO, |answer| answer.took);
    let slack = (limit / 5).max(Duration::from_millis(500)) + 4 * now.max(subject.baseline());
    if answer.took > limit + slack || answer.took + slack < limit {
        let seen = format!("{} after {} ms", answer.status, answer.took.as_millis());
        faults.push(Fault::new(0, seen, format!("about {} ms", limit.as_millis())));
    }
    if let Some(told) = answer.one("retry-after").filter(|told| !is_retry_after(told)) {
        faults.push(Fault::new(0, format!("retry-after: {told}"), "a whole number of seconds"));
    }
    faults.extend(readable(subject, answer, 0)?);
    if faults.is_empty() {
        faults = kept_error(subject, answer, 0);
    }
    Ok(faults)
}

fn is_retry_after(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What tells of an upstream.
const CAUSES: [&str; 7] =
    ["refused", "os error", "errno", "ECONN", "ENOTFOUND", "ETIMEDOUT", "error trying to connect"];

fn address_is_not_told(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(0)?;
    let mut faults = super::status(answer, 0, &[502, 503, 504]);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let cause = CAUSES.into_iter().find(|cause| text.contains(cause)).map(str::to_owned);
    if let Some(found) = cause.or_else(|| address(&text)) {
        faults.push(Fault::new(
            0,
            format!("{:?} in the body", excerpt(&found)),
            "a fixed sentence",
        ));
    }
    if faults.is_empty() {
        faults = kept_error(subject, answer, 0);
    }
    Ok(faults)
}

/// An IPv4 address in a text, with its port.
fn address(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    let mut words = words.map(|word| word.trim_matches(['.', ':']));
    let is_address = |word: &&str| {
        let host = word.split(':').next().unwrap_or_default();
        host.parse::<std::net::Ipv4Addr>().is_ok()
    };
    words.find(is_address).map(str::to_owned)
}

fn overload(subject: &Subject) -> Plan {
    let path = route(subject.options.overload.as_ref(), "--overload /path")?;
    Ok(vec![subject.get(path).times(subject.options.load)])
}

fn overload_is_refused(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let all = seen.all()?;
    let (refusals, healthy): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, answer)| matches!(answer.status, 503 | 429));
    let Some((at, first)) = refusals.iter().min_by_key(|(_, answer)| answer.took) else {
        let seen = format!("all {} requests served", healthy.len());
        return Ok(vec![Fault::new(0, seen, "503 or 429; a greater --load may be needed")]);
    };
    let mut faults = kept_error(subject, first, *at);
    let slowest = healthy.iter().map(|(_, answer)| answer.took).max();
    if slowest.is_some_and(|slowest| first.took > slowest) {
        let seen = format!("{} after {} ms", first.status, first.took.as_millis());
        faults.push(Fault::new(*at, seen, "sooner than a healthy answer"));
    }
    Ok(faults)
}

fn without_login(subject: &Subject) -> Plan {
    match subject.options.auth.as_slice() {
        [] => Err(Unmet::new("no path is known that needs a login", "--auth 'Name: value'")),
        _ => Ok(vec![crate::conformance::ask::Ask::new("GET", subject.existing()?)]),
    }
}

fn login_is_asked_for(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(0)?;
    if answer.is_success() {
        return Err(Unmet::new("the path of --get needs no login", "--get /path").into());
    }
    let mut faults = refused(subject, seen, 0, &[401])?;
    if faults.is_empty() && !answer.has("www-authenticate") && !answer.has("x-www-authenticate") {
        faults.push(
            Fault::new(0, "401 without www-authenticate", "a challenge").at_level(Level::Must),
        );
    }
    Ok(faults)
}

fn same_failure(subject: &Subject) -> Plan {
    let known = [panic(subject).ok(), upstream(subject).ok()];
    let path = known.into_iter().flatten().next();
    let missing = || Unmet::new("no route is known that fails", "--panic or --upstream-down");
    let get = subject.get(path.ok_or_else(missing)?);
    Ok(vec![get.clone(), get.clone(), get])
}

fn texts_are_equal(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut texts = Vec::new();
    for (at, answer) in seen.all()? {
        match members(subject, answer, at) {
            Ok(told) => texts.push(format!("{}: {}", told.title, told.description)),
            // Without the envelope, the whole body is the text.
            Err(Stop::Fault(_)) => texts.push(String::from_utf8_lossy(&answer.body).into_owned()),
            Err(stop) => return Err(stop),
        }
    }
    let first = texts.first().cloned().unwrap_or_default();
    let other = texts.iter().enumerate().find(|(_, text)| **text != first);
    let fault = other.map(|(at, text)| Fault::new(at, excerpt(text), excerpt(&first)));
    Ok(fault.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_and_a_version_is_none() {
        assert_eq!(address("tcp 10.0.0.7:5432: refused").as_deref(), Some("10.0.0.7:5432"));
        assert_eq!(address("at 127.0.0.1."), Some("127.0.0.1".into()));
        assert_eq!(address("version 1.2.3, code 502, at 12:30"), None);
    }
}
