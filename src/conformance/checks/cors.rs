//! B. CORS fields on whatever happens.

use super::{
    ALLOW_CREDENTIALS, ALLOW_HEADERS, ALLOW_METHODS, ALLOW_ORIGIN, ALLOW_ORIGINS, FAILED_TO_FETCH,
    five_fields, missing_fields, readable,
};
use crate::conformance::{
    answer::Answer,
    check::{
        Check, Fault,
        Level::{self, Advice, Contract, Must},
        Logged, Over, Plan, Seen, Unmet, Verdict,
    },
    subject::Subject,
};

const EVERYWHERE: &[(&str, &str)] = &[
    ("axum", "Add the CORS layer last, so that it is outermost: also around fallback and timeout."),
    (
        "express",
        "app.use(cors(..)) first, and set the fields again in the error-handling middleware.",
    ),
    ("nginx", "add_header .. always; without `always` errors go without."),
];

const EXACT: &[(&str, &str)] = &[
    ("axum", "AllowOrigin::list of whole origins, no predicate on a part of the text."),
    (
        "express",
        "origin: ['https://app.example.com'], a list; no regular expression without ^ and $.",
    ),
    ("nginx", "map $http_origin to whole values; no ~ without ^ and $."),
];

pub(super) const CHECKS: [Check; 12] = [
    Check::new(5, Must, "A page of the front end can read a healthy answer.", "Fetch, 3.2.5")
        .page(FAILED_TO_FETCH)
        .fix_by(
            "Send Access-Control-Allow-Origin with the origin of the front end, once.",
            EVERYWHERE,
        )
        .sends(|s| Ok(vec![s.get(s.existing()?).origin(s.front_end()?)]))
        .judged(|s, seen| Ok(readable(s, seen.answer(0)?, 0)?)),
    Check::new(
        6,
        Contract,
        "A healthy answer without Origin has the contract's fields.",
        "contract, 2",
    )
    .fix_by(
        "Send the fields on every answer, whether the request has an Origin or not.",
        EVERYWHERE,
    )
    .sends(|s| Ok(vec![s.get(s.existing()?)]))
    .judged(without_origin),
    Check::new(
        7,
        Must,
        "A page can read that a path does not exist.",
        "contract, 1; Fetch, CORS check",
    )
    .page(FAILED_TO_FETCH)
    .fix_by("Put the CORS fields on errors too.", EVERYWHERE)
    .sends(nowhere_as_page)
    .judged(nowhere_is_readable),
    Check::new(8, Must, "A foreign page is not let in.", "Fetch, 3.2.5")
        .page("the answer of the user's own session, on a page that is not yours")
        .fix_by(
            "Compare Origin with the list of your front ends; never send it back unseen.",
            EXACT,
        )
        .sends(|s| Ok(vec![s.get(&s.any_path()).origin(s.foreign())]))
        .judged(foreign_is_refused),
    Check::new(9, Must, "The origin `null` is not let in.", "Fetch, 3.2.5")
        .page("every sandboxed frame of every site can read the answer")
        .fix_by("Take null out of the list of origins.", EXACT)
        .sends(|s| Ok(vec![s.get(&s.any_path()).origin("null")]))
        .judged(null_is_refused),
    Check::new(
        10,
        Must,
        "An origin that is only like the front end's is not let in.",
        "contract, 2",
    )
    .page("a page of another host can read the answer")
    .fix_by("Compare the whole value, byte by byte.", EXACT)
    .sends(near_misses)
    .judged(near_misses_are_refused),
    Check::new(
        11,
        Advice,
        "Two Origin lines are not taken for the second one.",
        "RFC 9110, 5.3; contract, 2",
    )
    .fix_by("Treat several Origin lines as a foreign origin.", &[])
    .over(Over::Http1)
    .sends(two_lines)
    .judged(one_line_is_answered),
    Check::new(
        12,
        Must,
        "Allow-Credentials is exactly `true`, and never beside `*`.",
        "Fetch, 3.2.5",
    )
    .page(FAILED_TO_FETCH)
    .fix_by("Send `true` or no line; with credentials name the origin, no `*`.", EXACT)
    .sends(|s| Ok(vec![s.get(&s.any_path()).origin(s.front_end()?), s.get(&s.nowhere())]))
    .judged(credentials_are_true),
    Check::new(
        13,
        Must,
        "Each front end is told its own origin, and caches keep them apart.",
        "Fetch, 3.2.5; RFC 9110, 12.5.5",
    )
    .page("after the other front end was there: Failed to fetch, out of a cache")
    .fix_by(
        "Send `Vary: Origin` on every answer, errors and requests without Origin included.",
        &[
            (
                "express",
                "cors() sends it where it acts; set it again in the error-handling middleware.",
            ),
            ("nginx", "add_header Vary Origin always;"),
        ],
    )
    .sends(as_each_front_end)
    .judged(each_gets_its_own),
    Check::new(14, Contract, "The fields say the same on every answer.", "contract, 2")
        .fix_by("Set them in one place, outside of all routes; no route sets its own.", EVERYWHERE)
        .over(Over::Run)
        .judged(same_everywhere),
    Check::new(15, Must, "No field of CORS is sent twice.", "Fetch, 2.2.2")
        .page(FAILED_TO_FETCH)
        .fix_by(
            "Let one place send them: the service or the proxy in front of it, not both.",
            &[("nginx", "proxy_hide_header Access-Control-Allow-Origin;")],
        )
        .over(Over::Run)
        .judged(never_twice),
    Check::new(
        16,
        Advice,
        "What an error tells in its fields can be read by a page.",
        "Fetch, 3.2.6",
    )
    .page("response.headers.get(..) is null")
    .fix_by("Add the names to Access-Control-Expose-Headers.", &[])
    .over(Over::Run)
    .judged(exposed),
];

