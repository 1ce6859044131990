//! What is written of an error, read by two parsers.

use std::{collections::HashMap, convert::Infallible};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use tinyjson::JsonValue;
use tower::{Layer, ServiceExt, service_fn};
use tower_contract::{
    ApiError, EnvelopeFormat, ErrorFormat, ProblemDetailsFormat, WrappedEnvelopeFormat,
};

use super::{Input, assert_envelope, block_on, collected, contract};

pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let status = StatusCode::from_u16(400 + u16::from(input.byte()) % 200).unwrap();
    let code = u32::from_be_bytes([0; 4].map(|_: u8| input.byte()));
    let method = Method::from_bytes(input.piece()).unwrap_or(Method::PUT);
    let path = input.text();
    let error = ApiError::new(status).with_code(code);
    let error = error.with_title(input.text()).with_description(input.text());

    let (headers, content) = written(EnvelopeFormat, &method, &path, &error);
    if method == Method::HEAD {
        return assert!(content.is_empty());
    }
    let envelope = assert_envelope(status, &headers, &content);
    assert_eq!(envelope.code, code);
    let bare = both_read(&content);
    assert_eq!(bare.len(), 5);
    let (_, content) = written(WrappedEnvelopeFormat, &method, &path, &error);
    let wrapped: serde_json::Value = serde_json::from_slice(&content).unwrap();
    assert_eq!(both_read(&content).len(), 1);
    assert_eq!(wrapped["error"], serde_json::to_value(&envelope).unwrap());
    let (_, content) = written(ProblemDetailsFormat::default(), &method, &path, &error);
    let problem = both_read(&content);
    assert_eq!(problem["detail"], bare["description"]);
    assert_eq!(problem["instance"], bare["uri"]);
}

fn written<F: ErrorFormat>(
    format: F,
    method: &Method,
    path: &str,
    error: &ApiError,
) -> (http::HeaderMap, Bytes) {
    let service = contract().format(format).layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(error.clone().into_http::<Full<Bytes>>())
    }));
    let mut request = Request::new(());
    *request.method_mut() = method.clone();
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    let (_, headers, content, is_whole) =
        block_on(async { collected(service.oneshot(request).await.unwrap()).await });
    assert!(is_whole);
    (headers, content)
}

/// The members of an object, after both parsers read it alike.
fn both_read(content: &[u8]) -> HashMap<String, JsonValue> {
    let text = std::str::from_utf8(content).unwrap();
    let one: serde_json::Value = serde_json::from_str(text).unwrap();
    let other: JsonValue = text.parse().unwrap();
    assert!(alike(&one, &other), "{text}");
    match other {
        JsonValue::Object(members) => members,
        _ => panic!("no object: {text}"),
    }
}

fn alike(one: &serde_json::Value, other: &JsonValue) -> bool {
    match (one, other) {
        (serde_json::Value::String(one), JsonValue::String(other)) => one == other,
        (serde_json::Value::Number(one), JsonValue::Number(other)) => one.as_f64() == Some(*other),
        (serde_json::Value::Object(one), JsonValue::Object(other)) => {
            let is_alike = |(name, value)| other.get(name).is_some_and(|other| alike(value, other));
            one.len() == other.len() && one.iter().all(is_alike)
        }
        _ => false,
    }
}
