//! The formats that write the contract's envelope.

use http::HeaderValue;

use crate::format::{
    ErrorFormat, Occurrence,
    json::{Digits, Text, write_json, write_members},
};

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

    fn own_names(&self) -> &[&str] {
        &OWN_NAMES
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

    fn own_names(&self) -> &[&str] {
        &OWN_NAMES
    }
}

const OWN_NAMES: [&str; 5] = ["http_method", "title", "description", "code", "uri"];

const HTTP_METHOD: &[u8] = br#"{"http_method":""#;
const TITLE: &[u8] = br#"","title":""#;
const DESCRIPTION: &[u8] = br#"","description":""#;
const CODE: &[u8] = br#"","code":"#;
const URI: &[u8] = br#","uri":""#;

/// Between description and URI, where the code is a status, as nearly all are: `","code":404,"uri":"`.
static STATUS_CODES: [[u8; STATUS_CODE_LEN]; 200] = status_codes();
const STATUS_CODE_LEN: usize = CODE.len() + 3 + URI.len();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "in a constant: what is out of bounds does not compile, and a digit fits"
)]
const fn status_codes() -> [[u8; STATUS_CODE_LEN]; 200] {
    let mut table = [[0; STATUS_CODE_LEN]; 200];
    let mut n = 0;
    while n < 200 {
        let status = 400 + n;
        let digits = [(status / 100) as u8, (status / 10 % 10) as u8, (status % 10) as u8];
        let mut at = 0;
        while at < STATUS_CODE_LEN {
            table[n][at] = if at < CODE.len() {
                CODE[at]
            } else if at < CODE.len() + 3 {
                b'0' + digits[at - CODE.len()]
            } else {
                URI[at - CODE.len() - 3]
            };
            at += 1;
        }
        n += 1;
    }
    table
}

/// The code with what stands around it.
enum Code {
    Status(&'static [u8]),
    Other(Digits),
}

impl Code {
    fn of(code: u32) -> Self {
        let index = code.checked_sub(400).and_then(|index| usize::try_from(index).ok());
        let status = index.and_then(|index| STATUS_CODES.get(index));
        status.map_or_else(|| Self::Other(Digits::of(code)), |status| Self::Status(status))
    }

    fn len(&self) -> usize {
        match self {
            Self::Status(status) => status.len(),
            Self::Other(digits) => CODE.len() + digits.as_bytes().len() + URI.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Status(status) => out.extend_from_slice(status),
            Self::Other(digits) => {
                out.extend_from_slice(CODE);
                out.extend_from_slice(digits.as_bytes());
                out.extend_from_slice(URI);
            }
        }
    }
}

/// The members, the usual five looked at once and written once.
struct Object<'a> {
    http_method: Text<'a>,
    title: Text<'a>,
    description: Text<'a>,
    code: Code,
    uri: Text<'a>,
    /// Whose further members are written, if there may be any.
    adding: Option<&'a Occurrence<'a>>,
}

impl<'a> Object<'a> {
    fn of(error: &'a Occurrence<'a>) -> Self {
        let (plain_title, plain_description) = error.plain;
        Self {
            http_method: Text::of(error.http_method),
            title: Text::of_checked(error.title, plain_title),
            description: Text::of_checked(error.description, plain_description),
            code: Code::of(error.code),
            uri: Text::of(error.uri),
            adding: error.may_add().then_some(error),
        }
    }

