//! The names of failpoints in source code, to hold a crate's list of them against.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// The names with which `call` is called, for instance `failpoint::pass`, in the Rust files below a
/// directory.
///
/// # Errors
/// The system's.
pub fn called(sources: &Path, call: &str) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(sources)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut called(&path, call)?);
        } else if path.extension().is_some_and(|name| name == "rs") {
            let source = fs::read_to_string(path)?;
            let call = format!("{call}(");
            let arguments = source.split(&call).skip(1);
            let names = arguments.filter_map(|rest| {
                let (name, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
                Some(name.to_owned())
            });
            found.extend(names);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_below_the_directory_and_over_lines() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("inner")).unwrap();
        let sources = [
            (
                "a.rs",
                "failpoint::pass(\"a.b\"); failpoint::disk(\"a.c\")?;",
            ),
            (
                "inner/b.rs",
                "gatelog_failpoint::pass(\n    \"b.c\",\n); pass(name)",
            ),
            ("notes", "failpoint::pass(\"no.rust\")"),
        ];
        for (name, source) in sources {
            fs::write(dir.path().join(name), source).unwrap();
        }
        let passed = called(dir.path(), "failpoint::pass").unwrap();
        assert!(passed.iter().eq(["a.b", "b.c"]), "{passed:?}");
        let disk = called(dir.path(), "failpoint::disk").unwrap();
        assert!(disk.iter().eq(["a.c"]), "{disk:?}");
    }
}
