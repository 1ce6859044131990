//! The contract's envelope, as clients decode it.

use std::{error::Error, fmt};

use http::StatusCode;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Map, Value, json};

use crate::api_error::{ApiError, text::Texts};

/// The error envelope, as a client decodes it.
///
/// Decoding accepts it bare and wrapped in a member `error`, with its members in any order, and
/// keeps [members](Self::members) that it does not know. It serializes bare, in the documented
/// order. [`decode`](Self::decode) makes one of any error response.
///
/// ```
/// use tower_contract::Envelope;
///
/// let wrapped = r#"{"error":{"code":4020,"title":"bad parameter","description":"no mode",
///     "uri":"/server/mode","http_method":"POST","request_id":"7"}}"#;
/// let envelope: Envelope = serde_json::from_str(wrapped)?;
/// assert_eq!(envelope.code, 4020);
/// assert_eq!(envelope.members["request_id"], "7");
/// assert_eq!(
///     serde_json::to_string(&envelope)?,
///     r#"{"http_method":"POST","title":"bad parameter","description":"no mode","code":4020,"uri":"/server/mode","request_id":"7"}"#,
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// It is an error, so that `?` returns it from a client's function:
///
/// ```
/// use tower_contract::Envelope;
///
/// fn checked(status: http::StatusCode, content: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
///     if status.is_client_error() || status.is_server_error() {
///         let headers = http::HeaderMap::new();
///         Err(Envelope::decode(status, &headers, content))?;
///     }
///     Ok(())
/// }
/// let error = checked(http::StatusCode::NOT_FOUND, b"").unwrap_err();
/// assert_eq!(error.to_string(), "404 Not Found: No resource exists at this URI.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Shape")]
#[non_exhaustive]
pub struct Envelope {
    /// The method of the request; empty where the response did not say it.
    pub http_method: String,
    /// A short text for this kind of error.
    pub title: String,
    /// What is wrong in this case.
    pub description: String,
    /// The application's error code, or the status.
    pub code: u32,
    /// The URI of the request; empty where the response did not say it.
    pub uri: String,
    /// The members beyond these five, such as `errors` and `request_id`.
    #[serde(flatten)]
    pub members: Map<String, Value>,
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
        error: Object,
        #[serde(flatten)]
        _others: IgnoredAny,
    },
    Bare(Object),
}

/// An object: without the flattened rest, serde takes an array of the five values too.
#[derive(Deserialize)]
struct Object {
    http_method: String,
    title: String,
    description: String,
    code: u32,
    uri: String,
    #[serde(flatten)]
    members: Map<String, Value>,
}

impl From<Shape> for Envelope {
    fn from(shape: Shape) -> Self {
        let (Shape::Wrapped { error, .. } | Shape::Bare(error)) = shape;
        let Object { http_method, title, description, code, uri, members } = error;
        Self { http_method, title, description, code, uri, members }
    }
}

// ===== impl Envelope =====

impl Envelope {
    /// Creates an envelope without further members.
    pub fn new(
        http_method: impl Into<String>,
        title: impl Into<String>,
        description: impl Into<String>,
        code: u32,
        uri: impl Into<String>,
    ) -> Self {
        Self {
            http_method: http_method.into(),
            title: title.into(),
            description: description.into(),
            code,
            uri: uri.into(),
            members: Map::new(),
        }
    }

    /// Returns the error that relays this one with `status`.
    ///
    /// Of a 4xx, texts, code and members are told. Of a 5xx only status and code are, because its
    /// texts may be for the people who run the other service; the envelope is then the
    /// [source](Error::source), which hooks and events tell.
    ///
    /// ```
    /// use http::StatusCode;
    /// use tower_contract::{ApiError, Envelope};
    ///
    /// let envelope = || Envelope::new("GET", "Down", "Disk 7 is gone.", 7001, "/recordings");
    /// let relayed = envelope().into_api_error(StatusCode::BAD_GATEWAY);
    /// assert_eq!(relayed, ApiError::bad_gateway().with_code(7001));
    /// let relayed = envelope().into_api_error_with_texts(StatusCode::BAD_GATEWAY);
    /// assert_eq!(relayed.description(), "Disk 7 is gone.");
    /// ```
    pub fn into_api_error(self, status: StatusCode) -> ApiError {
        let error = ApiError::new(status);
        if error.status().is_client_error() {
            self.into_api_error_with_texts(status)
        } else {
            error.with_code(self.code).with_source(self)
        }
    }

    /// Returns the error that relays this one with `status`, its texts and members, a 5xx too.
    pub fn into_api_error_with_texts(self, status: StatusCode) -> ApiError {
        let error = ApiError::new(status)
            .with_code(self.code)
            .with_title(self.title)
            .with_description(self.description);
        self.members.into_iter().fold(error, |error, (name, value)| error.with_member(name, value))
    }

