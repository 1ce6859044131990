//! The contract's envelope, as clients decode it.

use serde::{Deserialize, Serialize, de::IgnoredAny};

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

#[cfg(test)]
mod tests {
    use super::*;

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
