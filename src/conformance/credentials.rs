//! Credentials of the caller, which are in no report.

use crate::conformance::answer::Answer;

/// Puts asterisks over the values of these fields, wherever they stand in an answer.
pub(super) fn hide(fields: &[(String, String)], answer: &mut Answer) {
    for text in fields.iter().flat_map(|(_, value)| secrets(value)) {
        blot(&mut answer.body, text);
        for (_, value) in answer.fields.iter_mut().chain(&mut answer.trailers) {
            *value = value.replace(text, "***");
        }
    }
}

/// The parts of a field with credentials that must not be shown: the value, and the token in it.
fn secrets(value: &str) -> impl Iterator<Item = &str> {
    let token = value.rsplit(' ').next().filter(|token| token.len() >= 4 && *token != value);
    std::iter::once(value).chain(token).filter(|text| !text.is_empty())
}

/// Puts asterisks over a text; the length stays.
fn blot(bytes: &mut [u8], text: &str) {
    let length = text.len();
    let mut from = 0;
    while let Some(rest) = bytes.get_mut(from..) {
        let found = rest.windows(length).position(|window| window == text.as_bytes());
        let Some(found) = found else { return };
        rest.iter_mut().skip(found).take(length).for_each(|byte| *byte = b'*');
        from += found + length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_and_the_token_in_it_are_covered_and_the_length_stays() {
        let mut body = b"you said Bearer abcdef and abcdef".to_vec();
        for text in secrets("Bearer abcdef") {
            blot(&mut body, text);
        }
        assert_eq!(body, b"you said ************* and ******");
    }
}
