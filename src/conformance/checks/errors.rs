//! D. The envelope: what an error says, and what it does not.

use std::io::Read;

use super::{format, kept_error, known_members, members};
use crate::conformance::{
    answer::{Answer, End, excerpt},
    check::{
        Check, Fault,
        Level::{self, Advice, Contract, Must},
        Over, Plan, Seen, Stop, Unmet, Verdict,
    },
    envelope::{self, IN_ORDER},
    options::Format,
    subject::Subject,
    transport::MAX_BODY,
};

const ENVELOPE: &[(&str, &str)] = &[
    (
        "axum",
        "Router::layer with ErrorBodyLayer (or ContractLayer): it writes the body of every error.",
    ),
    (
        "express",
        "An error-handling middleware with four arguments, and a last app.use for 404, both res.status(..).json(..).",
    ),
    (
        "nginx",
        "proxy_intercept_errors on; error_page 404 502 503 @error; with default_type application/json.",
    ),
];

pub(super) const CHECKS: [Check; 13] = [
    Check::new(26, Contract, "A path that does not exist is answered with the envelope.", "contract, 4")
        .page("response.json() rejects: SyntaxError, or members that are undefined")
        .fix_by("Write one body for every error, in one place: application/json with http_method, title, \
             description, code (an integer) and uri, all five, in this order.", ENVELOPE)
        .sends(nowhere)
        .judged(is_the_envelope),
    Check::new(27, Contract, "`http_method` is the method that was sent.", "contract, 4")
        .fix_by("Take it from the request line, before anything changes it.", ENVELOPE)
        .sends(each_method)
        .judged(says_the_method),
    Check::new(28, Contract, "`uri` is the path as it was sent, behind the public URL.", "contract, 4")
        .fix_by("Take the path from the request line; do not decode or encode it again.", ENVELOPE)
        .sends(odd_path)
        .judged(says_the_path),
    Check::new(29, Must, "The query stands in no error.", "contract, 4; RFC 9110, 17.9")
        .fix_by("Leave the query out: it holds tokens and phone numbers, and errors are logged and shown.", ENVELOPE)
        .sends(with_a_token)
        .judged(token_is_nowhere),
    Check::new(30, Must, "What the Host field says stands in no error.", "RFC 9110, 7.2")
        .fix_by("Make URLs from a configured public URL, never from Host.", &[
            ("nginx", "server_name_in_redirect on; or absolute_redirect off;"),
        ])
        .sends(foreign_host)
        .judged(host_is_nowhere),
    Check::new(31, Must, "An error is as long as it says, and is UTF-8.", "RFC 9110, 8.6; RFC 8259, 8.1")
        .page("the answer of another request, or none")
        .fix_by("Let the server set Content-Length from the bytes of the body.", ENVELOPE)
        .over(Over::Http1)
        .sends(nowhere)
        .judged(length_is_right),
    Check::new(32, Contract, "An error forbids sniffing and says whether it may be cached.", "contract, 4")
        .fix_by("Send `x-content-type-options: nosniff` and `cache-control: no-store` with errors.", ENVELOPE)
        .sends(nowhere)
        .judged(is_guarded),
    Check::new(33, Must, "An error says nothing of the body that it replaces.", "RFC 9110, 8")
        .fix_by("Where a body is replaced, remove the fields that speak of the old one.", &[
            ("express", "app.set('etag', false), or no res.send for errors."),
        ])
        .sends(nowhere)
        .judged(old_fields_are_gone),
    Check::new(34, Contract, "The envelope does not depend on Accept.", "contract, 4")
        .fix_by("Do not negotiate the body of errors.", ENVELOPE)
        .sends(each_accept)
        .judged(all_are_the_envelope),
    Check::new(35, Contract, "A compressed error is the same envelope.", "RFC 9110, 12.5.3")
        .fix_by("Compress outside of what writes errors, and send `Vary: Accept-Encoding`.", &[])
        .sends(|s| Ok(vec![nowhere(s)?.remove(0).with("accept-encoding", "gzip")]))
        .judged(decodes),
    Check::new(36, Contract, "The texts of errors fit on one line.", "contract, 4")
        .fix_by("Title up to 128 and description up to 512 characters, no control characters.", ENVELOPE)
        .sends(three_errors)
        .judged(texts_fit),
    Check::new(37, Must, "What is odd in a path is sent back encoded, or not at all.", "contract, 4")
        .fix_by("Never decode a path before it stands in a field or a body.", ENVELOPE)
        .sends(hostile_paths)
        .judged(nothing_is_decoded),
    Check::new(38, Advice, "Problem details say the status of their answer.", "RFC 9457, 3.1")
        .fix_by("Send the same number in `status`; leave `type` out or let it be a URL.", &[])
        .sends(nowhere)
        .judged(problem_agrees),
];

