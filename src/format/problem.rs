//! RFC 9457, Problem Details for HTTP APIs.

use std::fmt::Write;

use http::{HeaderValue, Uri};
use serde::{Serialize, Serializer};

use crate::{
    api_error::FieldError,
    format::{
        ErrorFormat, Occurrence,
        json::{write_json, write_members},
    },
};

/// Writes `application/problem+json` (RFC 9457) instead of the envelope.
///
/// `title`, `status`, `detail` and `instance` as the RFC says; the envelope's `code` and
/// `http_method` as extension members. Without [`type_base`](Self::type_base) there is no `type`:
/// it is then "about:blank" (RFC 9457, 4.2.1). Field errors are the member `errors`, each with
/// `detail`, `pointer` (a JSON pointer as a fragment, as the RFC's example has it) and `code`.
///
/// ```json
/// {"title":"Not Found","status":404,"detail":"No resource exists at this URI.","instance":"/nope","code":404,"http_method":"GET"}
/// ```
#[doc(alias("ProblemDetails", "rfc9457", "rfc7807"))]
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ProblemDetailsFormat {
    type_base: Option<Uri>,
}

impl ProblemDetailsFormat {
    /// Creates a format that writes no `type`.
    pub const fn new() -> Self {
        Self { type_base: None }
    }

    /// Writes `type`: this URI, a slash unless it ends with one or with `=`, and the code.
    ///
    /// ```
    /// use http::Uri;
    /// use tower_contract::{ErrorBodyLayer, ProblemDetailsFormat};
    ///
    /// // {"type":"https://api.example.com/problems/4020","title":..}
    /// let types = Uri::from_static("https://api.example.com/problems");
    /// let layer = ErrorBodyLayer::new().format(ProblemDetailsFormat::new().type_base(types));
    /// # let _ = layer;
    /// ```
    pub fn type_base(mut self, base: Uri) -> Self {
        self.type_base = Some(base);
        self
    }

    fn type_of(&self, code: u32) -> Option<String> {
        let base = self.type_base.as_ref()?.to_string();
        let slash = if base.ends_with(['/', '=']) { "" } else { "/" };
        Some(format!("{base}{slash}{code}"))
    }
}

const OWN_NAMES: [&str; 7] =
    ["type", "title", "status", "detail", "instance", "code", "http_method"];

impl ErrorFormat for ProblemDetailsFormat {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/problem+json")
    }

    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
        let problem = Problem {
            r#type: self.type_of(error.code),
            title: error.title,
            status: error.status.as_u16(),
            detail: error.description,
            instance: error.uri,
            code: error.code,
            http_method: error.http_method,
        };
        write_json(&problem, out);
        if error.may_add() {
            let end = out.pop();
            write_members(error, |out| write_json(&Findings(error.fields()), out), out);
            out.extend(end);
        }
    }

    /// Where no `type` is configured, an error can bring its own.
    fn own_names(&self) -> &[&str] {
        match (&self.type_base, &OWN_NAMES) {
            (None, [_, without_type @ ..]) => without_type,
            (_, all) => all,
        }
    }
}

/// The members in the order in which they are written.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: u32,
    http_method: &'a str,
}

/// Field errors as RFC 9457 shows them (3).
struct Findings<'a>(&'a [FieldError]);

#[derive(Serialize)]
struct Finding<'a> {
    detail: &'a str,
    pointer: String,
    code: &'a str,
}

impl Serialize for Findings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|FieldError { field, code, message }| Finding {
            detail: message,
            pointer: pointer(field),
            code,
        }))
    }
}

/// The path of a field as a JSON pointer in a fragment (RFC 6901, 6): `items[3].price` is
/// `#/items/3/price`. What is a pointer already stays one.
fn pointer(path: &str) -> String {
    let mut pointer = String::from("#");
    let is_pointer = path.starts_with('/') || path.starts_with("#/");
    let (path, separators): (_, &[char]) = match path.trim_start_matches('#') {
        path if is_pointer => (path, &[]),
        path => (path, &['.', '[', ']']),
    };
    let steps = path.split(separators).filter(|step| !step.is_empty());
    for step in steps {
        if !is_pointer {
            pointer.push('/');
        }
        for byte in step.bytes() {
            match byte {
                b'~' if !is_pointer => pointer.push_str("~0"),
                b'/' if !is_pointer => pointer.push_str("~1"),
                _ if stands_in_fragment(byte) => pointer.push(char::from(byte)),
                // A String takes every text.
                _ => drop(write!(pointer, "%{byte:02X}")),
            }
        }
    }
    pointer
}

/// `pchar`, `/` and `?` (RFC 3986, 3.5).
const fn stands_in_fragment(byte: u8) -> bool {
    matches!(byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'
        | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?')
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::api_error::ApiError;

    fn written(format: &ProblemDetailsFormat, error: &ApiError) -> String {
        let told = Occurrence::new(error.status(), "POST", "/items").with_error(error);
        let mut out = Vec::new();
        format.write(&told.without(format.own_names()), &mut out);
        String::from_utf8(out).unwrap()
    }

    const USUAL: &str = r#""title":"Unprocessable Entity","status":422,"detail":"The request was not accepted.","instance":"/items","code":422,"http_method":"POST""#;

    #[test]
    fn without_anything_added_the_six_members_are_written() {
        let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(written(&ProblemDetailsFormat::new(), &error), format!("{{{USUAL}}}"));
    }

    #[test]
    fn the_type_is_the_configured_uri_and_the_code() {
        for (base, expected) in [
            ("https://a.example/problems", "https://a.example/problems/422"),
            ("https://a.example/problems/", "https://a.example/problems/422"),
            ("/problems", "/problems/422"),
            ("https://a.example/?code=", "https://a.example/?code=422"),
        ] {
            let format = ProblemDetailsFormat::new().type_base(base.parse().unwrap());
            let error = ApiError::unprocessable().with_member("type", "mine");
            let expected = format!("{{\"type\":\"{expected}\",{USUAL}}}");
            assert_eq!(written(&format, &error), expected);
        }
    }

    #[test]
    fn an_error_can_bring_its_own_type_and_no_other_name_of_the_format() {
        let names = OWN_NAMES.into_iter();
        let error = names.fold(ApiError::unprocessable(), |error, name| error.with_member(name, 1));
        let expected = format!("{{{USUAL},\"type\":1}}");
        assert_eq!(written(&ProblemDetailsFormat::default(), &error), expected);
    }

    #[test]
    fn field_errors_have_pointers() {
        let error = ApiError::unprocessable()
            .with_field("items[3].price", "range", "Too \"low\".")
            .with_member("a", 1);
        let errors = r##","errors":[{"detail":"Too \"low\".","pointer":"#/items/3/price","code":"range"}],"a":1}"##;
        let expected = format!("{{{USUAL}{errors}");
        assert_eq!(written(&ProblemDetailsFormat::new(), &error), expected);
    }

    #[test]
    fn a_path_becomes_a_pointer_and_a_pointer_stays_one() {
        for (path, expected) in [
            ("", "#"),
            ("age", "#/age"),
            ("profile.color", "#/profile/color"),
            ("items[3].price", "#/items/3/price"),
            ("[0]", "#/0"),
            ("a/b~c", "#/a~1b~0c"),
            ("größe \"x\"", "#/gr%C3%B6%C3%9Fe%20%22x%22"),
            ("/a/b.c", "#/a/b.c"),
            ("#/a~1b", "#/a~1b"),
        ] {
            assert_eq!(pointer(path), expected, "{path:?}");
        }
    }
}
