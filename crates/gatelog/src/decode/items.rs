//! The objects in a body, one after the other.
//!
//! **Shape.** `[` begins a JSON array; anything else is taken as objects behind each other,
//! separated by white space (NDJSON, pretty printed or not) or by single commas.
//!
//! **Where a broken item ends.** An object whose content is wrong ends where its syntax says. One
//! whose syntax is broken ends, in an array, at the brace that closes it, strings being skipped, or
//! where that brace is not followed by `,` or `]` (as with quotes that were not escaped) at the next
//! `}` that is followed by the next item; and elsewhere at its line, together with the lines behind
//! it that do not begin an object.

use gatelog_record::{AccessRecord, DecodeError, Flaws, json};

/// Iterator over the items of a body: each is a record with its flaws, or why it is none.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a str,
    in_array: bool,
}

impl<'a> Items<'a> {
    /// The items of this body.
    pub fn new(body: &'a str) -> Self {
        let rest = body.trim_ascii_start();
        match rest.strip_prefix('[') {
            Some(rest) => Self {
                rest,
                in_array: true,
            },
            None => Self {
                rest,
                in_array: false,
            },
        }
    }

    /// What is not yet read. Where an item stood is told by comparing this before and after it.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// Goes on behind the next `bytes` bytes.
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Reads the item at the beginning of the rest.
    fn item(&mut self) -> Result<(AccessRecord<'a>, Flaws), DecodeError> {
        let (item, end) = json::read_next(self.rest);
        let broken = matches!(item, Err(DecodeError::Syntax(_)));
        self.skip(match (broken, self.in_array) {
            (false, _) => end,
            (true, true) => broken_item_end(self.rest),
            (true, false) => next_object_line(self.rest),
        });
        item
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<(AccessRecord<'a>, Flaws), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let comma = |text: &'a str| text.strip_prefix(',').map(str::trim_ascii_start);
        self.rest = self.rest.trim_ascii_start();
        self.rest = comma(self.rest).unwrap_or(self.rest);
        if self.in_array
            && let Some(behind) = self.rest.strip_prefix(']')
        {
            self.in_array = false;
            self.rest = "";
            let behind = behind.trim_ascii();
            return (!behind.is_empty()).then(|| {
                Err(DecodeError::Syntax(
                    "something follows the array".to_owned(),
                ))
            });
        }
        if self.rest.is_empty() {
            // An array that never ended is told once, behind its last item.
            return std::mem::take(&mut self.in_array)
                .then(|| Err(DecodeError::Syntax("the array does not end".to_owned())));
        }
        if self.in_array || self.rest.starts_with('{') {
            return Some(self.item());
        }
        // Only an object may stand here: whatever it is, it ends at its line.
        let line = self.rest.find('\n').unwrap_or(self.rest.len());
        let (item, _) = json::read_next(self.rest);
        self.skip(line);
        Some(Err(item.err().unwrap_or(DecodeError::NotAnObject {
            found: "something else",
        })))
    }
}

/// Where an item of an array ends whose syntax is broken.
fn broken_item_end(text: &str) -> usize {
    let rest = |end: usize| text.get(end..).unwrap_or_default().trim_ascii_start();
    let closed = closing_brace(text).filter(|&end| rest(end).starts_with([',', ']']));
    let before_next_item = || {
        text.match_indices('}').map(|(at, _)| at + 1).find(|&end| {
            let next = rest(end).strip_prefix(',').map(str::trim_ascii_start);
            next.is_some_and(|next| next.starts_with('{')) || rest(end).trim_ascii_end() == "]"
        })
    };
    closed.or_else(before_next_item).unwrap_or(text.len())
}

/// Behind the brace that closes the object at the beginning of `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            // A bare word where an object should be ends before the next item.
            b',' | b']' if depth == 0 && at > 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// The beginning of the next line that begins an object.
fn next_object_line(text: &str) -> usize {
    text.match_indices('\n')
        .map(|(at, _)| at + 1)
        .find(|&at| {
            text.get(at..)
                .is_some_and(|line| line.trim_ascii_start().starts_with('{'))
        })
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The methods of the records, and `!` for an item that is none.
    fn methods(body: &str) -> String {
        let items = Items::new(body).map(|item| match item {
            Ok((record, _)) => record.method.unwrap_or("?".into()).into_owned(),
            Err(_) => "!".to_owned(),
        });
        items.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_form_of_body_is_read() {
        let (a, b) = (r#"{"method":"A"}"#, r#"{"method":"B"}"#);
        for (body, expected) in [
            (a.to_owned(), "A"),
            (format!("{a}\n{b}\n"), "A B"),
            (format!("{a}{b}"), "A B"),
            (format!("  {a} \r\n\r\n {b}"), "A B"),
            (format!("{a},{b}"), "A B"),
            (format!("[{a}, {b}]"), "A B"),
            (format!(" [\n{a}\n,\n{b}\n]\n "), "A B"),
            (
                "{\n  \"method\": \"A\"\n}\n{\n  \"method\": \"B\"\n}".to_owned(),
                "A B",
            ),
            ("[]".to_owned(), ""),
            (String::new(), ""),
        ] {
            assert_eq!(methods(&body), expected, "{body}");
        }
    }

    #[test]
    fn a_bad_item_costs_itself_only() {
        let (a, b) = (r#"{"method":"A"}"#, r#"{"method":"B"}"#);
        for bad in [
            "{}",
            "7",
            "null",
            "\"x\"",
            "[1,[2]]",
            r#"{"response_code":"x"}"#,
            r#"{"method":tru}"#,
            r#"{"method":"a "b} c"}"#,
            r#"{"method":"a}"b"}"#,
            r#"{"a":{"b":}}"#,
            "nonsense",
        ] {
            assert_eq!(
                methods(&format!("[{a},{bad},{b}]")),
                "A ! B",
                "in an array: {bad}"
            );
            assert_eq!(
                methods(&format!("{a}\n{bad}\n{b}")),
                "A ! B",
                "in lines: {bad}"
            );
        }
        // A line that was cut short, as by a full disk at the sender.
        assert_eq!(methods(&format!("{a}\n{{\"method\":\"C\n{b}")), "A ! B");
        assert_eq!(methods(&format!("{a}\n{{\"method\":\n{b}")), "A ! B");
        assert_eq!(methods(&format!("{{\n\"method\": tru\n}}\n{b}")), "! B");
    }

    #[test]
    fn an_array_that_does_not_end_or_is_followed_by_something_is_told() {
        assert_eq!(methods(r#"[{"method":"A"}"#), "A !");
        assert_eq!(methods(r#"[{"method":"A"},{"meth"#), "A ! !");
        assert_eq!(methods(r#"[{"method":"A"}] x"#), "A !");
        assert_eq!(methods("["), "!");
    }

    proptest! {
        #[test]
        fn every_body_comes_to_an_end(body in r#"([\[\]{}",:\\ \n]|"method"|"A"|1|é){0,60}"#) {
            let count = Items::new(&body).take(1000).count();
            prop_assert!(count <= body.len() + 1, "{count} items in {} bytes", body.len());
        }

        #[test]
        fn good_lines_survive_any_bad_line_between_them(bad in r"[^\n{]{0,20}|\{[^\n{]{0,20}") {
            let body = format!("{{\"method\":\"A\"}}\n{bad}\n{{\"method\":\"B\"}}\n");
            let found = methods(&body);
            prop_assert!(found.starts_with('A') && found.ends_with('B'), "{found}");
        }
    }
}