fn nowhere(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    Ok(vec![subject.get(&subject.nowhere())])
}

fn is_the_envelope(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.error(0)?;
    let told = known_members(subject, answer, 0)?;
    let mut faults = Vec::new();
    if !matches!(answer.status, 401 | 403 | 404) {
        let fault = Fault::new(0, answer.summary(), "404");
        faults.push(if answer.status < 500 { fault.advice() } else { fault });
    }
    let first: Vec<_> = told.names.iter().map(String::as_str).take(IN_ORDER.len()).collect();
    if format(subject) != Format::Problem && first != IN_ORDER {
        faults.push(Fault::new(0, told.names.join(", "), IN_ORDER.join(", ")));
    }
    Ok(faults)
}

fn each_method(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    let mut methods = vec!["GET", "FROBNICATE"];
    if subject.options.unsafe_methods {
        methods.extend(["POST", "PUT", "DELETE", "PATCH"]);
    }
    Ok(methods.into_iter().map(|method| subject.ask(method, &subject.nowhere())).collect())
}

fn says_the_method(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = Vec::new();
    for (at, answer) in seen.all()?.into_iter().filter(|(_, answer)| answer.is_error()) {
        let sent = seen.message(at).map(|message| message.method.clone()).unwrap_or_default();
        match members(subject, answer, at)?.http_method {
            Some(told) if told == sent => {}
            None if format(subject) == Format::Problem => {}
            told => faults.push(Fault::new(at, format!("{told:?}"), format!("{sent:?}"))),
        }
    }
    Ok(faults)
}

/// Spaces, UTF-8, an escaped slash and a parameter, as a client sends them.
const ODD: &str = "a%20b/%C3%A4/c%2Fd;e=f";

fn odd_path(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    Ok(vec![subject.get(&subject.beside(ODD))])
}

fn says_the_path(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let told = members(subject, seen.error(0)?, 0)?;
    let path = subject.beside(ODD);
    let expected = match &subject.options.public_url {
        Some(url) => format!("{}{path}", url.trim_end_matches('/')),
        None => path,
    };
    let fits = match (&told.uri, &subject.options.public_url) {
        (None, _) => format(subject) == Format::Problem,
        (Some(uri), Some(_)) => *uri == expected,
        (Some(uri), None) => uri.ends_with(&expected),
    };
    let fault = || Fault::new(0, told.uri.clone().unwrap_or_default(), expected.clone());
    Ok((!fits).then(fault).into_iter().collect())
}

fn with_a_token(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    Ok(vec![subject.get(&format!("{}?token={}", subject.nowhere(), subject.canary()))])
}

/// Where a text stands in an answer in which it must not.
fn found(answer: &Answer, text: &str, at: usize) -> Option<Fault> {
    let whole = answer.text().to_ascii_lowercase();
    let line = whole.lines().find(|line| line.contains(text))?;
    let start = line.find(text).unwrap_or(0).saturating_sub(40);
    let around: String = line.chars().skip(start).collect();
    Some(Fault::new(at, excerpt(&around), "not a byte of it"))
}

