//! Text that is safe to send: one line, bounded, without characters that change how it reads.

use std::borrow::Cow;

/// Longest title: a line in a list.
pub(crate) const MAX_TITLE: usize = 128;
/// Longest description: a few sentences.
pub(crate) const MAX_DESCRIPTION: usize = 512;

/// `text` with controls and bidi controls as spaces, runs of space as one, trimmed, and at most
/// `max` characters, of which the last is "…" if it was cut.
pub(crate) fn sanitised(text: &str, max: usize) -> Cow<'_, str> {
    if is_safe(text, max) {
        return Cow::Borrowed(text);
    }
    let words = text.split(|c| c == ' ' || is_unsafe(c)).filter(|word| !word.is_empty());
    let mut line = words.collect::<Vec<_>>().join(" ");
    if let Some((last, _)) = line.char_indices().nth(max).and(line.char_indices().nth(max - 1)) {
        line.truncate(last);
        line.push('…');
    }
    Cow::Owned(line)
}

/// Whether `text` can be sent as it is; not every such text is recognised, only the usual ones.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without an early end, which costs more than it saves: most texts are safe"
)]
fn is_safe(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    let printable = |all, byte: &u8| all & matches!(byte, b' '..=b'~');
    let doubled = |any, (a, b): (&u8, &u8)| any | ((*a == b' ') & (*b == b' '));
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    bytes.len() <= max
        && bytes.first() != Some(&b' ')
        && bytes.last() != Some(&b' ')
        && bytes.iter().fold(true, printable)
        && !pairs.fold(false, doubled)
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
