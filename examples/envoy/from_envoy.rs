//! What Envoy says, as values of the crate `http`.

use std::{collections::HashMap, fmt::Write, str::from_utf8};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header::ORIGIN,
};

use super::generated::{Attribute, Attributes, HttpHeaders, attribute::Kind};

/// The route that stands for a method that the resource does not support.
pub const GUARD_ROUTE: &str = "contract-guard";

/// Headers of a response that Envoy made before a filter saw the request.
pub const UNSEEN_METHOD: &str = "x-contract-method";
pub const UNSEEN_PATH: &str = "x-contract-path";
pub const UNSEEN_ORIGIN: &str = "x-contract-origin";

/// The request headers that the contract reads.
const TOLD_HEADERS: [&str; 4] =
    ["origin", "content-type", "connect-protocol-version", "access-control-request-method"];

/// What Envoy is asked to tell beside a response: it may be all that there is of the request.
pub fn attributes() -> Vec<String> {
    let headers = TOLD_HEADERS.map(|name| format!("request.headers['{name}']"));
    let fixed = ["request.method", "request.path", "xds.route_name"].map(str::to_owned);
    fixed.into_iter().chain(headers).collect()
}

/// A request as Envoy routes it. Its URI is the path and the query.
pub fn request(message: &HttpHeaders) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in lines(message) {
        match name {
            ":method" => *request.method_mut() = method(value),
            ":path" => *request.uri_mut() = uri(value),
            _ => append(request.headers_mut(), name, value),
        }
    }
    request
}

/// The request to which Envoy has answered by itself, as far as it can tell: beside the response, or,
/// where no filter saw the request, in headers of the response.
pub fn request_of_response(
    attributes: &HashMap<String, Attributes>,
    response: &HttpHeaders,
) -> Request<()> {
    let unseen = unseen(response);
    let method_told = attribute(attributes, "request.method");
    let mut request = Request::new(());
    if method_told.is_empty() {
        *request.method_mut() = method(&unseen.method);
        *request.uri_mut() = uri(&unseen.path);
        if !unseen.origin.is_empty() {
            append(request.headers_mut(), ORIGIN.as_str(), &unseen.origin);
        }
        return request;
    }
    *request.method_mut() = method(method_told.as_bytes());
    *request.uri_mut() = uri(attribute(attributes, "request.path").as_bytes());
    for name in TOLD_HEADERS {
        let value = attribute(attributes, &format!("request.headers['{name}']"));
        if !value.is_empty() {
            append(request.headers_mut(), name, value.as_bytes());
        }
    }
    request
}

/// What `local_reply_config` tells of a request that no filter saw.
#[derive(Debug, Default)]
struct Unseen {
    method: Bytes,
    path: Bytes,
    origin: Bytes,
}

fn unseen(response: &HttpHeaders) -> Unseen {
    let mut unseen = Unseen::default();
    for line in response.headers.iter().flat_map(|headers| &headers.headers) {
        match line.key.as_str() {
            UNSEEN_METHOD => unseen.method = line.raw_value.clone(),
            UNSEEN_PATH => unseen.path = line.raw_value.clone(),
            UNSEEN_ORIGIN => unseen.origin = line.raw_value.clone(),
            _ => {}
        }
    }
    unseen
}

/// Takes out of a response what only the processor is told.
pub fn remove_unseen(headers: &mut HeaderMap) {
    for name in [UNSEEN_METHOD, UNSEEN_PATH, UNSEEN_ORIGIN] {
        headers.remove(name);
    }
}

/// Whether Envoy refused the method of a request, and left it to the contract to say so.
pub fn is_refused_method(attributes: &HashMap<String, Attributes>) -> bool {
    attribute(attributes, "xds.route_name").starts_with(GUARD_ROUTE)
}

/// A response without its body, of the upstream or of Envoy.
pub fn response(message: &HttpHeaders) -> Response<()> {
    let mut response = Response::new(());
    for (name, value) in lines(message) {
        match name {
            ":status" => {
                let status = StatusCode::from_bytes(value);
                *response.status_mut() = status.unwrap_or(StatusCode::BAD_GATEWAY);
            }
            _ => append(response.headers_mut(), name, value),
        }
    }
    response
}

// ===== lines =====

fn lines(message: &HttpHeaders) -> impl Iterator<Item = (&str, &[u8])> {
    let lines = message.headers.iter().flat_map(|headers| &headers.headers);
    lines.map(|line| (line.key.as_str(), line.raw_value.as_ref()))
}

/// What is no header line has not passed Envoy either.
#[expect(clippy::disallowed_methods, reason = "several lines of one name are several lines")]
fn append(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
        headers.append(name, value);
    }
}

fn attribute<'a>(attributes: &'a HashMap<String, Attributes>, name: &str) -> &'a str {
    let found = attributes.values().find_map(|group| group.fields.get(name));
    match found {
        Some(Attribute { kind: Some(Kind::StringValue(text)) }) => text,
        _ => "",
    }
}

fn method(value: &[u8]) -> Method {
    Method::from_bytes(value).unwrap_or_default()
}

/// The target. Bytes that no URI may have are percent-encoded: Envoy lets some of them pass.
fn uri(value: &[u8]) -> Uri {
    let exact = from_utf8(value).ok().and_then(|text| text.parse().ok());
    exact.or_else(|| encoded(value).parse().ok()).unwrap_or_default()
}

fn encoded(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value {
        let is_plain = byte.is_ascii_graphic()
            && !matches!(
                byte,
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#'
            );
        if is_plain {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
