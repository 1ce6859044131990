//! Which policy a path has.

use crate::{cors::live::OnePolicy, path_table::PathTable};

/// The policies and which path has which.
#[derive(Debug)]
pub(super) struct ByPath {
    /// Pattern to index in `policies`.
    pub(super) paths: PathTable<u16>,
    /// The first is the default.
    pub(super) policies: Vec<OnePolicy>,
}

// ===== the decision =====

impl ByPath {
    /// The index of the policy of a path, as it came.
    pub(super) fn index_of(&self, path: &str) -> u16 {
        if is_odd(path) {
            return 0;
        }
        self.paths.at(path).copied().unwrap_or_default()
    }

    pub(super) fn policy(&self, index: u16) -> Option<&OnePolicy> {
        self.policies.get(usize::from(index))
    }
}

/// Whether two readers could take a path for two different ones: a proxy, a router or a file system
/// that decodes, folds or resolves it. Such a path has the default policy, which is the narrowest.
fn is_odd(path: &str) -> bool {
    const ESCAPED: [&[u8]; 4] = [b"2f", b"5c", b"25", b"00"];
    let bytes = path.as_bytes();
    let is_escaped = |at: usize| {
        let code = bytes.get(at + 1..at + 3).unwrap_or_default();
        ESCAPED.iter().any(|escaped| code.eq_ignore_ascii_case(escaped))
    };
    let has_odd_byte = bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'\\' | b';' => true,
        b'%' => is_escaped(at),
        _ => false,
    });
    has_odd_byte || path.contains("//") || path.split('/').any(is_dots)
}

/// `.` and `..`, in each way of writing the dots.
fn is_dots(segment: &str) -> bool {
    let mut rest = segment.as_bytes();
    let mut dots = 0;
    while !rest.is_empty() {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => return false,
        };
        dots += 1;
    }
    matches!(dots, 1 | 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_two_readers_could_take_for_two_is_odd() {
        for path in [
            "//public",
            "/public//a",
            "/public//",
            "/public/.",
            "/public/..",
            "/public/./a",
            "/public/../private",
            "/public/%2e%2E/private",
            "/public/.%2e/private",
            "/public/%2E",
            "/public%2fa",
            "/public%2Fa",
            "/public/%5c..",
            "/public\\..\\private",
            "/public/%252e",
            "/public/a%00",
            "/public;a=1/b",
        ] {
            assert!(is_odd(path), "{path}");
        }
        for path in [
            "",
            "*",
            "/",
            "/public",
            "/public/",
            "/public/a.b",
            "/public/...",
            "/public/.hidden",
            "/public/a..b/",
            "/public/%20",
            "/public/100%",
            "/public/%2",
            "/public/a,b=c",
        ] {
            assert!(!is_odd(path), "{path}");
        }
    }
}