fn token_is_nowhere(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    Ok(found(seen.error(0)?, &subject.canary(), 0).into_iter().collect())
}

fn foreign_host(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    let host = format!("{}.invalid", subject.canary());
    Ok(vec![subject.get(&subject.nowhere()).with("host", host)])
}

fn host_is_nowhere(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    // A server with several hosts may refuse this one, by closing the connection too.
    let Ok(answer) = seen.answer(0) else { return Ok(Vec::new()) };
    Ok(found(answer, &subject.canary(), 0).into_iter().collect())
}

fn length_is_right(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.error(0)?;
    let length = answer.one("content-length");
    let mut faults = Vec::new();
    match &answer.end {
        End::Complete if answer.surplus > 0 => {
            let seen = format!("{} bytes more than the message has", answer.surplus);
            faults.push(Fault::new(0, seen, format!("{} bytes", answer.body.len())));
        }
        End::Complete => {}
        End::Broken(why) => {
            let seen = format!("{} of {} bytes: {why}", answer.body.len(), length.unwrap_or("?"));
            faults.push(Fault::new(0, seen, "the whole body"));
        }
        End::TooLarge => {
            faults.push(Fault::new(0, "more than 1 MiB", "an error that can be shown"));
        }
    }
    if length.is_none() && members(subject, answer, 0).is_ok() {
        let fault = Fault::new(0, "no content-length", answer.body.len().to_string());
        faults.push(fault.at_level(Level::Contract));
    }
    let encoded = answer.has("content-encoding");
    let is_json = answer.one("content-type").is_some_and(|kind| kind.contains("json"));
    if is_json && !encoded && std::str::from_utf8(&answer.body).is_err() {
        faults.push(Fault::new(0, "JSON that is not UTF-8", "UTF-8"));
    }
    Ok(faults)
}

fn is_guarded(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.error(0)?;
    let mut missing = Vec::new();
    if !answer.one("x-content-type-options").is_some_and(|v| v.eq_ignore_ascii_case("nosniff")) {
        missing.push("x-content-type-options: nosniff");
    }
    if !answer.has("cache-control") {
        missing.push("cache-control: no-store");
    }
    let seen = || {
        Fault::new(
            0,
            format!("{} without {}", answer.status, missing.join(", ")),
            missing.join(", "),
        )
    };
    Ok((!missing.is_empty()).then(seen).into_iter().collect())
}

fn old_fields_are_gone(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.error(0)?;
    let mut faults = Vec::new();
    // Nobody asked for a coding: `identity` is all that may come (RFC 9110, 12.5.3).
    for name in ["content-encoding", "content-range"] {
        if answer.has(name) && answer.status != 416 {
            faults.push(Fault::new(0, answer.shown(name), "no such field"));
        }
    }
    // An answer may describe its own error; the contract keeps errors out of caches and downloads.
    for name in ["etag", "last-modified", "content-disposition"] {
        if answer.has(name) {
            let fault = Fault::new(0, answer.shown(name), "no such field on an error");
            faults.push(fault.at_level(Level::Contract));
        }
    }
    Ok(faults)
}

fn each_accept(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    let get = || subject.get(&subject.nowhere());
    Ok(["text/html", "*/*;q=0", "image/png", ";;,q"]
        .map(|accept| get().with("accept", accept))
        .into())
}

fn all_are_the_envelope(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    for at in 0..seen.answers.len() {
        members(subject, seen.error(at)?, at)?;
    }
    Ok(Vec::new())
}

fn decodes(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.error(0)?;
    if !answer.has("content-encoding") {
        members(subject, answer, 0)?;
        return Ok(Vec::new());
    }
    let mut faults = Vec::new();
    let mut plain = Vec::new();
    let limit = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
    let decoded =
        flate2::read::GzDecoder::new(answer.body.as_slice()).take(limit).read_to_end(&mut plain);
    let told = match decoded {
        Ok(_) => envelope::read_body(format(subject), &plain),
        Err(error) => Err(format!("it does not decode: {error}")),
    };
    if let Err(why) = told {
        faults.push(Fault::new(
            0,
            format!("{}, {why}", answer.shown("content-encoding")),
            "the envelope in it",
        ));
    }
    if !answer.lists("vary", "accept-encoding") && !answer.lists("vary", "*") {
        faults.push(Fault::new(0, answer.shown("vary"), "vary: Accept-Encoding"));
    }
    Ok(faults)
}