    /// The length of what [`write`](Self::write) appends, so that the body is one buffer without
    /// spare room, where the error adds no members.
    fn len(&self) -> usize {
        const MEMBERS: usize = HTTP_METHOD.len() + TITLE.len() + DESCRIPTION.len() + 2;
        let texts = [&self.http_method, &self.title, &self.description, &self.uri];
        MEMBERS + texts.iter().map(|text| text.len()).sum::<usize>() + self.code.len()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(HTTP_METHOD);
        self.http_method.write(out);
        out.extend_from_slice(TITLE);
        self.title.write(out);
        out.extend_from_slice(DESCRIPTION);
        self.description.write(out);
        self.code.write(out);
        self.uri.write(out);
        match self.adding {
            None => out.extend_from_slice(b"\"}"),
            Some(error) => {
                out.push(b'"');
                write_members(error, |out| write_json(error.fields(), out), out);
                out.push(b'}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use proptest::prelude::*;
    use serde::Serialize;

    use super::*;
    use crate::{
        api_error::{ApiError, words::stands_in_json},
        format::Envelope,
    };

    fn written(format: &impl ErrorFormat, description: &str, code: u32) -> Vec<u8> {
        let mut error = Occurrence::new(StatusCode::BAD_REQUEST, "POST", "/a\\b").with_code(code);
        (error.title, error.description) = ("bad \"parameter\"", description);
        let mut out = Vec::new();
        format.write(&error, &mut out);
        out
    }

    #[test]
    fn the_buffer_has_exactly_the_size_of_what_is_written() {
        for description in ["", "plain", "\"\\\"", "é…\u{10ffff}", "a/b"] {
            for code in [0, 9, 10, 399, 400, 404, 599, 600, 4020, u32::MAX] {
                let bare = written(&EnvelopeFormat, description, code);
                assert_eq!(bare.len(), bare.capacity(), "{description} {code}");
                let wrapped = written(&WrappedEnvelopeFormat, description, code);
                assert_eq!(wrapped.len(), wrapped.capacity(), "{description} {code}");
            }
        }
    }

    #[test]
    fn members_follow_the_five_field_errors_first_and_the_requests_id_last() {
        let error = ApiError::conflict()
            .with_member("code", "not this one")
            .with_member("a \"name\"", serde_json::json!({"b": [1, null]}))
            .with_field("email", "format", "say \"no\"")
            .with_member("errors", "nor this one");
        let told = Occurrence::new(error.status(), "GET", "/x").with_error(&error);
        let told = told.without(EnvelopeFormat.own_names()).with_request_id(Some("7\"\\"));
        let mut out = Vec::new();
        EnvelopeFormat.write(&told, &mut out);
        let expected = concat!(
            r#"{"http_method":"GET","title":"Conflict","description":"The request was not accepted.","#,
            r#""code":409,"uri":"/x","errors":[{"field":"email","code":"format","message":"say \"no\""}],"#,
            r#""a \"name\"":{"b":[1,null]},"request_id":"7\"\\"}"#,
        );
        assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
        let mut wrapped = Vec::new();
        WrappedEnvelopeFormat.write(&told, &mut wrapped);
        assert_eq!(String::from_utf8(wrapped).unwrap(), format!("{{\"error\":{expected}}}"));
    }

    #[test]
    fn a_text_that_a_format_set_is_escaped_whatever_stood_there_before() {
        let mut told = Occurrence::new(StatusCode::NOT_FOUND, "GET", "/x");
        told.title = "a \"title\"";
        told.description = "a\\b\n";
        let mut out = Vec::new();
        EnvelopeFormat.write(&told, &mut out);
        let envelope: Envelope = serde_json::from_slice(&out).unwrap();
        assert_eq!((&*envelope.title, &*envelope.description), (told.title, told.description));
    }

    #[test]
    fn the_texts_of_every_status_stand_in_json_as_they_are() {
        for status in (400..600).filter_map(|n| StatusCode::from_u16(n).ok()) {
            let told = Occurrence::new(status, "GET", "/");
            assert!(stands_in_json(told.title) && stands_in_json(told.description), "{status}");
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

    /// The five members as `serde_json` writes them.
    #[derive(Serialize)]
    struct Five<'a> {
        http_method: &'a str,
        title: &'a str,
        description: &'a str,
        code: u32,
        uri: &'a str,
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_texts_are_written_as_serde_json_writes_them(
            http_method: String,
            title in "[ -~]{0,40}",
            description in "(\\PC|[\"\\\\\t ]){0,40}",
            uri: String,
            code in prop_oneof![any::<u32>(), 390..610_u32],
        ) {
            let (http_method, title) = (http_method.as_str(), title.as_str());
            let (description, uri) = (description.as_str(), uri.as_str());
            let five = Five { http_method, title, description, code, uri };
            let expected = serde_json::to_string(&five).unwrap();
            let mut told = Occurrence::new(StatusCode::NOT_FOUND, http_method, uri).with_code(code);
            (told.title, told.description) = (title, description);
            let mut out = Vec::new();
            EnvelopeFormat.write(&told, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
