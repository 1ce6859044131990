//! Text that is safe to send: one line, bounded, without characters that change how it reads.

use std::borrow::Cow;

use http::StatusCode;

use crate::api_error::{
    defaults::{default_description, default_title},
    words::Look,
};

/// Longest title: a line in a list.
const MAX_TITLE: usize = 128;
/// Longest description: a few sentences.
const MAX_DESCRIPTION: usize = 512;

/// Title and description, safe to send; an empty one stands for the default of the status.
#[derive(Debug)]
pub(crate) struct Texts<'a> {
    pub(crate) title: SafeText<'a>,
    pub(crate) description: SafeText<'a>,
}

impl<'a> Texts<'a> {
    pub(crate) fn of(title: &'a str, description: &'a str) -> Self {
        Self {
            title: SafeText::of(title, MAX_TITLE),
            description: SafeText::of(description, MAX_DESCRIPTION),
        }
    }

    /// The title and description of a status: safe, and in JSON they stand as they are.
    pub(crate) fn of_status(status: StatusCode) -> (&'static str, &'static str) {
        (default_title(status), default_description(status))
    }
}

/// A text that is safe to send.
#[derive(Debug)]
pub(crate) struct SafeText<'a> {
    text: Cow<'a, str>,
    is_plain: bool,
}

impl<'a> SafeText<'a> {
    /// `text` as [`sanitised`] makes it.
    pub(crate) fn of(text: &'a str, max: usize) -> Self {
        if text.is_empty() {
            return Self { text: Cow::Borrowed(text), is_plain: true };
        }
        let look = Look::at(text);
        if is_safe(text, look, max) {
            return Self { text: Cow::Borrowed(text), is_plain: look.has_no_escapes() };
        }
        Self { text: Cow::Owned(made_safe(text, max)), is_plain: false }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is known to stand in JSON as it is, as nearly all texts do.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }
}

/// `text` with controls and bidi controls as spaces, runs of space as one, trimmed, and at most
/// `max` characters, of which the last is "…" if it was cut.
pub(crate) fn sanitised(text: &str, max: usize) -> Cow<'_, str> {
    if is_safe(text, Look::at(text), max) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(made_safe(text, max))
    }
}

#[cold]
fn made_safe(text: &str, max: usize) -> String {
    let words = text.split(|c| c == ' ' || is_unsafe(c)).filter(|word| !word.is_empty());
    let mut line = words.collect::<Vec<_>>().join(" ");
    if let Some((last, _)) = line.char_indices().nth(max).and(line.char_indices().nth(max - 1)) {
        line.truncate(last);
        line.push('…');
    }
    line
}

/// Whether `text` can be sent as it is; not every such text is recognised, only the usual ones.
fn is_safe(text: &str, look: Look, max: usize) -> bool {
    text.len() <= max && look.is_printable() && !text.starts_with(' ') && !text.ends_with(' ')
}

/// C0, DEL, C1, line and paragraph separator, BOM, and the bidi controls (UAX #9, 2).
const fn is_unsafe(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_is_sent_as_it_is_and_not_copied() {
        assert!(matches!(sanitised("a plain line", 12), Cow::Borrowed("a plain line")));
        assert_eq!(sanitised("Ünïcode \"stays\" \\ too", 99), "Ünïcode \"stays\" \\ too");
    }

    #[test]
    fn controls_and_bidi_characters_become_one_space() {
        for (text, expected) in [
            ("a\r\nb", "a b"),
            ("  a   b  ", "a b"),
            ("a\u{202e}b\u{2028}c\u{7f}d\u{85}e\u{feff}f", "a b c d e f"),
            ("\u{2066}\t\0", ""),
            ("", ""),
            ("é \n", "é"),
        ] {
            assert_eq!(sanitised(text, 99), expected, "{text:?}");
        }
    }

    #[test]
    fn a_cut_text_ends_with_an_ellipsis_that_counts() {
        assert_eq!(sanitised(&"é".repeat(6), 5), "éééé…");
        assert_eq!(sanitised(&"é".repeat(5), 5), "ééééé");
        assert_eq!(sanitised("abcde\n", 5), "abcde");
        assert_eq!(sanitised("abcd ef", 5), "abcd…");
        assert_eq!(sanitised(" a\nb\n", 3), "a b");
        assert_eq!(sanitised(&"x".repeat(513), MAX_DESCRIPTION).chars().count(), 512);
    }
}
