//! No file of production code is longer than [`MAX_LINES`] lines.
//!
//! A long file hides a second idea. A table is the exception: it is listed in
//! `xtask/allow_long.txt` with its reason, one `path: reason` a line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::finding::Finding;
use super::source::SourceFile;

/// Above this a file is refused. At 400 its author asks which second idea lives there.
const MAX_LINES: usize = 600;

/// The list of exceptions, from the root.
const ALLOWED: &str = "xtask/allow_long.txt";

/// A file that may be long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    path: PathBuf,
    /// Where it stands in the list, counted from 1.
    line: usize,
}

/// The list of exceptions.
///
/// # Errors
/// When it cannot be read, or an entry has no reason.
pub(crate) fn allowed(root: &Path) -> anyhow::Result<Vec<Allowed>> {
    let text =
        fs::read_to_string(root.join(ALLOWED)).with_context(|| format!("cannot read {ALLOWED}"))?;
    parse_allowed(&text)
}

fn parse_allowed(text: &str) -> anyhow::Result<Vec<Allowed>> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(index, line)| {
            let (path, reason) = line.split_once(": ").unwrap_or((line, ""));
            anyhow::ensure!(
                !reason.trim().is_empty(),
                "{ALLOWED}:{}: expected `path: reason`, found `{line}`",
                index + 1
            );
            Ok(Allowed {
                path: path.into(),
                line: index + 1,
            })
        })
        .collect()
}

/// Files that are too long, and exceptions that no file needs.
pub(crate) fn findings(files: &[SourceFile], allowed: &[Allowed]) -> Vec<Finding> {
    let is_allowed = |file: &SourceFile| allowed.iter().any(|entry| entry.path == file.path);
    let (long, unlisted): (Vec<_>, Vec<_>) = files
        .iter()
        .filter(|file| !file.is_test())
        .map(|file| (file, production_lines(&file.code)))
        .filter(|&(_, lines)| lines > MAX_LINES)
        .partition(|&(file, _)| is_allowed(file));
    let too_long = unlisted.into_iter().map(|(file, lines)| {
        Finding::in_file(
            &file.path,
            format!(
                "{lines} lines of production code, at most {MAX_LINES}: split it by idea, or list \
                 the table in {ALLOWED} with a reason"
            ),
        )
    });
    let needless = allowed
        .iter()
        .filter(|entry| !long.iter().any(|(file, _)| file.path == entry.path))
        .map(|entry| {
            let path = entry.path.display();
            Finding::at_line(
                Path::new(ALLOWED),
                entry.line,
                format!("{path} does not have more than {MAX_LINES} lines: remove the entry"),
            )
        });
    too_long.chain(needless).collect()
}

/// Lines outside of inline test modules.
fn production_lines(code: &str) -> usize {
    let mut lines = code.lines().peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let opens_tests = line.trim() == "#[cfg(test)]"
            && lines.peek().is_some_and(|next| {
                let next = next.trim();
                next.starts_with("mod ") && next.ends_with('{')
            });
        if !opens_tests {
            count += 1;
            continue;
        }
        let mut depth = 0;
        for line in lines.by_ref() {
            depth += braces(line);
            if depth == 0 {
                break;
            }
        }
    }
    count
}

/// How many more braces a line opens than it closes.
fn braces(line: &str) -> i32 {
    line.chars()
        .map(|character| match character {
            '{' => 1,
            '}' => -1,
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize) -> SourceFile {
        SourceFile::new(path, &"x();\n".repeat(lines))
    }

    #[test]
    fn the_600th_line_is_the_last_one_allowed() {
        assert_eq!(findings(&[file("src/a.rs", 600)], &[]), []);
        let found = findings(&[file("src/a.rs", 601)], &[]);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].to_string().starts_with("src/a.rs: 601 lines"),
            "{}",
            found[0]
        );
    }

    #[test]
    fn tests_do_not_count() {
        assert_eq!(findings(&[file("tests/it/a.rs", 601)], &[]), []);
        let code =
            "a\n#[cfg(test)]\nmod tests {\n    fn f() {\n    }\n}\nb\n#[cfg(test)]\nfn c() {}\n";
        assert_eq!(production_lines(code), 4);
    }

    #[test]
    fn a_listed_table_may_be_long_and_a_stale_entry_is_found() {
        let allowed = parse_allowed("# tables\n\nsrc/a.rs: one row per flag\n").unwrap();
        assert_eq!(findings(&[file("src/a.rs", 601)], &allowed), []);
        let found = findings(&[file("src/a.rs", 10)], &allowed);
        assert_eq!(found.len(), 1);
        assert!(
            found[0]
                .to_string()
                .starts_with("xtask/allow_long.txt:3: src/a.rs"),
            "{}",
            found[0]
        );
    }

    #[test]
    fn an_entry_without_a_reason_is_refused() {
        for text in ["src/a.rs", "src/a.rs:", "src/a.rs:  "] {
            assert!(parse_allowed(text).is_err(), "{text}");
        }
    }
}