fn without_origin(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(0)?;
    let mut faults = missing_fields(subject, answer, 0, |_| true);
    if faults.is_empty() && !subject.profile.documented_origin_field {
        let seen = format!("no {ALLOW_ORIGINS}");
        faults.push(
            Fault::new(0, seen, "the field that the contract names, beside the standard's")
                .advice(),
        );
    }
    Ok(faults)
}

fn nowhere_as_page(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    Ok(vec![subject.get(&subject.nowhere()).origin(subject.front_end()?)])
}

fn nowhere_is_readable(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.error(0)?;
    let mut faults = readable(subject, answer, 0)?;
    // Who guards every path with a login answers 401 or 403, and tells nobody which paths exist.
    if !matches!(answer.status, 401 | 403 | 404) {
        let fault = Fault::new(0, answer.summary(), "404");
        // The page reads it: what is wrong is the status, and no standard forbids it.
        let level = if answer.status < 500 { Level::Advice } else { Level::Contract };
        faults.push(fault.at_level(level));
    }
    if faults.is_empty() {
        faults = five_fields(subject, answer, 0);
    }
    Ok(faults)
}

/// A fault if the answer lets `origin` in; worse where credentials are let in too.
fn let_in(answer: &Answer, origin: &str, at: usize) -> Option<Fault> {
    let credentials = answer.has(ALLOW_CREDENTIALS);
    let reflected = answer.all(ALLOW_ORIGIN).contains(&origin);
    let open = answer.all(ALLOW_ORIGIN).contains(&"*") && credentials;
    let level = if credentials { Level::Must } else { Level::Advice };
    (reflected || open).then(|| {
        let with = if credentials { ", with credentials" } else { "" };
        let seen = format!("{}{with}", answer.shown(ALLOW_ORIGIN));
        Fault::new(at, seen, "another origin, or no line").at_level(level)
    })
}

pub(super) fn foreign_is_refused(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    Ok(let_in(seen.answer(0)?, &subject.foreign(), 0).into_iter().collect())
}

fn null_is_refused(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(0)?;
    let fault = || Fault::new(0, answer.shown(ALLOW_ORIGIN), "never `null`");
    Ok(answer.all(ALLOW_ORIGIN).contains(&"null").then(fault).into_iter().collect())
}

