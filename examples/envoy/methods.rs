//! The file of `--methods`: which methods each resource supports.

use std::{fs, path::Path};

use http::Method;

/// A pattern of paths, as axum 0.8 writes them, and its methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub pattern: String,
    pub methods: Vec<Method>,
}

/// Reads lines like `/recordings/{id} GET DELETE`. Empty lines and those that begin with `#` do not
/// count.
///
/// # Errors
///
/// Says which file cannot be read, or which line names no method or none that is one.
pub fn read(file: &Path) -> Result<Vec<Resource>, String> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            resource(line).ok_or_else(|| {
                format!(
                    "{shown}:{number} {line:?}: write a path and its methods, like /ok GET POST"
                )
            })
        })
        .collect()
}

fn resource(line: &str) -> Option<Resource> {
    let mut words = line.split_whitespace();
    let pattern = words.next()?.to_owned();
    let methods: Vec<_> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    (!methods.is_empty()).then_some(Resource { pattern, methods })
}
