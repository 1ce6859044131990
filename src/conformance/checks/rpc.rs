//! I. gRPC, gRPC-Web, Connect: an error in the words of its own protocol.

use super::{ALLOW_ORIGIN, unreadable};
use crate::conformance::{
    answer::{Answer, Version},
    ask::Ask,
    check::{Check, Fault, Level::Must, Over, Plan, Seen, Unmet, Verdict},
    subject::Subject,
};

const RUST: &[(&str, &str)] =
    &[("axum", "ErrorBodyLayer around the whole service answers calls in their protocol.")];

pub(super) const CHECKS: [Check; 4] = [
    Check::new(64, Must, "A gRPC method that does not exist is UNIMPLEMENTED.", "gRPC over HTTP/2")
        .fix_by("Answer 200 with grpc-status 12 and no body.", RUST)
        .over(Over::Http2)
        .sends(|s| Ok(vec![call(s, "application/grpc", FRAME)?]))
        .judged(is_unimplemented),
    Check::new(65, Must, "A page reads the status of a gRPC-Web call.", "gRPC-Web")
        .page("RpcError: UNKNOWN, or no status at all")
        .fix_by("Send the status in a trailer frame, and the CORS fields.", RUST)
        .sends(web_calls)
        .judged(page_reads_status),
    Check::new(66, Must, "A call whose time has passed is DEADLINE_EXCEEDED.", "gRPC over HTTP/2")
        .fix_by("Keep the limit of grpc-timeout, and answer with grpc-status 4.", RUST)
        .over(Over::Http2)
        .alone()
        .sends(in_no_time)
        .judged(time_has_passed),
    Check::new(
        67,
        Must,
        "A Connect call that does not exist has a code as text.",
        "Connect protocol",
    )
    .page("ConnectError: unknown")
    .fix_by("Answer application/json with `code` and `message`.", RUST)
    .sends(|s| Ok(vec![connect(s)?]))
    .judged(has_a_code),
];

/// One empty message, as gRPC frames it.
const FRAME: &[u8] = &[0, 0, 0, 0, 0];

/// A call of a method that the service does not have.
fn call(subject: &Subject, kind: &str, body: &[u8]) -> Result<Ask, Unmet> {
    let missing = || Unmet::new("no method is named", "--grpc Service/Method");
    let named = subject.options.grpc.as_ref().ok_or_else(missing)?;
    let service = named.split('/').next().unwrap_or_default();
    let ask = subject.ask("POST", &format!("/{service}/TowerContract{}", subject.token));
    let ask = ask.content(kind, body);
    Ok(if kind == "application/grpc" { ask.with("te", "trailers") } else { ask })
}

fn grpc_status(answer: &Answer) -> Option<&str> {
    let trailer = answer.trailers.iter().find(|(name, _)| name == "grpc-status");
    trailer.map(|(_, value)| value.as_str()).or_else(|| answer.one("grpc-status"))
}

fn status_is(answer: &Answer, expected: &str) -> Vec<Fault> {
    if answer.status == 200 && grpc_status(answer) == Some(expected) {
        return Vec::new();
    }
    let status = grpc_status(answer).unwrap_or("none");
    let seen = format!("{}, grpc-status {status}", answer.summary());
    vec![Fault::new(0, seen, format!("200, grpc-status {expected}"))]
}

fn is_unimplemented(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(0)?;
    let mut faults = status_is(answer, "12");
    if faults.is_empty() && !answer.body.is_empty() {
        faults.push(Fault::new(0, answer.summary(), "no body"));
    }
    Ok(faults)
}

fn web_calls(subject: &Subject) -> Plan {
    let front_end = subject.front_end()?;
    Ok(vec![
        call(subject, "application/grpc-web+proto", FRAME)?.origin(front_end),
        call(subject, "application/grpc-web-text+proto", b"AAAAAAA=")?.origin(front_end),
    ])
}

/// A server that does not know the protocol says so, or takes the call for one of plain gRPC.
fn speaks(answer: &Answer, protocol: &str) -> Result<(), Unmet> {
    let plain = answer.one("content-type") == Some("application/grpc");
    if answer.status == 415 || plain {
        return Err(Unmet::new(format!("it speaks no {protocol}"), ""));
    }
    Ok(())
}

fn page_reads_status(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let front_end = subject.front_end()?;
    speaks(seen.answer(0)?, "gRPC-Web")?;
    let mut faults = Vec::new();
    for (at, answer) in seen.all()? {
        if let Some(seen) = unreadable(answer, front_end) {
            faults.push(Fault::new(at, seen, format!("{ALLOW_ORIGIN}: {front_end}")));
        }
        let exposed = answer.has("grpc-status")
            && answer.lists("access-control-expose-headers", "grpc-status");
        // 0x80 begins a frame of trailers; in base64 it is `g`.
        let frame = matches!(answer.body.first(), Some(0x80 | b'g'));
        if !exposed && !frame {
            faults.push(Fault::new(
                at,
                answer.summary(),
                "grpc-status exposed, or in a frame of trailers",
            ));
        }
    }
    Ok(faults)
}

fn in_no_time(subject: &Subject) -> Plan {
    let missing = || Unmet::new("no slow method is named", "--grpc-slow Service/Method");
    let named = subject.options.grpc_slow.as_ref().ok_or_else(missing)?;
    let ask = subject.ask("POST", &format!("/{named}")).content("application/grpc", FRAME);
    Ok(vec![ask.with("te", "trailers").with("grpc-timeout", "1m")])
}

fn time_has_passed(_: &Subject, seen: &Seen<'_>) -> Verdict {
    Ok(status_is(seen.answer(0)?, "4"))
}

fn connect(subject: &Subject) -> Result<Ask, Unmet> {
    let ask = call(subject, "application/json", b"{}")?;
    Ok(ask.with("connect-protocol-version", "1").over(Version::Http1))
}

fn has_a_code(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(0)?;
    speaks(answer, "Connect")?;
    let is_json =
        answer.one("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let code = serde_json::from_slice::<serde_json::Value>(&answer.body);
    let code = code.ok().and_then(|value| Some(value.get("code")?.as_str()?.to_owned()));
    let fault = || Fault::new(0, answer.summary(), "application/json with a string `code`");
    Ok((!is_json || code.is_none()).then(fault).into_iter().collect())
}