/// Origins that are like `front_end`, with what they are like.
fn like(front_end: &str, token: &str) -> Vec<(&'static str, String)> {
    let Some((scheme, host_and_port)) = front_end.split_once("://") else { return Vec::new() };
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (host_and_port, None),
    };
    let tail = port.map(|port| format!(":{port}")).unwrap_or_default();
    let mut all = vec![
        ("longer", format!("{scheme}://{host}.evil-{token}.invalid{tail}")),
        ("upper case", format!("{scheme}://{}{tail}", host.to_ascii_uppercase())),
        ("trailing dot", format!("{scheme}://{host}.{tail}")),
        (
            "other port",
            format!("{scheme}://{host}:{}", if port == Some("8443") { 8444 } else { 8443 }),
        ),
    ];
    let is_name = host.parse::<std::net::Ipv4Addr>().is_err() && !host.starts_with('[');
    if is_name && host.contains('.') {
        all.push(("prefix", format!("{scheme}://evil-{host}{tail}")));
        let parent = host.split_once('.').map_or(host, |(_, parent)| parent);
        all.push(("sibling", format!("{scheme}://sibling-{token}.{parent}{tail}")));
    }
    match scheme {
        "https" => all.push(("http", format!("http://{host}{tail}"))),
        "http" => all.push(("https", format!("https://{host}{tail}"))),
        _ => {}
    }
    all.retain(|(_, origin)| origin != front_end);
    all
}

fn near_misses(subject: &Subject) -> Plan {
    let (path, front_end) = (subject.any_path(), subject.front_end()?);
    let all = like(front_end, &subject.token).into_iter();
    Ok(all.map(|(_, origin)| subject.get(&path).origin(origin)).collect())
}

fn near_misses_are_refused(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let front_end = subject.front_end()?;
    let all = like(front_end, &subject.token);
    let is_in = |at: usize, origin: &str| {
        Ok::<_, Fault>(seen.answer(at)?.all(ALLOW_ORIGIN).contains(&origin))
    };
    let mut siblings_are_in = false;
    for (at, (kind, origin)) in all.iter().enumerate() {
        siblings_are_in |= *kind == "sibling" && is_in(at, origin)?;
    }
    let host = front_end.split_once("://").map_or("", |(_, host)| host);
    let loopback = ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| host.starts_with(name));
    let mut faults = Vec::new();
    for (at, (kind, origin)) in all.iter().enumerate() {
        if !is_in(at, origin)? || subject.options.origins.contains(origin) {
            continue;
        }
        let seen = format!("{kind}: {origin} is let in");
        let fault = Fault::new(at, seen, format!("{front_end} alone"));
        // A policy may let in every host of a domain, or every port of this machine.
        let meant = match *kind {
            "sibling" => true,
            "prefix" => siblings_are_in,
            "other port" | "http" | "https" => loopback,
            _ => false,
        };
        faults.push(if meant { fault.advice() } else { fault });
    }
    Ok(faults)
}

fn two_lines(subject: &Subject) -> Plan {
    let (_, second) = subject.two_front_ends()?;
    Ok(vec![subject.get(&subject.any_path()).origin(second).origin(subject.foreign())])
}

fn one_line_is_answered(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let (_, second) = subject.two_front_ends()?;
    let answer = seen.answer(0)?;
    let lines = answer.all(ALLOW_ORIGIN);
    let wrong =
        lines.len() > 1 || lines.contains(&second) || lines.contains(&subject.foreign().as_str());
    let fault = || Fault::new(0, answer.shown(ALLOW_ORIGIN), "at most one line, none of the two");
    Ok(wrong.then(fault).into_iter().collect())
}

fn credentials_are_true(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = Vec::new();
    for (at, answer) in seen.all()? {
        let lines = answer.all(ALLOW_CREDENTIALS);
        if lines.iter().any(|line| *line != "true") {
            faults.push(Fault::new(at, answer.shown(ALLOW_CREDENTIALS), "`true`, or no line"));
        }
        if !lines.is_empty() && answer.all(ALLOW_ORIGIN).contains(&"*") {
            faults.push(Fault::new(at, "`*` with credentials", "the page's origin"));
        }
    }
    Ok(faults)
}

fn as_each_front_end(subject: &Subject) -> Plan {
    let (first, second) = subject.two_front_ends()?;
    let (path, nowhere) = (subject.any_path(), subject.nowhere());
    Ok(vec![
        subject.get(&path).origin(first),
        subject.get(&path).origin(second),
        subject.get(&path),
        subject.get(&nowhere).origin(first),
        subject.get(&nowhere).origin(second),
        subject.get(&nowhere),
    ])
}

