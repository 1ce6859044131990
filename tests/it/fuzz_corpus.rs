//! The fuzz targets, on each input of their committed corpus.

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::{fs, path::Path};

/// Runs a target on its corpus; an input that fails is named.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut inputs = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        println!("{}", path.display());
        target(&fs::read(path).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "{name} has no corpus");
}

#[test]
fn every_input_of_the_corpus_keeps_the_promises() {
    targets::hush();
    for (name, target) in targets::TARGETS {
        replay(name, target);
    }
}
