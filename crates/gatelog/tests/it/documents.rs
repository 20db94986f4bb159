//! What documents say of tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of all functions below a directory.
fn functions(dir: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let found = text.split("fn ").skip(1);
            let name = |rest: &str| rest.split(['(', '<']).next().map(str::to_owned);
            names.extend(found.filter_map(name));
        }
    }
}

/// In backquotes, with two underscores at least: `a_test_of_something`.
fn named(document: &str) -> BTreeSet<String> {
    let quoted = document.split('`').skip(1).step_by(2);
    let is_name = |text: &&str| {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        text.matches('_').count() > 1 && text.bytes().all(|byte| is_letter(byte) || byte == b'_')
    };
    quoted.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn each_test_that_holds_a_case_of_kongs_is_there() {
    let document = fs::read_to_string(root().join("docs/kong-cases.md")).unwrap();
    let named = named(&document);
    assert!(named.len() > 50, "{named:?}");
    let mut functions_there = BTreeSet::new();
    functions(&root().join("crates"), &mut functions_there);
    let missing: Vec<_> = named.difference(&functions_there).collect();
    assert!(missing.is_empty(), "docs/kong-cases.md names {missing:?}");
}
