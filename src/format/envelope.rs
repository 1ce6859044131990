//! The contract's envelope: the value that clients decode, and the formats that write it.

use http::HeaderValue;
use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::format::{ErrorFormat, Occurrence};

/// The error envelope, as a client decodes it.
///
/// Decoding accepts it bare and wrapped in a member `error`, with its members in any order, and
/// ignores members that it does not know. It serializes bare, in the documented order.
///
/// ```
/// use tower_contract::Envelope;
///
/// let wrapped = r#"{"error":{"code":4020,"title":"bad parameter","description":"no mode",
///     "uri":"/server/mode","http_method":"POST"}}"#;
/// let envelope: Envelope = serde_json::from_str(wrapped)?;
/// assert_eq!(envelope.code, 4020);
/// assert_eq!(
///     serde_json::to_string(&envelope)?,
///     r#"{"http_method":"POST","title":"bad parameter","description":"no mode","code":4020,"uri":"/server/mode"}"#,
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Shape")]
pub struct Envelope {
    /// The method of the request.
    pub http_method: String,
    /// A short text for this kind of error.
    pub title: String,
    /// What is wrong in this case.
    pub description: String,
    /// The application's error code, or the status.
    pub code: u32,
    /// The URI of the request.
    pub uri: String,
}

/// The two shapes in which services send the five members.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "an error envelope: http_method, title, description, code (an integer) and uri, \
                 bare or in a member `error`"
)]
enum Shape {
    Wrapped {
        error: Members,
        #[serde(flatten)]
        _others: IgnoredAny,
    },
    Bare(Members),
}

/// An object: without the flattened rest, serde takes an array of the five values too.
#[derive(Deserialize)]
struct Members {
    http_method: String,
    title: String,
    description: String,
    code: u32,
    uri: String,
    #[serde(flatten)]
    _others: IgnoredAny,
}

impl From<Shape> for Envelope {
    fn from(shape: Shape) -> Self {
        let (Shape::Wrapped { error, .. } | Shape::Bare(error)) = shape;
        let Members {
            http_method,
            title,
            description,
            code,
            uri,
            _others,
        } = error;
        Self {
            http_method,
            title,
            description,
            code,
            uri,
        }
    }
}

/// The contract's own format, and the default: the bare object, compact, five members in order.
///
/// ```json
/// {"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"/nope"}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct EnvelopeFormat;

/// The same object in a member `error`, for clients that read the contract's `error = {..}` so.
///
/// ```json
/// {"error":{"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"/nope"}}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WrappedEnvelopeFormat;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl ErrorFormat for EnvelopeFormat {
    fn content_type(&self) -> HeaderValue {
        JSON
    }

    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
        out.reserve_exact(object_len(error));
        write_object(error, out);
    }
}

impl ErrorFormat for WrappedEnvelopeFormat {
    fn content_type(&self) -> HeaderValue {
        JSON
    }

    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
        const PREFIX: &[u8] = br#"{"error":"#;
        out.reserve_exact(PREFIX.len() + object_len(error) + 1);
        out.extend_from_slice(PREFIX);
        write_object(error, out);
        out.push(b'}');
    }
}

const HTTP_METHOD: &[u8] = br#"{"http_method":"#;
const TITLE: &[u8] = br#","title":"#;
const DESCRIPTION: &[u8] = br#","description":"#;
const CODE: &[u8] = br#","code":"#;
const URI: &[u8] = br#","uri":"#;

fn write_object(error: &Occurrence<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(HTTP_METHOD);
    write_json(error.http_method, out);
    out.extend_from_slice(TITLE);
    write_json(error.title, out);
    out.extend_from_slice(DESCRIPTION);
    write_json(error.description, out);
    out.extend_from_slice(CODE);
    write_json(&error.code, out);
    out.extend_from_slice(URI);
    write_json(error.uri, out);
    out.push(b'}');
}

/// The length of what [`write_object`] appends, so that the body is one buffer without spare room.
///
/// A wrong guess would cost a reallocation, never a byte.
fn object_len(error: &Occurrence<'_>) -> usize {
    let members = [HTTP_METHOD, TITLE, DESCRIPTION, CODE, URI];
    let texts = [error.http_method, error.title, error.description, error.uri];
    let digits = error.code.checked_ilog10().unwrap_or(0) as usize + 1;
    members.iter().map(|member| member.len()).sum::<usize>()
        + texts.iter().map(|text| string_len(text)).sum::<usize>()
        + digits
        + 1
}

/// The length of a text as a JSON string. What is written holds no control characters, so only
/// quotes and backslashes are escaped.
fn string_len(text: &str) -> usize {
    text.len()
        + 2
        + text
            .bytes()
            .filter(|byte| matches!(byte, b'"' | b'\\'))
            .count()
}

/// Appends `value`, a text or a number, as JSON.
pub(super) fn write_json(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    // A Vec takes every byte, and texts and numbers always serialize.
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn written(format: &impl ErrorFormat, description: &str, code: u32) -> Vec<u8> {
        let error = Occurrence {
            status: StatusCode::BAD_REQUEST,
            http_method: "POST",
            title: "bad \"parameter\"",
            description,
            code,
            uri: "/a\\b",
        };
        let mut out = Vec::new();
        format.write(&error, &mut out);
        out
    }

    #[test]
    fn the_buffer_has_exactly_the_size_of_what_is_written() {
        for description in ["", "plain", "\"\\\"", "é…\u{10ffff}", "a/b"] {
            for code in [0, 9, 10, 4020, u32::MAX] {
                let bare = written(&EnvelopeFormat, description, code);
                assert_eq!(bare.len(), bare.capacity(), "{description} {code}");
                let wrapped = written(&WrappedEnvelopeFormat, description, code);
                assert_eq!(wrapped.len(), wrapped.capacity(), "{description} {code}");
            }
        }
    }

    #[test]
    fn bare_and_wrapped_decode_to_the_same_value() {
        let bare = written(&EnvelopeFormat, "say \"no\"", 7);
        let wrapped = written(&WrappedEnvelopeFormat, "say \"no\"", 7);
        let bare: Envelope = serde_json::from_slice(&bare).unwrap();
        assert_eq!(bare, serde_json::from_slice(&wrapped).unwrap());
        assert_eq!(bare.description, "say \"no\"");
    }

    #[test]
    fn what_lacks_a_member_or_has_a_wrong_type_is_no_envelope() {
        for json in [
            "{}",
            "[]",
            r#"{"http_method":"GET","title":"t","description":"d","code":1}"#,
            r#"{"http_method":"GET","title":"t","description":"d","code":"1","uri":"/"}"#,
            r#"{"http_method":"GET","title":"t","description":"d","code":-1,"uri":"/"}"#,
            r#"{"http_method":"GET","title":null,"description":"d","code":1,"uri":"/"}"#,
            r#"{"error":{"code":1}}"#,
            r#"["GET","t","d",1,"/"]"#,
            r#"{"error":["GET","t","d",1,"/"]}"#,
            r#"[{"http_method":"GET","title":"t","description":"d","code":1,"uri":"/"}]"#,
        ] {
            let decoded = serde_json::from_str::<Envelope>(json);
            let problem = decoded.expect_err(json).to_string();
            assert!(
                problem.contains("an error envelope: http_method"),
                "{problem}"
            );
        }
    }
}