    /// Returns the JSON Schema (2020-12) of the envelope, for an OpenAPI document (3.1).
    ///
    /// The five members are required; further ones are allowed.
    ///
    /// ```
    /// let schema = tower_contract::Envelope::json_schema();
    /// assert_eq!(schema["properties"]["code"]["type"], "integer");
    /// assert_eq!(schema["required"].as_array().unwrap().len(), 5);
    /// ```
    pub fn json_schema() -> Value {
        json!({
            "type": "object",
            "description": "What went wrong.",
            "required": ["http_method", "title", "description", "code", "uri"],
            "properties": {
                "http_method": {
                    "type": "string",
                    "description": "The method of the request.",
                    "maxLength": 32,
                },
                "title": {
                    "type": "string",
                    "description": "A short text for this kind of error.",
                    "maxLength": 128,
                },
                "description": {
                    "type": "string",
                    "description": "What is wrong in this case.",
                    "maxLength": 512,
                },
                "code": {
                    "type": "integer",
                    "description": "The application's error code, or the status.",
                    "minimum": 0,
                    "maximum": u32::MAX,
                },
                "uri": {
                    "type": "string",
                    "description": "The URI of the request.",
                    "maxLength": 2048,
                },
            },
            "additionalProperties": true,
        })
    }
}

/// One line: `404 Not Found: No resource exists at this URI. (GET /nope)`, its texts as safe to log
/// as they are safe to send.
impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Texts { title, description } = Texts::of(&self.title, &self.description);
        write!(f, "{} {}: {}", self.code, title.as_str(), description.as_str())?;
        let request = format!("{} {}", self.http_method, self.uri);
        match Texts::of("", &request).description.as_str() {
            "" => Ok(()),
            request => write!(f, " ({request})"),
        }
    }
}

impl Error for Envelope {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_told_on_one_line() {
        let envelope = Envelope::new("GET", "a\r\nb", "\u{202e}c  d", 7, "/x\u{1b}[31m");
        assert_eq!(envelope.to_string(), "7 a b: c d (GET /x [31m)");
        let long = Envelope::new("", "t", "x".repeat(1 << 20), 7, "");
        assert_eq!(long.to_string().chars().count(), "7 t: ".len() + 512);
    }

    #[test]
    fn members_beyond_the_five_are_kept_bare_and_wrapped_and_written_after_them() {
        let bare = r#"{"http_method":"GET","title":"t","description":"d","code":1,"uri":"/","a":[1],"b":{}}"#;
        let envelope: Envelope = serde_json::from_str(bare).unwrap();
        assert_eq!(envelope.members, serde_json::from_str(r#"{"a":[1],"b":{}}"#).unwrap());
        assert_eq!(serde_json::to_string(&envelope).unwrap(), bare);
        let wrapped = format!(r#"{{"error":{bare},"c":1}}"#);
        assert_eq!(serde_json::from_str::<Envelope>(&wrapped).unwrap(), envelope);
    }

    #[test]
    fn a_4xx_is_relayed_with_what_it_says_and_a_5xx_with_its_code_alone() {
        let mut envelope = Envelope::new("GET", "t", "d", 7, "/");
        envelope.members.insert("a".into(), json!(1));
        let error = envelope.clone().into_api_error(StatusCode::CONFLICT);
        let expected = ApiError::conflict().with_code(7).with_title("t").with_description("d");
        assert_eq!(error, expected.with_member("a", 1));
        let error = envelope.clone().into_api_error(StatusCode::BAD_GATEWAY);
        assert_eq!(error, ApiError::bad_gateway().with_code(7));
        assert_eq!(error.source().unwrap().to_string(), "7 t: d (GET /)");
        // A status that is no error's becomes 500, and says as little.
        let error = envelope.clone().into_api_error(StatusCode::OK);
        assert_eq!(error, ApiError::internal().with_code(7));
        let error = envelope.into_api_error_with_texts(StatusCode::BAD_GATEWAY);
        assert_eq!((error.title(), error.members().count()), ("t", 1));
    }

    #[test]
    fn the_schema_has_a_property_for_each_of_the_five_members() {
        let schema = Envelope::json_schema();
        let written = serde_json::to_value(Envelope::new("GET", "t", "d", 1, "/")).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&schema["properties"]), names(&written));
        for name in names(&written) {
            assert!(schema["required"].as_array().unwrap().contains(&json!(name)));
            let is_text = written[&name].is_string();
            let expected = if is_text { "string" } else { "integer" };
            assert_eq!(schema["properties"][&name]["type"], expected);
        }
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
