//! What Envoy says without asking: where no filter saw the request, and where the processor is down.

use http::StatusCode;
use serde_json::{Value, json};
use tower_contract::{ApiError, Cause};

use super::{
    answers::{Answers, Audience, line},
    routes::front_end,
};
use crate::{
    from_envoy::{UNSEEN_METHOD, UNSEEN_ORIGIN, UNSEEN_PATH},
    options::Options,
    to_envoy::DETAILS,
};

/// Tells the filter that Envoy has said all: the processor is not asked.
pub const MARK: &str = "x-contract-by";

/// What Envoy answers past the filters, by the start of its details: the processor is down, or the
/// upstream broke off while the processor waited for the content of an error.
const UNASKED: [(&str, StatusCode); 2] = [
    ("ext_proc", StatusCode::SERVICE_UNAVAILABLE),
    ("upstream_reset_after_response_started", StatusCode::BAD_GATEWAY),
];

/// What Envoy's codec says of requests that it cannot read. The last one stands for all others.
const UNREADABLE: [StatusCode; 3] = [
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::UPGRADE_REQUIRED,
    StatusCode::BAD_REQUEST,
];

/// What Envoy answers to a gRPC call. The last one stands for all others.
const OF_GRPC: [StatusCode; 11] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::GATEWAY_TIMEOUT,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::IM_A_TEAPOT,
];

/// The mappers, in their order: the first that matches decides.
///
/// `text_format_source` keeps the order of the members; `json_format` would sort them.
pub async fn local_replies(options: &Options, answers: &Answers<'_>) -> Value {
    // What the contract made passes as it is. A default format would be applied to it as well.
    let made = format!("response.code_details == '{DETAILS}'");
    let mut mappers = vec![json!({ "filter": cel(&made) })];
    mappers.extend(unreadable(answers).await);
    for (details, status) in UNASKED {
        mappers.extend(unasked(options, answers, details, status).await);
    }
    mappers.extend(to_grpc(answers).await);
    mappers.extend([limit(), unseen()]);
    json!({ "mappers": mappers })
}

/// Requests that Envoy cannot read. An answer that waits for the processor would never be sent.
async fn unreadable(answers: &Answers<'_>) -> Vec<Value> {
    let details = "response.code_details";
    let is_it = cel(&format!("{details}.startsWith('http1.') || {details} == 'low_version'"));
    let mut mappers = Vec::new();
    for status in UNREADABLE {
        let fallback = answers.fallback(status, Audience::Others).await;
        let mut filters = vec![is_it.clone()];
        if status != StatusCode::BAD_REQUEST {
            filters.push(is_status("EQ", status));
        }
        mappers.push(said(status, &filters, fallback.headers, &json_text(&fallback.of_nobody)));
    }
    mappers
}

/// Answers that pass no filter. Each front end is told its own origin.
async fn unasked(
    options: &Options,
    answers: &Answers<'_>,
    details: &str,
    status: StatusCode,
) -> Vec<Value> {
    let is_it = cel(&format!("response.code_details.startsWith('{details}')"));
    let (code, message) = answers.grpc(ApiError::new(status)).await;
    let mut mappers = Vec::new();
    for audience in answers.audiences() {
        let fallback = answers.fallback(status, *audience).await;
        let is_front_end = (*audience == Audience::FrontEnd)
            .then(|| header_filter(&front_end(&options.front_ends)));
        let texts = [
            (Some(is_grpc()), Some(&code), text(&message, "text/plain")),
            (Some(is_plain()), None, json_text(&fallback.of_request)),
            (None, None, json_text(&fallback.of_nobody)),
        ];
        for (asks, code, text) in texts {
            let filters = [Some(is_it.clone()), is_front_end.clone(), asks];
            let mut headers = fallback.headers.clone();
            headers.extend(code.map(|code| line("grpc-status", code)));
            let filters: Vec<_> = filters.into_iter().flatten().collect();
            mappers.push(said(status, &filters, headers, &text));
        }
    }
    mappers
}

/// A gRPC call is answered in its own protocol: Envoy puts the text into `grpc-message`, where the
/// upstream's address would stand otherwise.
async fn to_grpc(answers: &Answers<'_>) -> Vec<Value> {
    let mapper = |filters: &[Value], (code, message): (String, String)| {
        json!({
            "filter": { "and_filter": { "filters": filters } },
            "headers_to_add": [line("grpc-status", &code)],
            "body_format_override": text(&message, "text/plain"),
        })
    };
    let late = ApiError::unavailable().with_cause(Cause::Timeout);
    let mut mappers = vec![mapper(&[is_limit(), is_grpc()], answers.grpc(late).await)];
    for status in OF_GRPC {
        let which = if status == StatusCode::IM_A_TEAPOT { "GE" } else { "EQ" };
        let least = if which == "GE" { StatusCode::BAD_REQUEST } else { status };
        let filters = [is_grpc(), is_status(which, least)];
        mappers.push(mapper(&filters, answers.grpc(ApiError::new(status)).await));
    }
    mappers
}

/// The limit of the contract, where Envoy keeps it. The processor tells it.
fn limit() -> Value {
    json!({ "filter": is_limit(), "status_code": 503 })
}

fn is_limit() -> Value {
    cel("response.code_details == 'upstream_per_try_timeout'")
}

/// All else is the processor's to tell. Where no filter saw the request, it has it from here.
fn unseen() -> Value {
    json!({
        "filter": is_status("GE", StatusCode::BAD_REQUEST),
        "headers_to_add": [
            line(UNSEEN_METHOD, "%REQ(:METHOD)%"),
            line(UNSEEN_PATH, "%REQ(:PATH)%"),
            line(UNSEEN_ORIGIN, "%REQ(ORIGIN)%"),
        ],
    })
}

/// An error that Envoy tells by itself.
fn said(status: StatusCode, filters: &[Value], mut headers: Vec<Value>, text: &Value) -> Value {
    headers.push(line(MARK, "envoy"));
    let filter = match filters {
        [filter] => filter.clone(),
        _ => json!({ "and_filter": { "filters": filters } }),
    };
    json!({
        "filter": filter,
        "status_code": status.as_u16(),
        "headers_to_add": headers,
        "body_format_override": text,
    })
}

// ===== filters =====

fn is_status(compares: &str, status: StatusCode) -> Value {
    let value = json!({ "default_value": status.as_u16(), "runtime_key": "contract.unused" });
    json!({ "status_code_filter": { "comparison": { "op": compares, "value": value } } })
}

/// The reply to a gRPC call has its text in `grpc-message`.
fn is_grpc() -> Value {
    header_filter(&json!({
        "name": "content-type", "string_match": { "prefix": "application/grpc" },
    }))
}

/// A target that is as it is in JSON.
fn is_plain() -> Value {
    let regex = r"/[!#-\[\]-~]*";
    header_filter(&json!({ "name": ":path", "string_match": { "safe_regex": { "regex": regex } } }))
}

fn header_filter(header: &Value) -> Value {
    json!({ "header_filter": { "header": header } })
}

fn json_text(envelope: &str) -> Value {
    text(envelope, "application/json")
}

fn text(text: &str, content_type: &str) -> Value {
    json!({ "text_format_source": { "inline_string": text }, "content_type": content_type })
}

fn cel(expression: &str) -> Value {
    json!({ "extension_filter": {
        "name": "cel",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": expression,
        },
    } })
}
