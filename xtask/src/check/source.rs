//! The Rust files that the house rules read.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::mask::mask;

/// Directories of the root that hold Rust of ours.
const ROOTS: [&str; 4] = ["crates", "examples", "fuzz", "xtask"];

/// One Rust file.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    /// The text with comments and literals blanked out; lines and columns are those of the file.
    pub(crate) code: String,
}

impl SourceFile {
    /// A file with this text.
    pub(crate) fn new(path: impl Into<PathBuf>, text: &str) -> Self {
        Self {
            path: path.into(),
            code: mask(text),
        }
    }

    /// Whether the whole file is tests or benchmarks.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
            || self
                .path
                .components()
                .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
    }
}

/// Every Rust file of ours, in the order of their paths.
///
/// # Errors
/// When a directory or file cannot be read, or is not UTF-8.
pub(crate) fn read_all(root: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let mut paths = Vec::new();
    for directory in ROOTS.map(|name| root.join(name)) {
        if directory.is_dir() {
            collect(&directory, &mut paths)?;
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            Ok(SourceFile::new(
                path.strip_prefix(root).unwrap_or(&path),
                &text,
            ))
        })
        .collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        let is_ours = path
            .file_name()
            .is_some_and(|name| name != "target" && !name.to_string_lossy().starts_with('.'));
        if path.is_dir() {
            if is_ours {
                collect(&path, paths)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_is_among_those_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let files = read_all(root).unwrap();
        assert!(
            files
                .iter()
                .any(|file| file.path == Path::new("xtask/src/check/source.rs"))
        );
    }

    #[test]
    fn files_that_are_all_test_are_told_apart() {
        for (path, is_test) in [
            ("crates/a/src/lib.rs", false),
            ("crates/a/src/contests.rs", false),
            ("crates/a/src/lib/tests.rs", true),
            ("crates/a/tests/it/main.rs", true),
            ("crates/a/benches/append.rs", true),
        ] {
            assert_eq!(SourceFile::new(path, "").is_test(), is_test, "{path}");
        }
    }
}
