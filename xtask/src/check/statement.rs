//! Statements that compile and should not stand: an assertion that asserts nothing, an exception
//! without an end, code that is not there yet.

use super::finding::Finding;
use super::source::SourceFile;

/// What is looked for, and what to write instead.
const BANNED: [(&str, &str); 4] = [
    (
        "#[allow(",
        "use `#[expect(…, reason = \"…\")]`, which ends when it is no longer needed",
    ),
    (
        "#![allow(",
        "use `#![expect(…, reason = \"…\")]`, which ends when it is no longer needed",
    ),
    ("todo!", "code that is not there yet stays out"),
    ("unimplemented!", "code that is not there yet stays out"),
];

const MATCHES: &str = "matches!(";

/// Banned statements of a file.
pub(crate) fn findings(file: &SourceFile) -> Vec<Finding> {
    let code = &file.code;
    let banned = BANNED.iter().flat_map(|(text, instead)| {
        occurrences(code, text).map(move |at| (at, format!("`{text}`: {instead}")))
    });
    let dropped = occurrences(code, MATCHES)
        .filter(|&at| is_dropped(code, at))
        .map(|at| {
            (
                at,
                "the answer of `matches!` is dropped: write `assert!(matches!(…))`".into(),
            )
        });
    let mut found: Vec<_> = banned.chain(dropped).collect();
    found.sort();
    found
        .into_iter()
        .map(|(at, message)| Finding::at_line(&file.path, line_of(code, at), message))
        .collect()
}

/// Where `text` stands as a word of its own.
fn occurrences(code: &str, text: &'static str) -> impl Iterator<Item = usize> {
    code.match_indices(text).map(|(at, _)| at).filter(|&at| {
        let before = code.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
    })
}

/// Whether the `matches!` at this place is a whole statement: it begins one and a `;` follows it.
fn is_dropped(code: &str, at: usize) -> bool {
    let before = code
        .get(..at)
        .unwrap_or_default()
        .trim_end()
        .chars()
        .next_back();
    let begins = matches!(before, None | Some(';' | '{' | '}'));
    let after = code.get(at + MATCHES.len()..).unwrap_or_default();
    let mut depth = 1;
    let end = after.find(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let follows = end.and_then(|end| after.get(end + 1..)).unwrap_or_default();
    begins && follows.trim_start().starts_with(';')
}

fn line_of(code: &str, at: usize) -> usize {
    1 + code.get(..at).unwrap_or_default().matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(text: &str) -> Vec<String> {
        findings(&SourceFile::new("a.rs", text))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_matches_whose_answer_is_dropped_is_found() {
        let text = "fn f() {\n    let x = g();\n    matches!(x, Some((1, _)));\n}";
        let found = lines_found(text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.rs:3: "), "{found:?}");
    }

    #[test]
    fn a_matches_whose_answer_is_used_is_not() {
        for text in [
            "fn f() -> bool {\n    matches!(x, Some(_))\n}",
            "let y =\n    matches!(x, Some(_));",
            "assert!(\n    matches!(x, Some(_))\n);",
            "a &&\n    matches!(x, Some(_));",
            "// matches!(x, y);",
            "{ matches!(x, y) && z };",
        ] {
            assert_eq!(lines_found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn exceptions_without_an_end_and_missing_code_are_found() {
        for (text, count) in [
            ("#[allow(dead_code)]\nfn f() {}", 1),
            ("#![allow(dead_code)]", 1),
            ("#[expect(dead_code, reason = \"x\")]", 0),
            ("todo!()", 1),
            ("unimplemented!(\"later\")", 1),
            ("my_todo!()", 0),
            ("/// `todo!()` and #[allow(x)]", 0),
            ("let x = \"todo!()\";", 0),
        ] {
            assert_eq!(lines_found(text).len(), count, "{text}");
        }
    }
}