fn three_errors(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    let mut asks = vec![subject.get(&subject.nowhere()), subject.get(&subject.beside(ODD))];
    asks.push(subject.ask("FROBNICATE", &subject.nowhere()));
    Ok(asks)
}

fn texts_fit(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = Vec::new();
    for (at, answer) in seen.all()?.into_iter().filter(|(_, answer)| answer.is_error()) {
        let told = members(subject, answer, at)?;
        for (name, text, limit) in
            [("title", &told.title, 128), ("description", &told.description, 512)]
        {
            let length = text.chars().count();
            if text.trim().is_empty() || length > limit || text.chars().any(is_unseen) {
                let seen = format!("{name} of {length} characters: {}", excerpt(text));
                faults.push(Fault::new(
                    at,
                    seen,
                    format!("1 to {limit} characters that can be seen"),
                ));
            }
        }
    }
    Ok(faults)
}

/// Control characters, line separators and what turns the direction of writing.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
        )
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const HOSTILE: [&str; 4] =
    ["x%00y", "x%0d%0aX-Injected:%20yes", "x%E2%80%AEy", "%3Cscript%3Ealert(1)%3C%2Fscript%3E"];

fn hostile_paths(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    Ok(HOSTILE.map(|path| subject.get(&subject.beside(path))).into())
}

fn nothing_is_decoded(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = Vec::new();
    for at in 0..HOSTILE.len() {
        // A server may refuse such a path by closing the connection.
        let Ok(answer) = seen.answer(at) else { continue };
        if answer.has("x-injected") {
            faults.push(Fault::new(at, "a field of its own: x-injected", "no such field"));
        }
        let text = String::from_utf8_lossy(&answer.body);
        let raw = ["\0", "\u{202e}", "\r\nX-Injected"].into_iter().find(|raw| text.contains(raw));
        if let Some(raw) = raw {
            faults.push(Fault::new(
                at,
                format!("decoded: {}", excerpt(raw)),
                "encoded, or nothing",
            ));
        }
        if text.contains("<script>alert(1)") {
            let html = answer.one("content-type").is_none_or(|kind| kind.contains("html"));
            let level = if html { Level::Must } else { Level::Advice };
            faults.push(
                Fault::new(at, "decoded: <script>", "%3Cscript%3E, or nothing").at_level(level),
            );
        }
    }
    Ok(faults)
}

fn problem_agrees(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    if subject.profile.format != Some(Format::Problem) {
        return Err(Unmet::new("errors are no problem details", "").into());
    }
    let answer = seen.error(0)?;
    let told = members(subject, answer, 0)?;
    let mut faults = Vec::new();
    if told.status.is_some_and(|status| status != u64::from(answer.status)) {
        faults.push(Fault::new(0, format!("status {:?}", told.status), answer.status.to_string()));
    }
    let kind = told.kind.as_deref().unwrap_or("about:blank");
    if url::Url::options().base_url(url::Url::parse("http://x").ok().as_ref()).parse(kind).is_err()
    {
        faults.push(Fault::new(0, format!("type {kind:?}"), "a URL, or none"));
    }
    Ok(faults)
}

/// An error with a status of these, the envelope and the five fields.
pub(super) fn refused(
    subject: &Subject,
    seen: &Seen<'_>,
    at: usize,
    statuses: &[u16],
) -> Result<Vec<Fault>, Stop> {
    let answer = seen.answer(at)?;
    let mut faults = super::status(answer, at, statuses);
    if faults.is_empty() {
        faults = kept_error(subject, answer, at);
    }
    Ok(faults)
}
