//! F. HEAD and framing: where one answer ends and the next begins.

use super::five_fields;
use crate::conformance::{
    answer::{Answer, End, Version},
    ask::Manner,
    check::{
        Check, Fault,
        Level::{self, Must},
        Over, Plan, Seen, Unmet, Verdict,
    },
    subject::Subject,
};

const HEAD: &[(&str, &str)] = &[
    ("axum", "Write no body for HEAD, and let its length be unknown; ErrorBodyLayer does."),
    ("express", "res.json does it; do not use res.write for HEAD."),
];

pub(super) const CHECKS: [Check; 6] = [
    Check::new(
        44,
        Must,
        "HEAD of an error has the head of GET, no body, and leaves the connection whole.",
        "RFC 9110, 9.3.2",
    )
    .page("answers that belong to other requests")
    .fix_by("Send the head alone.", HEAD)
    .over(Over::Http1)
    .sends(head_then_get)
    .judged(head_is_a_head),
    Check::new(
        45,
        Must,
        "HEAD of an error over HTTP/2 ends its stream, and no other.",
        "RFC 9113, 8.1",
    )
    .page("net::ERR_HTTP2_PROTOCOL_ERROR")
    .fix_by("Send no DATA for HEAD.", HEAD)
    .over(Over::Http2)
    .sends(head_then_get)
    .judged(head_is_a_head),
    Check::new(
        46,
        Must,
        "HEAD of a healthy answer tells no other length than GET.",
        "RFC 9110, 8.6",
    )
    .fix_by("Send the Content-Length of GET, or none.", HEAD)
    .sends(head_between_gets)
    .judged(lengths_agree),
    Check::new(47, Must, "Pipelined requests are answered in order.", "RFC 9112, 9.3")
        .fix_by("Close the connection only after an answer that says so.", &[])
        .over(Over::Http1)
        .sends(pipelined)
        .judged(all_in_order),
    Check::new(48, Must, "204 and 304 have no body.", "RFC 9110, 6.4.1")
        .fix_by("Send neither a body nor, with 204, Content-Length.", &[])
        .over(Over::Run)
        .judged(empty_is_empty),
    Check::new(49, Must, "A hundred streams at once are all answered.", "RFC 9113, 5.4")
        .page("net::ERR_HTTP2_PROTOCOL_ERROR, for answers that were fine")
        .fix_by("An error of one stream must not end the connection.", &[])
        .over(Over::Http2)
        .alone()
        .sends(hundred)
        .judged(all_are_answered),
];

fn head_then_get(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    let path = subject.nowhere();
    let mut ask = subject.ask("HEAD", &path).then(subject.get(&path));
    if let Ok(healthy) = subject.existing() {
        ask = ask.then(subject.get(healthy));
    }
    Ok(vec![ask])
}

fn head_is_a_head(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let head = seen.error(0)?;
    let mut faults = Vec::new();
    if !head.body.is_empty() || matches!(head.end, End::Broken(_)) {
        let end = match &head.end {
            End::Broken(why) => why.clone(),
            _ => format!("{} bytes of body", head.body.len()),
        };
        faults.push(Fault::new(0, end, "no body"));
    }
    let get = match seen.answer(1) {
        Ok(get) => get,
        // A server may close after an error, if it says so.
        Err(_) if head.lists("connection", "close") => return Ok(faults),
        Err(fault) => return Ok(vec![Fault { expected: "the next answer".into(), ..fault }]),
    };
    faults.extend(same_head(head, get));
    // The sibling on the same connection.
    if head.version == Version::Http2 && seen.message(2).is_some() {
        faults.extend(seen.answer(2).err());
    }
    Ok(faults)
}

/// Fields that may differ between two answers without meaning.
const VARYING: [&str; 12] = [
    "content-length",
    "date",
    "age",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "set-cookie",
    "x-request-id",
    "request-id",
    "traceparent",
    "x-runtime",
    "server-timing",
];

