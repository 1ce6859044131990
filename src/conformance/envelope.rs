//! What an error's body says, read strictly: the contract's envelope, or problem details.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::conformance::{answer::Answer, options::Format};

/// The members of an error's body that the checks look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Members {
    pub(super) http_method: Option<String>,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) code: Option<u64>,
    pub(super) uri: Option<String>,
    /// `status` and `type` of problem details.
    pub(super) status: Option<u64>,
    pub(super) kind: Option<String>,
    /// All names, in order.
    pub(super) names: Vec<String>,
}

/// A JSON object with its members in the order in which they stand; a name twice is an error.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.iter().any(|(n, _)| *n == name) {
                        return Err(serde::de::Error::custom(format!("{name} stands there twice")));
                    }
                    members.push((name, value));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The object `{"error":{..}}`.
#[derive(serde::Deserialize)]
struct Wrapped {
    error: Object,
}

impl Object {
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(format!("{name} is no string: {other}")),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u64>, String> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(number) => Ok(Some(number)),
                None => Err(format!("{name} is no integer: {value}")),
            },
        }
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// The format of an error, where it is one of the known ones.
pub(super) fn recognised(answer: &Answer) -> Option<Format> {
    let all = [Format::Envelope, Format::Wrapped, Format::Problem];
    all.into_iter().find(|format| read(*format, answer).is_ok())
}

/// The members of an error in this format, or what is wrong with its body.
pub(super) fn read(format: Format, answer: &Answer) -> Result<Members, String> {
    let kind = media_type(format);
    match answer.all("content-type").as_slice() {
        [value] if essence(value) == kind => {}
        _ => return Err(answer.summary()),
    }
    read_body(format, &answer.body).map_err(|why| format!("{}, {why}", answer.status))
}

/// The members of a body in this format.
pub(super) fn read_body(format: Format, body: &[u8]) -> Result<Members, String> {
    let object = match format {
        Format::Wrapped => serde_json::from_slice::<Wrapped>(body).map(|wrapped| wrapped.error),
        _ => serde_json::from_slice::<Object>(body),
    };
    let object = object.map_err(|error| format!("the body is no such JSON: {error}"))?;
    match format {
        Format::Problem => of_problem(&object),
        _ => of_envelope(&object),
    }
}

pub(super) fn media_type(format: Format) -> &'static str {
    match format {
        Format::Problem => "application/problem+json",
        _ => "application/json",
    }
}

fn essence(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The members in the order of the contract.
pub(super) const IN_ORDER: [&str; 5] = ["http_method", "title", "description", "code", "uri"];

fn of_envelope(object: &Object) -> Result<Members, String> {
    let missing: Vec<_> = IN_ORDER.into_iter().filter(|n| object.value(n).is_none()).collect();
    if !missing.is_empty() {
        return Err(format!("a JSON object without {}", missing.join(", ")));
    }
    Ok(Members {
        http_method: object.text("http_method")?,
        title: object.text("title")?.unwrap_or_default(),
        description: object.text("description")?.unwrap_or_default(),
        code: object.number("code")?,
        uri: object.text("uri")?,
        status: None,
        kind: None,
        names: object.names(),
    })
}

fn of_problem(object: &Object) -> Result<Members, String> {
    let title = object.text("title")?.unwrap_or_default();
    Ok(Members {
        http_method: object.text("http_method")?,
        description: object.text("detail")?.unwrap_or_else(|| title.clone()),
        title,
        code: object.number("code")?,
        uri: object.text("instance")?,
        status: object.number("status")?,
        kind: object.text("type")?,
        names: object.names(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_strictly() {
        let whole = br#"{"http_method":"GET","title":"t","description":"d","code":404,"uri":"/x","more":[]}"#;
        let members = read_body(Format::Envelope, whole).unwrap();
        assert_eq!((members.code, members.names.len()), (Some(404), 6));
        let wrapped = [b"{\"error\":", whole.as_slice(), b"}"].concat();
        assert_eq!(read_body(Format::Wrapped, &wrapped).unwrap(), members);
        for (broken, why) in [
            (r#"{"title":"t"}"#, "without http_method, description, code, uri"),
            (
                r#"{"http_method":"GET","title":"t","description":"d","code":"4","uri":"/"}"#,
                "code is no integer",
            ),
            (r#"{"title":"t","title":"u"}"#, "title stands there twice"),
            ("{} {}", "trailing characters"),
            ("[]", "expected an object"),
        ] {
            let told = read_body(Format::Envelope, broken.as_bytes()).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
