//! A file is named after its idea; some names tell of none.

use std::path::{Component, Path};

use super::finding::Finding;
use super::source::SourceFile;

/// Names that fit anything, and so say nothing.
const BANNED: [&str; 8] = [
    "utils", "util", "common", "core", "helpers", "misc", "types", "manager",
];

/// Banned names of files, directories and inline modules.
pub(crate) fn findings(file: &SourceFile) -> Vec<Finding> {
    in_path(&file.path)
        .into_iter()
        .chain(in_code(file))
        .collect()
}

fn in_path(path: &Path) -> Vec<Finding> {
    let mut findings: Vec<_> = path
        .with_extension("")
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str().filter(|name| BANNED.contains(name)),
            _ => None,
        })
        .map(|name| Finding::in_file(path, banned(name)))
        .collect();
    if path.ends_with("mod.rs") {
        findings.push(Finding::in_file(
            path,
            "`foo/mod.rs` is written `foo.rs` beside `foo/`",
        ));
    }
    findings
}

/// Modules with a file of their own are found by its path.
fn in_code(file: &SourceFile) -> impl Iterator<Item = Finding> {
    file.code.lines().enumerate().filter_map(|(index, line)| {
        let (_, after) = line.split_once("mod ")?;
        let name = after.strip_suffix('{')?.trim();
        BANNED
            .contains(&name)
            .then(|| Finding::at_line(&file.path, index + 1, banned(name)))
    })
}

fn banned(name: &str) -> String {
    format!("`{name}` says nothing: name the idea that lives here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banned_names_are_found_wherever_they_stand() {
        for (path, text, count) in [
            ("crates/a/src/segment.rs", "pub mod utils;", 0),
            ("crates/a/src/typesetter.rs", "", 0),
            ("crates/a/src/utils.rs", "", 1),
            ("crates/a/src/core/frame.rs", "", 1),
            ("crates/common/src/misc.rs", "", 2),
            ("crates/a/src/segment/mod.rs", "", 1),
            (
                "crates/a/src/lib.rs",
                "mod good {}\npub(crate) mod helpers {\n}",
                1,
            ),
            ("crates/a/src/lib.rs", "// mod helpers {", 0),
        ] {
            let found = findings(&SourceFile::new(path, text));
            assert_eq!(found.len(), count, "{path}: {found:?}");
        }
    }
}
