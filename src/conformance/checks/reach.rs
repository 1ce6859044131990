//! A. Reach: whether there is a service at all. The run itself sends these requests first.

use crate::conformance::{
    answer::Version,
    check::{
        Check, Fault,
        Level::{Advice, Must},
        Over, Plan, Seen, Unmet, Verdict,
    },
    envelope,
    subject::{Subject, root},
};

pub(super) const CHECKS: [Check; 4] = [
    Check::new(1, Must, "The service is reached and speaks HTTP/1.1.", "RFC 9110, 2.2")
        .fix_by("See the message: the address, the port, the scheme of the URL.", &[])
        .over(Over::Http1)
        .sends(|s| Ok(vec![s.get(&root(&s.options))]))
        .judged(|_, seen| seen.answer(0).map(|_| Vec::new()).map_err(Into::into)),
    Check::new(2, Advice, "The service speaks HTTP/2.", "RFC 9113, 3.3")
        .fix_by(
            "Nothing needs HTTP/2; over one connection of HTTP/1.1 a page waits for each answer.",
            &[("axum", "Feature http2."), ("nginx", "http2 on;")],
        )
        .over(Over::Http2)
        .sends(|s| Ok(vec![s.get(&root(&s.options)).over(Version::Http2)]))
        .judged(speaks_http2),
    Check::new(
        3,
        Advice,
        "Answers have a date, and a connection serves a second request.",
        "RFC 9110, 6.6.1",
    )
    .fix_by("Let the server send Date, and keep connections alive.", &[])
    .over(Over::Http1)
    .sends(twice)
    .judged(dated),
    Check::new(
        4,
        Advice,
        "An answer without Origin tells the front end and the shape of errors.",
        "contract, 2",
    )
    .fix_by("Send the contract's fields on every answer; no browser is needed to see them.", &[])
    .over(Over::Http1)
    .sends(|s| {
        let path = s.options.get.clone().unwrap_or_else(|| root(&s.options));
        Ok(vec![s.get(&path), s.get(&s.nowhere())])
    })
    .judged(profile),
];

fn speaks_http2(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    if subject.in_process {
        return Err(Unmet::new("ALPN takes a socket", "a URL").into());
    }
    if seen.answer(0).is_ok() {
        return Ok(Vec::new());
    }
    let how = if subject.is_tls { "ALPN h2" } else { "prior knowledge" };
    Ok(vec![Fault::new(0, format!("HTTP/1.1 alone ({how} was tried)"), "HTTP/2 too")])
}

fn twice(subject: &Subject) -> Plan {
    let ask = subject.get(&root(&subject.options));
    Ok(vec![ask.clone().then(ask)])
}

fn dated(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = Vec::new();
    let first = seen.answer(0)?;
    if first.all("date").len() != 1 {
        faults.push(Fault::new(0, first.shown("date"), "one date"));
    }
    if seen.answer(1).is_err() && !first.lists("connection", "close") {
        faults.push(Fault::new(1, "the connection was closed without saying so", "an answer"));
    }
    Ok(faults)
}

fn profile(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = Vec::new();
    if subject.profile.front_end_is_guessed && subject.profile.front_end.is_none() {
        faults.push(Fault::new(0, "no front end is named", "access-control-allow-origin"));
    }
    if subject.nowhere_fails().is_ok() && envelope::recognised(seen.answer(1)?).is_none() {
        faults.push(Fault::new(
            1,
            "errors have no known shape",
            "the envelope, or problem details",
        ));
    }
    Ok(faults)
}