fn same_head(head: &Answer, get: &Answer) -> Vec<Fault> {
    if head.status != get.status {
        return vec![Fault::new(0, head.status.to_string(), format!("{}, as GET", get.status))];
    }
    let mut faults = Vec::new();
    for name in ["access-control-allow-origin", "content-type", "vary", "allow"] {
        if !VARYING.contains(&name) && head.all(name) != get.all(name) {
            let level = if get.has(name) && !head.has(name) && name == "content-type" {
                Level::Advice
            } else {
                Level::Must
            };
            faults.push(
                Fault::new(0, head.shown(name), format!("{}, as GET", get.shown(name)))
                    .at_level(level),
            );
        }
    }
    match (head.one("content-length"), get.one("content-length")) {
        // What stands in the body may name the method: one length may differ by a byte.
        (Some(told), Some(length)) if told == "0" && length != "0" => {
            faults.push(Fault::new(0, "content-length: 0", format!("{length}, or none")));
        }
        _ => {}
    }
    faults
}

fn head_between_gets(subject: &Subject) -> Plan {
    let path = subject.existing()?;
    Ok(vec![subject.get(path), subject.ask("HEAD", path), subject.get(path)])
}

fn lengths_agree(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let (first, head, last) = (seen.answer(0)?, seen.answer(1)?, seen.answer(2)?);
    if first.body.len() != last.body.len() {
        return Err(Unmet::new("two answers to GET have different lengths", "--get /path").into());
    }
    let length = first.one("content-length").map_or(first.body.len().to_string(), str::to_owned);
    let wrong = head.is_success() && head.one("content-length").is_some_and(|told| told != length);
    let fault =
        || Fault::new(1, head.shown("content-length"), format!("{length}, as GET, or none"));
    Ok((wrong && first.end == End::Complete).then(fault).into_iter().collect())
}

fn pipelined(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    let (healthy, nowhere) = (subject.existing()?, subject.nowhere());
    let ask = subject.get(healthy).then(subject.get(&nowhere)).then(subject.get(healthy));
    Ok(vec![ask.sent(Manner::Pipelined)])
}

fn all_in_order(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut statuses = Vec::new();
    for at in 0..3 {
        match seen.answer(at) {
            Ok(answer) => statuses.push(answer),
            // What comes after an announced close is sent again by the client.
            Err(_) if statuses.last().is_some_and(|a: &&Answer| a.lists("connection", "close")) => {
                return Ok(Vec::new());
            }
            Err(fault) => return Err(fault.into()),
        }
    }
    let in_order = matches!(statuses.as_slice(), [a, b, c] if a.is_success() && b.is_error() && c.is_success());
    let shown: Vec<_> = statuses.iter().map(|answer| answer.status.to_string()).collect();
    let fault = || Fault::new(1, shown.join(", "), "200, 404, 200");
    Ok((!in_order).then(fault).into_iter().collect())
}

fn empty_is_empty(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let empty = |status| matches!(status, 204 | 304);
    let met: Vec<_> = seen.run.iter().filter(|logged| empty(logged.answer.status)).collect();
    if met.is_empty() {
        return Err(Unmet::new("no 204 and no 304 was met", "").into());
    }
    let mut faults = Vec::new();
    for logged in met {
        let answer = &logged.answer;
        let what =
            format!("{} of {} {}", answer.status, logged.message.method, logged.message.target);
        if !answer.body.is_empty() || answer.surplus > 0 {
            let length = answer.body.len() + answer.surplus;
            faults.push(Fault::new(0, format!("{what} with {length} bytes of body"), "no body"));
        }
        if answer.status == 204 && answer.has("content-length") {
            faults.push(Fault::new(
                0,
                format!("{what}, {}", answer.shown("content-length")),
                "no such field",
            ));
        }
        faults.extend(five_fields(subject, answer, 0));
    }
    faults.truncate(3);
    Ok(faults)
}

fn hundred(subject: &Subject) -> Plan {
    subject.nowhere_fails()?;
    let both = subject.get(subject.existing()?).then(subject.get(&subject.nowhere()));
    Ok(vec![both.over(Version::Http2).times(50)])
}

fn all_are_answered(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let lost = (0..seen.answers.len()).filter_map(|at| seen.answer(at).err());
    let lost: Vec<_> = lost.collect();
    let count = lost.len();
    let fault = lost.into_iter().next();
    Ok(fault
        .map(|fault| Fault { seen: format!("{count} of 100 lost: {}", fault.seen), ..fault })
        .into_iter()
        .collect())
}
