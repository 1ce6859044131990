//! What the contract decides, in Envoy's words.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, header::CONTENT_LENGTH};

use super::generated::{
    CommonResponse, HeaderMutation, HeaderValue, HeaderValueOption, HeadersResponse, HttpStatus,
    ImmediateResponse, ProcessingMode, ProcessingResponse,
    processing_mode::{BodySendMode, HeaderSendMode},
    processing_response::Response as Kind,
};

/// What Envoy notes of a response that the contract made. `local_reply_config` lets it pass.
pub const DETAILS: &str = "contract";

/// The request header that leads a refused HEAD to a response of Envoy's own.
pub const REFUSED: &str = "x-contract-refused";

/// The request goes on to the upstream as it is.
pub fn pass_request() -> ProcessingResponse {
    said(Kind::RequestHeaders(HeadersResponse::default()))
}

/// Whether Envoy has a response of its own with this status.
pub fn has_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
}

/// The request does not go to the upstream: Envoy answers it with this status, and asks again.
pub fn refuse(status: StatusCode) -> ProcessingResponse {
    let mut headers = HeaderMap::new();
    headers.insert(REFUSED, http::HeaderValue::from(status.as_u16()));
    let mut mutation = HeaderMutation::default();
    for name in headers.keys() {
        set(&mut mutation, &headers, name);
    }
    let response = CommonResponse { header_mutation: Some(mutation), clear_route_cache: true };
    said(Kind::RequestHeaders(HeadersResponse { response: Some(response) }))
}

/// The response waits, and its content comes next: all of it, or as much as Envoy buffers.
pub fn ask_for_content() -> ProcessingResponse {
    ProcessingResponse {
        response: Some(Kind::ResponseHeaders(HeadersResponse::default())),
        mode_override: Some(ProcessingMode {
            response_header_mode: HeaderSendMode::Send.into(),
            response_body_mode: BodySendMode::BufferedPartial.into(),
        }),
    }
}

/// The response goes on to the client with its own body, and with these headers.
pub fn pass_response(old: &HeaderMap, new: &HeaderMap) -> ProcessingResponse {
    let mut mutation = HeaderMutation::default();
    for name in new.keys() {
        if !new.get_all(name).iter().eq(old.get_all(name)) {
            set(&mut mutation, new, name);
        }
    }
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    mutation.remove_headers.extend(gone.map(ToString::to_string));
    let response = CommonResponse { header_mutation: Some(mutation), clear_route_cache: false };
    said(Kind::ResponseHeaders(HeadersResponse { response: Some(response) }))
}

/// The client gets this response instead of whatever there is.
pub fn answer(response: Response<Bytes>) -> ProcessingResponse {
    let (head, body) = response.into_parts();
    let mut mutation = HeaderMutation::default();
    // Envoy writes the length of what it sends.
    for name in head.headers.keys().filter(|name| *name != CONTENT_LENGTH) {
        set(&mut mutation, &head.headers, name);
    }
    said(Kind::ImmediateResponse(ImmediateResponse {
        status: Some(HttpStatus { code: head.status.as_u16().into() }),
        headers: Some(mutation),
        body,
        details: DETAILS.into(),
    }))
}

/// Sets a header to all its lines. `append` decides, not `append_action`, whose default overwrites:
/// of two `Set-Cookie` lines one was lost.
fn set(mutation: &mut HeaderMutation, headers: &HeaderMap, name: &HeaderName) {
    for (index, value) in headers.get_all(name).iter().enumerate() {
        let raw_value = Bytes::copy_from_slice(value.as_bytes());
        mutation.set_headers.push(HeaderValueOption {
            header: Some(HeaderValue { key: name.to_string(), raw_value }),
            append: Some(index > 0),
        });
    }
}

fn said(response: Kind) -> ProcessingResponse {
    ProcessingResponse { response: Some(response), mode_override: None }
}
