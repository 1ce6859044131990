//! The floors of the house: a module names only lower ones, and there is one door for errors.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Each module of `src` and its floor. Of floors 0 and 1 each names only those that stand before it.
const FLOORS: [(&str, u8); 26] = [
    ("error_chain", 0),
    ("panic_hook", 0),
    ("unwind", 0),
    ("api_error", 0),
    ("clock", 1),
    ("path_table", 1),
    ("uri_text", 1),
    ("request_head", 1),
    ("report", 1),
    ("protocol", 1),
    ("body", 1),
    ("format", 1),
    ("short_circuit", 1),
    ("body_timeout", 2),
    ("catch_error", 2),
    ("cors", 2),
    ("drain_request", 2),
    ("error_body", 2),
    ("linger", 2),
    ("method_guard", 2),
    ("panic_to_error", 2),
    ("timeout", 2),
    ("stack", 3),
    ("conformance", 4),
    ("guide", 4),
    ("bin", 4),
];

/// The source files, as the module that each belongs to and its text without comments and tests.
fn sources() -> BTreeMap<PathBuf, (String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&root).unwrap().to_owned();
            let first = inside.iter().next().unwrap().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code: Vec<_> = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
            found.insert(inside, (module, code.join("\n")));
        }
    }
    found
}

/// The modules that `code` names: in `crate::module::..`, and in `use crate::{ module::.., .. }`.
fn named_modules(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for after in code.split("crate::").skip(1) {
        let group = after.strip_prefix('{').map(top_level).unwrap_or(vec![after]);
        let name = |path: &str| {
            let path = path.trim_start();
            path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
        };
        named.extend(group.into_iter().map(name).filter(|name| !name.is_empty()));
    }
    named
}

/// The parts of a `{a::{b, c}, d}` group, cut at its own commas.
fn top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&group[start..at]);
                return parts;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}

fn broken_floors(sources: &BTreeMap<PathBuf, (String, String)>) -> Vec<String> {
    let place = |module: &str| FLOORS.iter().position(|(known, _)| *known == module);
    let mut broken = Vec::new();
    for (path, (module, code)) in sources.iter().filter(|(_, (module, _))| module != "lib") {
        let Some(own) = place(module) else {
            broken.push(format!("{} is on no floor", path.display()));
            continue;
        };
        for named in named_modules(code).iter().filter(|named| *named != module) {
            let lower = place(named).is_some_and(|other| {
                let (floor, other_floor) = (FLOORS[own].1, FLOORS[other].1);
                other_floor < floor || (floor <= 1 && other_floor == floor && other < own)
            });
            let format_is_told = named == "format" && !["error_body", "stack"].contains(&&**module);
            if !lower || format_is_told {
                broken.push(format!("{} names {named}", path.display()));
            }
        }
    }
    broken
}

#[test]
fn a_module_names_only_lower_floors_and_only_error_body_names_format() {
    assert_eq!(broken_floors(&sources()), [""; 0]);
}

#[test]
fn errors_enter_a_response_through_one_door() {
    for (path, (module, code)) in sources() {
        let doors = ["extensions_mut", ".extension("].map(|door| code.contains(door));
        // Beside errors: the mark that one was told, and the one that a body is kept.
        let is_door = ["api_error", "report"].contains(&&*module)
            || path == Path::new("error_body/keep_body.rs");
        assert!(doors == [false; 2] || is_door, "{}", path.display());
    }
}

#[test]
fn every_module_is_on_a_floor_of_the_table() {
    let modules: std::collections::BTreeSet<_> = sources()
        .into_values()
        .map(|(module, _)| module)
        .filter(|module| module != "lib")
        .collect();
    assert!(modules.iter().eq(BTreeMap::from(FLOORS).keys()), "{modules:?}");
}

#[test]
fn a_sibling_that_is_named_is_found() {
    let code = "use crate::{\n    api_error::{ApiError, Cause},\n    cors::{CorsPolicy},\n};";
    assert_eq!(named_modules(code), ["api_error", "cors"]);
    let source = ("timeout".to_owned(), code.to_owned());
    let sources = BTreeMap::from([(PathBuf::from("timeout.rs"), source)]);
    assert_eq!(broken_floors(&sources), ["timeout.rs names cors"]);
}
