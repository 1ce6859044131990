//! JSON, appended to a buffer.

use serde::Serialize;

use crate::{api_error::words::stands_in_json, format::Occurrence};

/// A text, and whether it stands in JSON as it is, as nearly all do.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    text: &'a str,
    is_plain: bool,
}

impl<'a> Text<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, is_plain: stands_in_json(text) }
    }

    /// As [`of`](Self::of), for a text that is plain if it is the very one that was found to be.
    pub(super) fn of_checked(text: &'a str, plain: &str) -> Self {
        Self { text, is_plain: std::ptr::eq(text, plain) || stands_in_json(text) }
    }

    /// The bytes between the quotes. What is written holds no control characters, so only quotes
    /// and backslashes are escaped; a wrong guess would cost a reallocation, never a byte.
    pub(super) fn len(&self) -> usize {
        let is_escaped = |byte: &u8| matches!(byte, b'"' | b'\\');
        let escapes = if self.is_plain { 0 } else { self.text.bytes().filter(is_escaped).count() };
        self.text.len() + escapes
    }

    /// Appends what stands between the quotes; the opening one is there.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if self.is_plain {
            out.extend_from_slice(self.text.as_bytes());
        } else {
            // The quotes are the writer's: one is replaced, the other left to the caller.
            out.pop();
            write_json(self.text, out);
            out.pop();
        }
    }
}

/// A number as JSON.
#[derive(Clone, Copy)]
pub(super) struct Digits {
    digits: [u8; 10],
    first: usize,
}

impl Digits {
    pub(super) fn of(mut number: u32) -> Self {
        let mut digits = [b'0'; 10];
        let mut first = 10;
        for (index, digit) in digits.iter_mut().enumerate().rev() {
            *digit += (number % 10) as u8;
            number /= 10;
            first = index;
            if number == 0 {
                break;
            }
        }
        Self { digits, first }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.first..).unwrap_or_default()
    }
}

/// Appends `,"name":value` for the members that an error adds: its field errors as `errors`,
/// written by `write_errors`, the others, and the request's id at the end.
#[cold]
pub(super) fn write_members(
    error: &Occurrence<'_>,
    write_errors: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    if !error.fields().is_empty() {
        out.extend_from_slice(br#","errors":"#);
        write_errors(out);
    }
    for (name, value) in error.members() {
        write_name(name, out);
        write_json(value, out);
    }
    if let Some(id) = error.request_id {
        write_name("request_id", out);
        write_json(id, out);
    }
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write_json(name, out);
    out.push(b':');
}

/// Appends `value`, a text, a number or a JSON value, as JSON.
pub(super) fn write_json(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    // A Vec takes every byte, and texts, numbers and values always serialize.
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}
