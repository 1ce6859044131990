//! What an error response of any service says, as an envelope.

use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use serde_json::{Map, Value};

use crate::{api_error::text::Texts, format::Envelope};

impl Envelope {
    /// Returns what an error response says, whatever it is made of.
    ///
    /// An envelope, bare or wrapped, is returned as it is. Problem details (RFC 9457) tell `title`,
    /// `detail` (else the title), `code` where it is an integer, `instance` as the URI, and their
    /// other members. Plain text is the description, on one line of at most 512 characters.
    /// Whatever else comes (HTML, no content, content in a coding, an answer to HEAD) is the
    /// envelope of the status: its reason phrase, one sentence, the status as the code.
    ///
    /// `status` and `headers` are those of the response, `content` is all of its body. What it is,
    /// only `content-type` says: without one it is not read. Content in a coding has to be decoded
    /// before, and `content-encoding` removed, as most clients do.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, StatusCode};
    /// use tower_contract::Envelope;
    ///
    /// let problem = HeaderValue::from_static("application/problem+json");
    /// let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, problem)]);
    /// let content = br#"{"title":"Sold out","status":409,"instance":"/items/7","left":0}"#;
    /// let envelope = Envelope::decode(StatusCode::CONFLICT, &headers, content);
    /// assert_eq!((&*envelope.title, envelope.code, &*envelope.uri), ("Sold out", 409, "/items/7"));
    /// assert_eq!(envelope.members["left"], 0);
    ///
    /// let empty = Envelope::decode(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new(), b"");
    /// assert_eq!(empty.title, "Service Unavailable");
    /// ```
    pub fn decode(status: StatusCode, headers: &HeaderMap, content: &[u8]) -> Self {
        let media_type = media_type(headers).unwrap_or_default();
        let told = if headers.contains_key(CONTENT_ENCODING) {
            None
        } else if media_type == "text/plain" {
            std::str::from_utf8(content).ok().map(|text| of_text(status, text))
        } else if media_type == "application/json" || media_type.ends_with("+json") {
            serde_json::from_slice(content).ok().or_else(|| of_problem(status, content))
        } else {
            None
        };
        told.unwrap_or_else(|| of_status(status))
    }
}

/// The media type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

fn of_status(status: StatusCode) -> Envelope {
    let (title, description) = Texts::of_status(status);
    Envelope::new("", title, description, status.as_u16().into(), "")
}

fn of_text(status: StatusCode, text: &str) -> Envelope {
    let mut envelope = of_status(status);
    let texts = Texts::of("", text);
    if !texts.description.as_str().is_empty() {
        texts.description.as_str().clone_into(&mut envelope.description);
    }
    envelope
}

/// Problem details have a title or a detail; a member of another type than RFC 9457 says is ignored
/// (3.1).
fn of_problem(status: StatusCode, content: &[u8]) -> Option<Envelope> {
    let mut members: Map<String, Value> = serde_json::from_slice(content).ok()?;
    let mut text = |name| match members.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    let (title, detail) = (text("title"), text("detail"));
    let (http_method, uri) = (text("http_method"), text("instance"));
    let description = detail.or_else(|| title.clone())?;
    let code = members.remove("code").and_then(|code| u32::try_from(code.as_u64()?).ok());
    members.remove("status");
    let default = of_status(status);
    Some(Envelope {
        http_method: http_method.unwrap_or_default(),
        title: title.unwrap_or(default.title),
        description,
        code: code.unwrap_or(default.code),
        uri: uri.unwrap_or_default(),
        members,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn decoded(status: u16, media_type: &'static str, content: &str) -> Envelope {
        let media_type = (!media_type.is_empty()).then(|| HeaderValue::from_static(media_type));
        let headers = HeaderMap::from_iter(media_type.map(|value| (CONTENT_TYPE, value)));
        Envelope::decode(StatusCode::from_u16(status).unwrap(), &headers, content.as_bytes())
    }

    fn sentence(status: u16) -> Envelope {
        of_status(StatusCode::from_u16(status).unwrap())
    }

    const ENVELOPE: &str =
        r#"{"http_method":"GET","title":"t","description":"d","code":4020,"uri":"/x","a":1}"#;

    #[test]
    fn an_envelope_is_decoded_bare_and_wrapped_at_any_status() {
        for status in [400, 404, 503] {
            let bare = decoded(status, "Application/JSON; charset=utf-8", ENVELOPE);
            assert_eq!((bare.code, &*bare.description, bare.members.len()), (4020, "d", 1));
            let wrapped = format!("{{\"error\":{ENVELOPE}}}");
            assert_eq!(decoded(status, "application/json", &wrapped), bare);
        }
    }

    #[test]
    fn problem_details_become_an_envelope_with_their_other_members() {
        let problem = r#"{"type":"/p","title":"t","status":409,"detail":"d","instance":"/x","code":7,"http_method":"PUT","errors":[]}"#;
        let envelope = decoded(409, "application/problem+json", problem);
        let mut expected = Envelope::new("PUT", "t", "d", 7, "/x");
        expected.members = serde_json::from_str(r#"{"type":"/p","errors":[]}"#).unwrap();
        assert_eq!(envelope, expected);
        let partly = r#"{"title":"t","status":"?","detail":7,"code":"E7"}"#;
        let envelope = decoded(409, "application/problem+json", partly);
        assert_eq!(envelope, Envelope::new("", "t", "t", 409, ""));
    }

    #[test]
    fn plain_text_is_the_description_on_one_line() {
        let envelope = decoded(400, "text/plain; charset=utf-8", "no\r\nmode\n");
        assert_eq!(envelope, Envelope::new("", "Bad Request", "no mode", 400, ""));
        assert_eq!(decoded(400, "text/plain", &"x".repeat(9999)).description.len(), 511 + 3);
        assert_eq!(decoded(400, "text/plain", " \n"), sentence(400));
    }

    #[test]
    fn everything_else_is_the_envelope_of_the_status() {
        for (media_type, content) in [
            ("", ""),
            ("", ENVELOPE),
            ("text/html", "<h1>Bad Gateway</h1>"),
            ("application/json", ""),
            ("application/json", "{"),
            ("application/json", "[1]"),
            ("application/json", r#"{"error":"invalid_grant"}"#),
            ("application/problem+json", r#"{"type":"/p","status":502}"#),
        ] {
            assert_eq!(decoded(502, media_type, content), sentence(502), "{media_type} {content}");
        }
        let headers = [(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "gzip")];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let headers = HeaderMap::from_iter(headers);
        let decoded = Envelope::decode(StatusCode::NOT_FOUND, &headers, ENVELOPE.as_bytes());
        assert_eq!(decoded, sentence(404));
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
        let decoded = Envelope::decode(StatusCode::NOT_FOUND, &headers, b"\xff");
        assert_eq!(decoded, sentence(404));
    }
}
