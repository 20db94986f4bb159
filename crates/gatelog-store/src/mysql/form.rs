//! The two forms in which a value goes to the server: a literal of a statement, and a field of a file
//! for `LOAD DATA`.
//!
//! **Invariants.** A literal is safe in a session in which backslashes escape
//! ([`connection`](super::connection) sees to that). No field holds a byte that ends a field or a line.
//!
//! **Source.** MySQL 8.0, "String Literals" and "LOAD DATA Statement", field and line handling;
//! MariaDB has the same.

use std::fmt::Display;
use std::io::Write as _;

/// How the fields of a file are written, as `LOAD DATA` has to be told. The text `NULL` is a text.
pub(super) const FILE: &str =
    r"FIELDS TERMINATED BY '\t' ENCLOSED BY '' ESCAPED BY '\\' LINES TERMINATED BY '\n'";

/// Where rows and their values are written.
#[derive(Debug)]
pub(super) struct Out<'o> {
    bytes: &'o mut Vec<u8>,
    form: Form,
    /// Whether the next value is the first of its row.
    is_first: bool,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Literal,
    Field,
}

impl<'o> Out<'o> {
    /// Literals of a statement.
    pub(super) fn literals(bytes: &'o mut Vec<u8>) -> Self {
        Self {
            bytes,
            form: Form::Literal,
            is_first: true,
        }
    }

    /// Fields of a file.
    pub(super) fn fields(bytes: &'o mut Vec<u8>) -> Self {
        Self {
            bytes,
            form: Form::Field,
            is_first: true,
        }
    }

    /// To be called before each value of a row.
    pub(super) fn next(&mut self) {
        let is_first = std::mem::replace(&mut self.is_first, false);
        match (self.form, is_first) {
            (Form::Literal, true) => self.bytes.push(b'('),
            (Form::Literal, false) => self.bytes.push(b','),
            (Form::Field, true) => {}
            (Form::Field, false) => self.bytes.push(b'\t'),
        }
    }

    /// Ends a row: a line of the file, or a list of literals with the comma behind it.
    pub(super) fn end_row(&mut self) {
        self.is_first = true;
        self.bytes.extend_from_slice(match self.form {
            Form::Literal => b"),",
            Form::Field => b"\n",
        });
    }

    pub(super) fn null(&mut self) {
        self.bytes.extend_from_slice(match self.form {
            Form::Literal => b"NULL",
            Form::Field => b"\\N",
        });
    }

    pub(super) fn number(&mut self, number: impl Display) {
        // Writing to a Vec cannot fail.
        if write!(self.bytes, "{number}").is_err() {
            self.bytes.push(b'0');
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        match self.form {
            Form::Literal => {
                self.bytes.push(b'\'');
                self.escaped(text, |byte| match byte {
                    b'\'' => Some(b"''"),
                    b'\\' => Some(b"\\\\"),
                    0 => Some(b"\\0"),
                    _ => None,
                });
                self.bytes.push(b'\'');
            }
            Form::Field => self.escaped(text, |byte| match byte {
                b'\t' => Some(b"\\t"),
                b'\n' => Some(b"\\n"),
                b'\\' => Some(b"\\\\"),
                0 => Some(b"\\0"),
                _ => None,
            }),
        }
    }

    /// Appends a text, with the bytes for which `escape` has something else written as that.
    fn escaped(&mut self, text: &str, escape: impl Fn(u8) -> Option<&'static [u8; 2]>) {
        let mut rest = text.as_bytes();
        // Most texts have none. Without an early end the compiler looks at many bytes at a time.
        let any = rest
            .iter()
            .fold(false, |any, byte| any | escape(*byte).is_some());
        if !any {
            self.bytes.extend_from_slice(rest);
            return;
        }
        while let Some((at, escaped)) = rest
            .iter()
            .enumerate()
            .find_map(|(at, byte)| Some((at, escape(*byte)?)))
        {
            let Some((head, [_, tail @ ..])) = rest.split_at_checked(at) else {
                break;
            };
            self.bytes.extend_from_slice(head);
            self.bytes.extend_from_slice(escaped);
            rest = tail;
        }
        self.bytes.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the server reads behind a backslash.
    fn unescaped(escaped: Option<char>) -> char {
        match escaped {
            Some('0') => '\0',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('\\') => '\\',
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        /// Reads the literal as the server would.
        #[test]
        fn a_literal_means_its_text_and_nothing_stands_behind_it(text in "\\PC{0,20}|['\\\\\0a\t]{0,20}") {
            let mut out = Vec::new();
            Out::literals(&mut out).text(&text);
            let literal = String::from_utf8(out).unwrap();
            let inner = literal.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
            let mut read = String::new();
            let mut chars = inner.chars();
            while let Some(character) = chars.next() {
                read.push(match character {
                    '\'' => { prop_assert_eq!(chars.next(), Some('\'')); '\'' }
                    '\\' => unescaped(chars.next()),
                    other => other,
                });
            }
            prop_assert_eq!(read, text);
        }

        /// Reads the field as the server would.
        #[test]
        fn a_field_means_its_text_and_ends_nothing(text in "\\PC{0,20}|[\\\\\0aN\t\n\r]{0,20}") {
            let mut out = Vec::new();
            Out::fields(&mut out).text(&text);
            let field = String::from_utf8(out).unwrap();
            prop_assert!(!field.contains(['\t', '\n']));
            prop_assert!(field != "\\N");
            let mut read = String::new();
            let mut chars = field.chars();
            while let Some(character) = chars.next() {
                read.push(if character == '\\' { unescaped(chars.next()) } else { character });
            }
            prop_assert_eq!(read, text);
        }
    }
}
