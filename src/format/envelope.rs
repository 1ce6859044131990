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
        let Members { http_method, title, description, code, uri, _others } = error;
        Self { http_method, title, description, code, uri }
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
        let object = Object::of(error);
        out.reserve_exact(object.len());
        object.write(out);
    }
}

impl ErrorFormat for WrappedEnvelopeFormat {
    fn content_type(&self) -> HeaderValue {
        JSON
    }

    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
        const PREFIX: &[u8] = br#"{"error":"#;
        let object = Object::of(error);
        out.reserve_exact(PREFIX.len() + object.len() + 1);
        out.extend_from_slice(PREFIX);
        object.write(out);
        out.push(b'}');
    }
}

const HTTP_METHOD: &[u8] = br#"{"http_method":"#;
const TITLE: &[u8] = br#","title":"#;
const DESCRIPTION: &[u8] = br#","description":"#;
const CODE: &[u8] = br#","code":"#;
const URI: &[u8] = br#","uri":"#;

/// The five members, looked at once and written once.
struct Object<'a> {
    http_method: Text<'a>,
    title: Text<'a>,
    description: Text<'a>,
    code: u32,
    uri: Text<'a>,
}

impl<'a> Object<'a> {
    fn of(error: &Occurrence<'a>) -> Self {
        Self {
            http_method: Text::of(error.http_method),
            title: Text::of(error.title),
            description: Text::of(error.description),
            code: error.code,
            uri: Text::of(error.uri),
        }
    }

    /// The length of what [`write`](Self::write) appends, so that the body is one buffer without
    /// spare room. A wrong guess would cost a reallocation, never a byte.
    fn len(&self) -> usize {
        let members = [HTTP_METHOD, TITLE, DESCRIPTION, CODE, URI];
        let texts = [&self.http_method, &self.title, &self.description, &self.uri];
        let digits = self.code.checked_ilog10().unwrap_or(0) as usize + 1;
        members.iter().map(|member| member.len()).sum::<usize>()
            + texts.iter().map(|text| text.len()).sum::<usize>()
            + digits
            + 1
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(HTTP_METHOD);
        self.http_method.write(out);
        out.extend_from_slice(TITLE);
        self.title.write(out);
        out.extend_from_slice(DESCRIPTION);
        self.description.write(out);
        out.extend_from_slice(CODE);
        write_json(&self.code, out);
        out.extend_from_slice(URI);
        self.uri.write(out);
        out.push(b'}');
    }
}

/// A text, and whether it stands in JSON as it is, as nearly all do.
struct Text<'a> {
    text: &'a str,
    is_plain: bool,
}

impl<'a> Text<'a> {
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "without an early end, which costs more than it saves: most texts are plain"
    )]
    fn of(text: &'a str) -> Self {
        let is_plain = text
            .bytes()
            .fold(true, |all, byte| all & (byte >= b' ') & (byte != b'"') & (byte != b'\\'));
        Self { text, is_plain }
    }

    /// The length as a JSON string. What is written holds no control characters, so only quotes and
    /// backslashes are escaped.
    fn len(&self) -> usize {
        let is_escaped = |byte: &u8| matches!(byte, b'"' | b'\\');
        let escapes = if self.is_plain { 0 } else { self.text.bytes().filter(is_escaped).count() };
        self.text.len() + 2 + escapes
    }

    fn write(&self, out: &mut Vec<u8>) {
        if self.is_plain {
            out.push(b'"');
            out.extend_from_slice(self.text.as_bytes());
            out.push(b'"');
        } else {
            write_json(self.text, out);
        }
    }
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
            assert!(problem.contains("an error envelope: http_method"), "{problem}");
        }
    }
}
