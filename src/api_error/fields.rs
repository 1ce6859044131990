//! What is wrong with single fields of what a client sent: the member `errors`.

use std::borrow::Cow;

use serde::Serialize;

use crate::api_error::{members::json_len, text::sanitised};

/// Most findings: whoever sends more mistakes corrects these first.
const MAX_FIELDS: usize = 100;
/// The longest JSON of all of them.
const MAX_BYTES: usize = 16 * 1024;

/// What is wrong with one field of the request, as an error tells it in its member `errors`.
///
/// It serializes as `{"field":"email","code":"format","message":"This is no e-mail address."}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldError {
    /// The path of the field in what the client sent: `email`, `items[3].price`.
    pub field: Cow<'static, str>,
    /// A word for programs: `required`, `length`.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub message: Cow<'static, str>,
}

/// Findings in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldErrors {
    fields: Vec<FieldError>,
    /// The JSON of all of them, in bytes.
    len: usize,
    left_out: usize,
}

impl FieldErrors {
    /// Adds a finding, its texts made safe. From the first that does not fit, all are left out.
    pub(super) fn push(&mut self, field: FieldError) {
        let room = MAX_BYTES.saturating_sub(self.len);
        let is_cut = self.left_out > 0 || self.fields.len() == MAX_FIELDS;
        // One byte is the comma's.
        let len = if is_cut { None } else { json_len(&field, room.saturating_sub(1)) };
        let Some(len) = len else {
            self.left_out = self.left_out.saturating_add(1);
            return;
        };
        self.len += len + 1;
        let safe = |text: Cow<'static, str>| match sanitised(&text, usize::MAX) {
            Cow::Owned(line) => Cow::Owned(line),
            Cow::Borrowed(_) => text,
        };
        let FieldError { field, code, message } = field;
        let (field, code, message) = (safe(field), safe(code), safe(message));
        self.fields.push(FieldError { field, code, message });
    }

    pub(crate) fn as_slice(&self) -> &[FieldError] {
        &self.fields
    }

    /// How many were given and are not among these.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(message: impl Into<Cow<'static, str>>) -> FieldError {
        FieldError { field: "f".into(), code: "c".into(), message: message.into() }
    }

    fn given(findings: impl IntoIterator<Item = FieldError>) -> FieldErrors {
        let mut fields = FieldErrors::default();
        findings.into_iter().for_each(|finding| fields.push(finding));
        fields
    }

    #[test]
    fn of_ten_thousand_field_errors_the_first_hundred_stay() {
        let fields = given((0..10_000).map(|n| finding(n.to_string())));
        assert_eq!(fields.as_slice().len(), 100);
        assert_eq!(fields.as_slice().last(), Some(&finding("99")));
        assert_eq!(fields.left_out(), 9_900);
    }

    #[test]
    fn field_errors_over_sixteen_kibibytes_are_cut_from_the_end() {
        // `{"field":"f","code":"c","message":""},` has 38 bytes.
        let long = || finding("x".repeat(MAX_BYTES / 2 - 38));
        assert_eq!(given([long(), long()]).as_slice().len(), 2);
        let cut = given([long(), long(), finding("short")]);
        assert_eq!((cut.as_slice().len(), cut.left_out()), (2, 1));
        let cut = given([finding("short"), finding("x".repeat(1 << 20)), finding("short")]);
        assert_eq!((cut.as_slice(), cut.left_out()), (&[finding("short")][..], 2));
    }

    #[test]
    fn the_texts_of_a_field_error_are_made_safe_and_not_cut() {
        let fields = given([finding(format!("a\r\nb\u{202e}c {}", "x".repeat(600)))]);
        assert_eq!(fields.as_slice(), [finding(format!("a b c {}", "x".repeat(600)))]);
    }
}
