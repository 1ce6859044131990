//! What Envoy says without asking: where no filter saw the request, and where the processor is down.

use http::StatusCode;
use serde_json::{Value, json};

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

/// What Envoy's codec says of requests that it cannot read.
const UNREADABLE: [StatusCode; 4] = [
    StatusCode::BAD_REQUEST,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::NOT_IMPLEMENTED,
];

/// The mappers, in their order: the first that matches decides.
///
/// `text_format_source` keeps the order of the members; `json_format` would sort them.
pub async fn local_replies(options: &Options, answers: &Answers<'_>) -> Value {
    // What the contract made passes as it is. A default format would be applied to it as well.
    let made = format!("response.code_details == '{DETAILS}'");
    let mut mappers = vec![json!({ "filter": cel(&made) }), limit()];
    let of_codec = cel("response.code_details.startsWith('http1.')");
    for status in UNREADABLE {
        let fallback = answers.fallback(status, Audience::Others).await;
        let filters = vec![of_codec.clone(), is_status("EQ", status)];
        mappers.push(said(status, filters, fallback.headers, json_text(&fallback.of_nobody)));
    }
    for (details, status) in UNASKED {
        let is_it = cel(&format!("response.code_details.startsWith('{details}')"));
        for audience in answers.audiences() {
            let fallback = answers.fallback(status, *audience).await;
            let texts = [
                (Some(is_grpc()), text("the service cannot process the call now", "text/plain")),
                (Some(is_plain()), json_text(&fallback.of_request)),
                (None, json_text(&fallback.of_nobody)),
            ];
            let front_end = (*audience == Audience::FrontEnd)
                .then(|| header_filter(front_end(&options.server_urls)));
            for (asks, text) in texts {
                let filters = [Some(is_it.clone()), front_end.clone(), asks];
                let filters = filters.into_iter().flatten().collect();
                mappers.push(said(status, filters, fallback.headers.clone(), text));
            }
        }
    }
    mappers.push(unseen());
    json!({ "mappers": mappers })
}

/// The limit of the contract, where Envoy keeps it. The processor tells it.
fn limit() -> Value {
    json!({
        "filter": cel("response.code_details == 'upstream_per_try_timeout'"),
        "status_code": 503,
    })
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
fn said(status: StatusCode, filters: Vec<Value>, mut headers: Vec<Value>, text: Value) -> Value {
    headers.push(line(MARK, "envoy"));
    let filter = match filters.as_slice() {
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
    header_filter(json!({
        "name": "content-type", "string_match": { "prefix": "application/grpc" },
    }))
}

/// A target that is as it is in JSON.
fn is_plain() -> Value {
    let regex = r"/[!#-\[\]-~]*";
    header_filter(json!({ "name": ":path", "string_match": { "safe_regex": { "regex": regex } } }))
}

fn header_filter(header: Value) -> Value {
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
