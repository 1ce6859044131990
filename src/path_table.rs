//! A table of path patterns, as axum 0.8 writes them, each with a value.

/// Patterns of paths (`/a/{id}`, `/a/{*rest}`) and the value of each.
#[derive(Clone, Debug)]
pub(crate) struct PathTable<T> {
    patterns: matchit::Router<T>,
}

impl<T> PathTable<T> {
    /// Creates a table without patterns.
    pub(crate) fn new() -> Self {
        Self { patterns: matchit::Router::new() }
    }

    /// Adds a pattern, or says what is wrong with it.
    pub(crate) fn insert(&mut self, pattern: &str, value: T) -> Result<(), String> {
        if !pattern.starts_with('/') {
            return Err(format!("a path starts with \"/\": \"/{pattern}\""));
        }
        // As axum 0.8 does: these were parameters once, and would now match nothing but themselves.
        if let Some(old) = pattern.split('/').find(|segment| segment.starts_with([':', '*'])) {
            let name = old.trim_start_matches([':', '*']);
            let star = if old.starts_with('*') { "*" } else { "" };
            return Err(format!("a parameter is written {{{star}{name}}}, not {old}"));
        }
        self.patterns.insert(pattern, value).map_err(|problem| problem.to_string())
    }

    /// The value of the one pattern that the path matches.
    ///
    /// The path is taken as it came: nothing is decoded, folded or resolved.
    #[inline]
    pub(crate) fn at(&self, path: &str) -> Option<&T> {
        Some(self.patterns.at(path).ok()?.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_matches_nothing_is_refused_with_what_to_write() {
        let mut table = PathTable::new();
        for (pattern, expected) in [
            ("/ok/{id}", Ok(())),
            ("bare", Err("a path starts with \"/\": \"/bare\"")),
            ("", Err("a path starts with \"/\": \"/\"")),
            ("/a/:id", Err("a parameter is written {id}, not :id")),
            ("/*rest", Err("a parameter is written {*rest}, not *rest")),
        ] {
            assert_eq!(table.insert(pattern, ()), expected.map_err(str::to_owned), "{pattern}");
        }
        assert!(table.insert("/ok/{name}", ()).is_err());
        assert!(table.insert("/{open", ()).is_err());
    }

    #[test]
    fn a_path_is_matched_as_it_came() {
        let mut table = PathTable::new();
        for pattern in ["/a", "/a/{id}", "/b/{*rest}"] {
            table.insert(pattern, pattern).unwrap();
        }
        for (path, expected) in [
            ("/a", Some("/a")),
            ("/a/1", Some("/a/{id}")),
            ("/a/%2e%2e", Some("/a/{id}")),
            ("/b/1/2/", Some("/b/{*rest}")),
            ("/b/", None),
            ("/b", None),
            ("/a/", None),
            ("/%61", None),
            ("/A", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(table.at(path).copied(), expected, "{path}");
        }
    }
}
