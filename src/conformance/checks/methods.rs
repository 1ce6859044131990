//! E. Methods.

use super::errors::refused;
use crate::conformance::{
    answer::Version,
    ask::Ask,
    check::{
        Check, Fault,
        Level::{self, Contract, Must},
        Over, Plan, Seen, Verdict,
    },
    subject::Subject,
};

const METHODS: &[(&str, &str)] = &[
    (
        "axum",
        "MethodGuardLayer, or ContractLayer::methods: 405 and 501 with Allow and the envelope.",
    ),
    (
        "express",
        "router.route(path).get(..).all((req, res) => res.status(405).set('Allow', 'GET, HEAD').json(..)).",
    ),
    (
        "nginx",
        "limit_except GET { deny all; } answers 403; return 405 and add_header Allow .. always.",
    ),
];

pub(super) const CHECKS: [Check; 5] = [
    Check::new(
        39,
        Contract,
        "A method that a path does not support is refused.",
        "RFC 9110, 15.5.6",
    )
    .fix_by("Answer 405 with Allow and the envelope.", METHODS)
    .sends(|s| Ok(vec![s.ask("PROPFIND", s.existing()?)]))
    .judged(is_refused),
    Check::new(40, Must, "Each method that Allow names is supported.", "RFC 9110, 10.2.1")
        .fix_by("Make Allow from the routes themselves.", METHODS)
        .sends(allowed_methods)
        .judged(allow_is_true),
    Check::new(41, Contract, "A method that nobody knows is refused.", "RFC 9110, 9.1")
        .fix_by("Answer 501 (or 405) with the envelope.", METHODS)
        .sends(|s| Ok(vec![s.ask("FROBNICATE", s.existing()?)]))
        .judged(unknown_is_refused),
    Check::new(42, Must, "TRACE does not send credentials back.", "RFC 9110, 9.3.8")
        .page("a script reads cookies that it must not see")
        .fix_by("Refuse TRACE.", METHODS)
        .sends(trace)
        .judged(credentials_stay),
    Check::new(43, Must, "OPTIONS * is answered.", "RFC 9110, 9.3.7")
        .fix_by(
            "Answer it with 200 and Allow, or with an error; do not close the connection.",
            METHODS,
        )
        .over(Over::Http1)
        .sends(|_| Ok(vec![Ask::new("OPTIONS", "*")]))
        .judged(|_, seen| seen.answer(0).map(|_| Vec::new()).map_err(Into::into)),
];

fn is_refused(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = refused(subject, seen, 0, &[405, 501])?;
    let answer = seen.answer(0)?;
    if answer.status == 405 {
        let list = answer.list("allow");
        if !answer.has("allow") {
            faults.push(
                Fault::new(0, "405 without Allow", "allow: GET, HEAD, ..").at_level(Level::Must),
            );
        } else if !list.contains(&"GET") || !list.contains(&"HEAD") {
            // GET of this path is a success, so that both are supported.
            faults.push(
                Fault::new(0, answer.shown("allow"), "GET and HEAD in it").at_level(Level::Must),
            );
        }
    }
    Ok(faults)
}

/// Methods that change nothing, and with the option those that may.
fn candidates(subject: &Subject) -> Vec<&'static str> {
    let mut methods = vec!["GET", "HEAD", "OPTIONS"];
    if subject.options.unsafe_methods {
        methods.extend(["POST", "PUT", "PATCH", "DELETE"]);
    }
    methods
}

fn allowed_methods(subject: &Subject) -> Plan {
    let path = subject.existing()?;
    let mut asks = vec![subject.ask("PROPFIND", path)];
    asks.extend(candidates(subject).into_iter().map(|method| subject.ask(method, path)));
    Ok(asks)
}

fn allow_is_true(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let refusal = seen.answer(0)?;
    let mut faults = Vec::new();
    for (place, method) in candidates(subject).into_iter().enumerate() {
        if refusal.list("allow").contains(&method) && seen.answer(place + 1)?.status == 405 {
            let seen = format!("{}, and {method} is answered 405", refusal.shown("allow"));
            faults.push(Fault::new(place + 1, seen, "a method that works"));
        }
    }
    Ok(faults)
}

fn unknown_is_refused(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = refused(subject, seen, 0, &[501, 405])?;
    let answer = seen.answer(0)?;
    if faults.is_empty() && !answer.has("allow") {
        let fault = Fault::new(0, format!("{} without Allow", answer.status), "allow: ..");
        faults.push(if answer.status == 405 { fault } else { fault.advice() });
    }
    Ok(faults)
}

fn trace(subject: &Subject) -> Plan {
    let canary = subject.canary();
    let ask = Ask::new("TRACE", &subject.any_path());
    Ok(vec![
        ask.with("cookie", format!("a={canary}")).with("authorization", format!("Bearer {canary}")),
    ])
}

fn credentials_stay(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    // Who closes the connection sends nothing back.
    let Ok(answer) = seen.answer(0) else { return Ok(Vec::new()) };
    let sent_back = answer.text().contains(&subject.canary());
    let version = if answer.version == Version::Http1 { "" } else { " over HTTP/2" };
    let fault = || {
        Fault::new(
            0,
            format!("{}{version} with the cookie in it", answer.status),
            "405, or without it",
        )
    };
    Ok(sent_back.then(fault).into_iter().collect())
}
