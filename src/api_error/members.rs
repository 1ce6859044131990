//! The members that an error adds to its body: named JSON values, bounded and safe to send.

use std::{borrow::Cow, io};

use serde::Serialize;
use serde_json::Value;

use crate::api_error::text::sanitised;

/// The longest JSON of all members together: an error body stays one packet or a few.
const MAX_BYTES: usize = 16 * 1024;
/// The deepest value: as deep as `serde_json` reads.
const MAX_DEPTH: usize = 128;

/// Named values in the order in which they were first given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    given: Vec<Member>,
    /// The JSON of all of them, in bytes.
    len: usize,
    is_too_large: bool,
}

#[derive(Clone, Debug)]
struct Member {
    name: Cow<'static, str>,
    value: Value,
    /// `"name":value,` in bytes.
    len: usize,
}

impl Members {
    /// Adds a member, or replaces the value of one of that name; strings in it are made safe.
    ///
    /// Once the members are too large together, there are none: half of an answer misleads.
    pub(crate) fn insert(&mut self, name: Cow<'static, str>, value: Value) {
        if self.is_too_large {
            return;
        }
        let Some(len) = member_len(&name, &value) else {
            return self.leave_out();
        };
        let (name, value) = (safe(name), safe_value(value));
        let same = self.given.iter_mut().find(|member| member.name == name);
        let replaced = same.as_ref().map_or(0, |member| member.len);
        self.len = self.len - replaced + len;
        if self.len > MAX_BYTES {
            return self.leave_out();
        }
        match same {
            Some(member) => (member.value, member.len) = (value, len),
            None => self.given.push(Member { name, value, len }),
        }
    }

    fn leave_out(&mut self) {
        *self = Self { is_too_large: true, ..Self::default() };
    }

    /// Whether there were members, and none is left because they were too large together.
    pub(crate) fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> + Clone {
        self.given.iter().map(|member| (&*member.name, &member.value))
    }
}

/// What is sent counts.
impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// The bytes of `"name":value,`; `None` if they are too many, or nested too deep, to be counted.
fn member_len(name: &str, value: &Value) -> Option<usize> {
    if !is_shallow(value, MAX_DEPTH) {
        return None;
    }
    Some(json_len(name, MAX_BYTES)? + json_len(value, MAX_BYTES)? + 2)
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return false;
    };
    match value {
        Value::Array(values) => values.iter().all(|value| is_shallow(value, below)),
        Value::Object(members) => members.values().all(|value| is_shallow(value, below)),
        _ => true,
    }
}

fn safe(text: Cow<'static, str>) -> Cow<'static, str> {
    match sanitised(&text, usize::MAX) {
        Cow::Owned(line) => Cow::Owned(line),
        Cow::Borrowed(_) => text,
    }
}

fn safe_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(safe(Cow::Owned(text)).into_owned()),
        Value::Array(values) => values.into_iter().map(safe_value).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (safe(Cow::Owned(name)).into_owned(), safe_value(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// The bytes that `value` has as JSON, if they are at most `max`; no more than `max` are written.
pub(super) fn json_len(value: &(impl Serialize + ?Sized), max: usize) -> Option<usize> {
    let mut room = Room(max);
    serde_json::to_writer(&mut room, value).ok()?;
    Some(max - room.0)
}

/// A writer that counts the room that is left, and refuses what does not fit.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(given: &[(&'static str, Value)]) -> Members {
        let mut members = Members::default();
        for (name, value) in given {
            members.insert(Cow::Borrowed(name), value.clone());
        }
        members
    }

    fn names(members: &Members) -> Vec<&str> {
        members.iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn members_stand_in_the_order_first_given_and_the_last_value_of_a_name_counts() {
        let members = members(&[("b", json!(1)), ("a", json!(2)), ("b", json!([3]))]);
        assert!(members.iter().eq([("b", &json!([3])), ("a", &json!(2))]));
    }

    #[test]
    fn members_of_sixteen_kibibytes_are_kept_and_of_one_byte_more_all_left_out() {
        // `"a":1,` and `"b":"..",` are counted.
        let fits = "x".repeat(MAX_BYTES - 6 - 7);
        let given = [("a", json!(1)), ("b", json!(fits.clone()))];
        assert_eq!(names(&members(&given)), ["a", "b"]);
        let mut too_large = members(&[("a", json!(1)), ("b", json!(fits + "x"))]);
        assert!(too_large.is_too_large() && names(&too_large).is_empty());
        too_large.insert(Cow::Borrowed("c"), json!(1));
        assert!(too_large.is_too_large() && names(&too_large).is_empty());
    }

    #[test]
    fn a_replaced_value_no_longer_counts() {
        let long = json!("x".repeat(10_000));
        let members = members(&[("a", long.clone()), ("a", long.clone()), ("a", long)]);
        assert_eq!(names(&members), ["a"]);
    }

    #[test]
    fn a_value_is_counted_no_further_than_it_fits() {
        assert_eq!(json_len(&vec!["x"; 1 << 16], MAX_BYTES), None);
        assert_eq!(json_len(&"é\"", 5), None);
        assert_eq!(json_len(&"é\"", 6), Some(6));
    }

    #[test]
    fn strings_and_names_at_any_depth_are_made_safe_and_never_cut() {
        let long = "x".repeat(5000);
        let members = members(&[(
            "a\r\nb",
            json!({"k\u{202e}": ["c\td", {"e": "\u{feff}f"}, 1.5, null, true], "l": long}),
        )]);
        let expected = json!({"k": ["c d", {"e": "f"}, 1.5, null, true], "l": long});
        assert!(members.iter().eq([("a b", &expected)]));
    }

    #[test]
    fn a_value_nested_deeper_than_json_is_read_is_too_large() {
        let nested = |depth| (1..depth).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(names(&members(&[("a", nested(128))])), ["a"]);
        assert!(members(&[("a", nested(129))]).is_too_large());
    }
}