fn each_gets_its_own(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    if subject.profile.public {
        return Err(Unmet::new("every origin may read it (`*`)", "").into());
    }
    let mut faults = Vec::new();
    for (at, answer) in seen.all()? {
        let asked = seen.message(at).and_then(|message| message.field("origin"));
        if let Some(origin) = asked.filter(|origin| answer.all(ALLOW_ORIGIN) != [*origin]) {
            let expected = format!("{ALLOW_ORIGIN}: {origin}");
            faults.push(Fault::new(
                at,
                format!("{}, {}", answer.status, answer.shown(ALLOW_ORIGIN)),
                expected,
            ));
        }
        if !answer.lists("vary", "origin") && !answer.lists("vary", "*") {
            faults.push(Fault::new(
                at,
                format!("{}, {}", answer.status, answer.shown("vary")),
                "vary: Origin",
            ));
        }
    }
    Ok(faults)
}

/// A field is there or not there on all answers, and says the same on all of one path.
fn same_everywhere(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = Vec::new();
    // An answer that lets every page read has no credentials; it is judged among its like.
    let like = |logged: &&Logged| {
        logged.answer.one(ALLOW_ORIGIN) != Some("*") && logged.answer.status != 101
    };
    for name in [ALLOW_HEADERS, ALLOW_METHODS, ALLOW_CREDENTIALS] {
        let mut with = seen.run.iter().filter(like).filter(|logged| logged.answer.has(name));
        let Some(first) = with.next() else { continue };
        // That a line is sent twice is for another check.
        let value = |logged: &Logged| logged.answer.all(name).first().map(|&v| v.to_owned());
        let said = first.answer.shown(name);
        for other in seen.run.iter().filter(like) {
            if value(other) == value(first) {
                continue;
            }
            let (here, there) = (route(first), route(other));
            let same_path = first.message.target == other.message.target;
            let seen = format!(
                "{here}: {said}; {there} ({}): {}",
                other.answer.status,
                other.answer.shown(name)
            );
            let fault = Fault::new(0, seen, "the same on every answer");
            let absent = !other.answer.has(name);
            faults.push(if absent || same_path { fault } else { fault.advice() });
            break;
        }
    }
    Ok(faults)
}

fn route(logged: &Logged) -> String {
    let preflight = if logged.message.is_preflight() { " (preflight)" } else { "" };
    let target: String = logged.message.target.chars().take(60).collect();
    format!("{} {target}{preflight}", logged.message.method)
}

fn never_twice(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let twice = seen.run.iter().find_map(|logged| {
        let names = logged.answer.fields.iter().map(|(name, _)| name.as_str());
        let mut names = names.filter(|name| name.starts_with("access-control-"));
        let name = names.find(|name| logged.answer.all(name).len() > 1)?;
        let seen = format!("{}: {}", route(logged), logged.answer.shown(name));
        Some(Fault::new(0, seen, "one line"))
    });
    Ok(twice.into_iter().collect())
}

fn exposed(_: &Subject, seen: &Seen<'_>) -> Verdict {
    const TOLD: [&str; 6] =
        ["allow", "www-authenticate", "retry-after", "x-request-id", "request-id", "traceparent"];
    let mut hidden: Vec<(&str, String)> = Vec::new();
    for logged in seen.run.iter().filter(|logged| logged.answer.is_error()) {
        let answer = &logged.answer;
        for name in TOLD.into_iter().filter(|name| answer.has(name)) {
            let exposed = answer.lists("access-control-expose-headers", name)
                || answer.lists("access-control-expose-headers", "*");
            if !exposed && !hidden.iter().any(|(n, _)| *n == name) {
                hidden.push((name, format!("{} ({})", route(logged), answer.status)));
            }
        }
    }
    let fault = |(name, route): (&str, String)| {
        Fault::new(
            0,
            format!("{route} has {name}, not exposed"),
            format!("access-control-expose-headers: {name}"),
        )
    };
    Ok(hidden.into_iter().map(fault).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_a_front_end_is_never_the_front_end() {
        for front_end in [
            "https://app.example.com",
            "http://localhost:3000",
            "tauri://localhost",
            "https://127.0.0.1:8443",
        ] {
            let all = like(front_end, "t");
            assert!(all.len() >= 4, "{all:?}");
            assert!(all.iter().all(|(_, origin)| origin != front_end), "{all:?}");
        }
    }
}
