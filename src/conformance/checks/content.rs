//! G. Content: what is refused because of what was sent with it.

use super::{errors::refused, kept_error, members};
use crate::conformance::{
    answer::Trouble,
    ask::{Ask, Manner},
    check::{
        Check, Fault,
        Level::{Advice, Contract, Must},
        Over, Plan, Seen, Unmet, Verdict,
    },
    subject::{Subject, route},
};

const REJECTIONS: &[(&str, &str)] = &[
    ("axum", "ErrorBodyLayer takes the words of a rejection into the envelope."),
    (
        "express",
        "express.json() calls the error-handling middleware: answer err.status with the envelope there.",
    ),
];

pub(super) const CHECKS: [Check; 6] = [
    Check::new(50, Contract, "JSON that is none is refused, in the client's words.", "contract, 4")
        .fix_by(
            "Answer 400 with the envelope, and name no type and no file of the program.",
            REJECTIONS,
        )
        .sends(|s| Ok(vec![post_json(s)?.content("application/json", "{\"a\":")]))
        .judged(malformed_is_refused),
    Check::new(51, Contract, "Content that is said to be no JSON is refused.", "RFC 9110, 15.5.16")
        .fix_by("Answer 415 with the envelope.", REJECTIONS)
        .sends(wrong_type)
        .judged(type_is_refused),
    Check::new(
        52,
        Contract,
        "JSON that lacks a field is refused, and the error names it.",
        "contract, 4; RFC 9457, 3.2",
    )
    .fix_by("Answer 422 or 400 with the envelope and the name of the field.", REJECTIONS)
    .sends(|s| Ok(vec![post_json(s)?.content("application/json", "{}")]))
    .judged(missing_is_refused),
    Check::new(
        53,
        Must,
        "Content over the limit is refused, and the refusal is heard.",
        "RFC 9110, 15.5.14",
    )
    .page("net::ERR_CONNECTION_RESET in place of the 413")
    .fix_by(
        "Answer 413 with the envelope, and read on for a while before the connection is closed.",
        &[
            ("axum", "DrainRequestLayer around the service, LingeringListener around the socket."),
            ("nginx", "lingering_close always;"),
        ],
    )
    .alone()
    .sends(too_large)
    .judged(too_large_is_heard),
    Check::new(54, Advice, "A refusal does not first ask for the content.", "RFC 9110, 10.1.1")
        .fix_by("Decide by the head, before 100 Continue is sent.", &[])
        .over(Over::Http1)
        .sends(expecting)
        .judged(final_at_once),
    Check::new(55, Advice, "An upload that stops half way disturbs nobody.", "robustness")
        .fix_by("Wait for content with a limit, and for each connection alone.", &[])
        .over(Over::Http1)
        .alone()
        .sends(half_way)
        .judged(next_is_served),
];

fn post_json(subject: &Subject) -> Result<Ask, Unmet> {
    let path = route(subject.options.post_json.as_ref(), "--post-json /path")?;
    Ok(subject.ask("POST", path))
}

fn malformed_is_refused(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = refused(subject, seen, 0, &[400, 422])?;
    let text = String::from_utf8_lossy(&seen.answer(0)?.body).into_owned();
    let inside =
        ["::", ".rs", ".js:", ".py\"", "Traceback", "struct ", "node_modules", "at Object."];
    if let Some(found) = inside.into_iter().find(|word| text.contains(word)) {
        faults.push(Fault::new(0, format!("{found:?} in the body"), "nothing of the program"));
    }
    Ok(faults)
}

fn wrong_type(subject: &Subject) -> Plan {
    let post = || post_json(subject);
    Ok(vec![post()?.content("", "{}"), post()?.content("text/plain", "{}")])
}

fn type_is_refused(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = refused(subject, seen, 0, &[415])?;
    faults.extend(refused(subject, seen, 1, &[415])?);
    Ok(faults)
}

fn missing_is_refused(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let faults = refused(subject, seen, 0, &[422, 400])?;
    if !faults.is_empty() {
        return Ok(faults);
    }
    let answer = seen.answer(0)?;
    let told = members(subject, answer, 0)?;
    let names_it = told.names.iter().any(|name| name == "errors")
        || told.description.contains(['`', '\'', '"'])
        || told.description.to_lowercase().contains("field");
    let fault = || Fault::new(0, told.description.clone(), "the name of the field").advice();
    Ok((!names_it).then(fault).into_iter().collect())
}

fn too_large(subject: &Subject) -> Plan {
    let missing = || Unmet::new("no limit is known", "--upload-limit /path=bytes");
    let (path, limit) = subject.options.upload_limit.as_ref().ok_or_else(missing)?;
    let body = vec![b'x'; limit.saturating_add(1)];
    let post =
        || subject.ask("POST", path).origin(subject.profile.front_end.clone().unwrap_or_default());
    Ok(vec![
        post().content("application/octet-stream", body.clone()),
        post().content("application/octet-stream", body).chunked(),
    ])
}

fn too_large_is_heard(subject: &Subject, seen: &Seen<'_>) -> Verdict {
    let mut faults = Vec::new();
    for at in 0..2 {
        let answer = match seen.answer(at) {
            Ok(answer) => answer,
            Err(fault) => {
                faults.push(Fault { expected: "413, heard".into(), ..fault });
                continue;
            }
        };
        let wrong = super::status(answer, at, &[413]);
        if wrong.is_empty() {
            faults.extend(super::readable(subject, answer, at)?);
            faults.extend(kept_error(subject, answer, at));
        }
        faults.extend(wrong);
    }
    Ok(faults)
}

fn expecting(subject: &Subject) -> Plan {
    let ask = subject.ask("PROPFIND", subject.existing()?).with("expect", "100-continue");
    Ok(vec![ask.content("", "12345").sent(Manner::Withheld)])
}

fn final_at_once(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let fault = |seen: String| Fault::new(0, seen, "the final status, without the content");
    Ok(match seen.answers.first() {
        Some(Err(Trouble::Late(_))) => vec![fault("it waits for the content".into())],
        Some(Ok(answer)) if answer.is_error() && answer.interim.contains(&100) => {
            vec![fault(format!("100, then {}", answer.status))]
        }
        _ => Vec::new(),
    })
}

fn half_way(subject: &Subject) -> Plan {
    let upload = post_json(subject)?.content("application/json", vec![b' '; 1024]);
    Ok(vec![upload.sent(Manner::HalfWay), subject.get(subject.existing()?)])
}

fn next_is_served(_: &Subject, seen: &Seen<'_>) -> Verdict {
    let answer = seen.answer(1)?;
    let fault = || Fault::new(1, answer.status.to_string(), "200, as before");
    Ok((!answer.is_success()).then(fault).into_iter().collect())
}
