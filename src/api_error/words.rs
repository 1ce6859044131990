//! Texts looked at eight bytes at a time.
//!
//! A word holds eight bytes; the high bit of each byte of a result tells of that byte. Only whether
//! any bit is set is asked, so that the tests may let a borrow or carry run into the next byte: it
//! runs only out of a byte that is found itself.

/// One in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The high bit of each byte.
const HIGH: u64 = ONES << 7;

/// What the bytes of a text have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    unprintable: u64,
    escaped: u64,
    doubled: u64,
}

impl Look {
    pub(super) fn at(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut look = Self::default();
        let mut before = 0;
        for chunk in bytes.chunks_exact(8) {
            before = look.add(word(chunk), before);
        }
        // What is over eight, with as much before it as makes a word: it has its own neighbours.
        if is_over_eight(bytes) {
            look.add(last_word(bytes), 0);
        }
        look
    }

    /// Looks at a word after one whose last byte is a space (the lowest high bit) or not (zero);
    /// tells the same of this one.
    fn add(&mut self, word: u64, before: u64) -> u64 {
        let spaces = exact_zeros(word ^ (ONES * 0x20));
        // Below a space; not ASCII; DEL, which one more makes 0x80.
        self.unprintable |= word.wrapping_sub(ONES * 0x20) | word | word.wrapping_add(ONES);
        self.escaped |= escapes(word);
        self.doubled |= spaces & ((spaces << 8) | before);
        spaces >> 56
    }

    /// Whether all bytes are printable ASCII, without two spaces side by side.
    pub(super) fn is_printable(self) -> bool {
        (self.unprintable | self.doubled) & HIGH == 0
    }

    /// Whether there is neither a quote nor a backslash.
    pub(super) fn has_no_escapes(self) -> bool {
        self.escaped & HIGH == 0
    }
}

/// Whether a text stands in JSON as it is: without controls, quotes and backslashes.
pub(crate) fn stands_in_json(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 {
        // A method, most often: less to look at than what makes it a word.
        return bytes.iter().all(|byte| !matches!(byte, ..b' ' | b'"' | b'\\'));
    }
    let mut found = 0;
    let mut look = |word: u64| found |= (word.wrapping_sub(ONES * 0x20) & !word) | escapes(word);
    bytes.chunks_exact(8).for_each(|chunk| look(word(chunk)));
    if is_over_eight(bytes) {
        look(last_word(bytes));
    }
    found & HIGH == 0
}

/// The quotes and backslashes.
const fn escapes(word: u64) -> u64 {
    zeros(word ^ (ONES * b'"' as u64)) | zeros(word ^ (ONES * b'\\' as u64))
}

/// The bytes that are zero; above one that is, others may be found too.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

/// The bytes that are zero, and no others.
const fn exact_zeros(word: u64) -> u64 {
    let low = (word & !HIGH) + (ONES * 0x7f);
    !(low | word) & HIGH
}

fn word(eight: &[u8]) -> u64 {
    <[u8; 8]>::try_from(eight).map_or(0, u64::from_le_bytes)
}

/// Whether words alone leave something of the text.
const fn is_over_eight(bytes: &[u8]) -> bool {
    bytes.len() % 8 > 0
}

/// The last eight bytes; those of a shorter text before letters.
fn last_word(bytes: &[u8]) -> u64 {
    let last = bytes.last_chunk::<8>().copied().unwrap_or_else(|| {
        let mut padded = [b'a'; 8];
        padded.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        padded
    });
    u64::from_le_bytes(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte by byte, what is to be found.
    fn expected(text: &str) -> [bool; 3] {
        let has = |found: fn(u8) -> bool| text.bytes().any(found);
        [
            !has(|byte| !matches!(byte, b' '..=b'~')) && !text.contains("  "),
            !has(|byte| matches!(byte, b'"' | b'\\')),
            !has(|byte| matches!(byte, ..b' ' | b'"' | b'\\')),
        ]
    }

    fn found(text: &str) -> [bool; 3] {
        let look = Look::at(text);
        [look.is_printable(), look.has_no_escapes(), stands_in_json(text)]
    }

    #[test]
    fn every_character_is_seen_at_every_place_of_texts_of_every_length() {
        let characters = (0..=0x180).chain([0x202e, 0x2028, 0xfeff, 0x10_ffff]);
        for character in characters.filter_map(char::from_u32) {
            for len in 0..20 {
                for place in 0..=len {
                    let text =
                        format!("{}{character}{}", "a".repeat(place), "b".repeat(len - place));
                    assert_eq!(found(&text), expected(&text), "{text:?}");
                }
            }
        }
        assert_eq!(found(""), [true; 3]);
    }

    #[test]
    fn two_spaces_are_found_where_they_are_side_by_side_and_nowhere_else() {
        for len in 2..28_usize {
            for first in 0..len {
                for second in first + 1..len {
                    let mut text = vec![b'a'; len];
                    (text[first], text[second]) = (b' ', b' ');
                    let text = String::from_utf8(text).unwrap();
                    assert_eq!(Look::at(&text).is_printable(), second > first + 1, "{text:?}");
                }
            }
        }
    }
}
