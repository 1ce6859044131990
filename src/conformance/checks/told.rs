//! J. Told, never failed.

use crate::conformance::{
    ask::Ask,
    check::{Check, Fault, Level::Advice, Over, Plan, Seen, Unmet, Verdict},
    subject::Subject,
};

pub(super) const CHECKS: [Check; 3] = [
    Check::new(
        68,
        Advice,
        "What is answered before a service is called has no contract.",
        "RFC 9112, 3",
    )
    .fix_by("No layer can cover it: it is the server's own answer. A proxy in front may.", &[])
    .over(Over::Http1)
    .sends(what_no_layer_sees)
    .judged(tell_what_came),
    Check::new(
        69,
        Advice,
        "Nothing is told that helps an attacker, and logins go over TLS.",
        "RFC 9110, 10.2.4",
    )
    .fix_by(
        "Send no version in Server and no X-Powered-By; serve logins over https.",
        &[("express", "app.disable('x-powered-by')."), ("nginx", "server_tokens off;")],
    )
    .over(Over::Run)
    .judged(nothing_is_told),
    Check::new(70, Advice, "A failure is a failure each time.", "robustness")
        .fix_by("Look for what differs: load, a second instance, a cache.", &[])
        .over(Over::Run),
];

/// What each of the bytes is.
const ODD: [&str; 4] =
    ["a request line that is none", "a field of 70 kB", "200 fields", "a path of 70 kB"];

fn what_no_layer_sees(subject: &Subject) -> Plan {
    if subject.in_process {
        return Err(Unmet::new("it takes a socket", "a URL"));
    }
    let [line, long, many, path] = ODD;
    let head = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let fields = "x: y\r\n".repeat(200);
    Ok(vec![
        Ask::raw(line, b"this is no request line\r\n\r\n"),
        Ask::raw(long, format!("{head}x: {}\r\n\r\n", "y".repeat(70_000)).as_bytes()),
        Ask::raw(many, format!("{head}{fields}\r\n").as_bytes()),
        Ask::raw(
            path,
            format!(
                "GET /{} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
                "y".repeat(70_000)
            )
            .as_bytes(),
        ),
    ])
}

fn tell_what_came(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = Vec::new();
    for (at, what) in ODD.into_iter().enumerate() {
        let bare = match seen.answer(at) {
            Ok(answer) if answer.is_error() && !answer.has(super::ALLOW_ORIGIN) => {
                format!("{what}: {}", answer.status)
            }
            Ok(_) => continue,
            Err(_) => format!("{what}: no answer"),
        };
        faults.push(Fault::new(at, bare, "nothing: a page sends none of these"));
    }
    let all: Vec<_> = faults.iter().map(|fault| fault.seen.clone()).collect();
    let one = faults.into_iter().next();
    Ok(one.map(|fault| Fault { seen: all.join("; "), ..fault }).into_iter().collect())
}

fn nothing_is_told(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = Vec::new();
    for name in ["server", "x-powered-by"] {
        let lines = seen.run.iter().find_map(|logged| Some((logged, logged.answer.one(name)?)));
        let Some((_, value)) = lines else { continue };
        if name == "x-powered-by" || value.contains(|c: char| c.is_ascii_digit()) {
            faults.push(Fault::new(0, format!("{name}: {value}"), "no version"));
        }
    }
    if !subject.options.auth.is_empty() && !subject.is_tls && !subject.in_process {
        faults.push(Fault::new(0, "credentials over plain http", "https"));
    }
    Ok(faults)
}
