//! The objects of a file: lines, arrays, pretty printed or not, in any order.
//!
//! **Shape.** As `POST /ingest` reads a body ([`Items`]), but over a window that moves, and with any
//! number of arrays. A line that is no JSON because its quotes are not escaped, as gateways whose text
//! format looks like JSON write it, is read by the formats that are known to do so.
//!
//! **Invariants.** An object is taken only when it was seen to its end.

use std::borrow::Cow;

use gatelog_format::Reader;
use gatelog_record::DecodeError;

use super::piece::{Content, Cut};
use super::text_lines;
use crate::decode::{self, Items, MAX_ITEM_BYTES, Text};

/// Takes objects out of a file.
pub(super) struct JsonItems<'f> {
    repair: &'f [Reader],
    in_array: bool,
    /// Within an item that is too long: its line is passed over.
    skipping: bool,
}

/// Without a character of which the last bytes are missing.
fn whole_characters(window: &[u8]) -> &[u8] {
    for (bytes, byte) in (1..=3).zip(window.iter().rev()) {
        let wanted = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        let whole = window.len() - if wanted > bytes { bytes } else { 0 };
        return window.get(..whole).unwrap_or_default();
    }
    window
}

/// Without what may stand before an item: white space, commas, and marks of the byte order, which are
/// there where files were put together.
fn begin(text: &str) -> &str {
    text.trim_start_matches(|next: char| {
        next.is_ascii_whitespace() || matches!(next, ',' | '\u{feff}')
    })
}

/// What stands at the front of the rest.
enum Next {
    /// An item of so many bytes.
    Item(usize, Content),
    /// The window ends before the item does.
    Unfinished,
}

impl<'f> JsonItems<'f> {
    pub(super) fn new(repair: &'f [Reader]) -> Self {
        Self {
            repair,
            in_array: false,
            skipping: false,
        }
    }

    /// See [`Splitter::cut`](super::splitter::Splitter::cut).
    pub(super) fn cut(&mut self, window: &[u8], at_end: bool, full: bool) -> Cut {
        let mut cut = Cut::default();
        let window = if at_end {
            window
        } else {
            whole_characters(window)
        };
        // Each byte that is not UTF-8 is one of the text, too.
        let Ok(text) = Text::new(Cow::Borrowed(window)) else {
            let reason = "there is no memory to read it".to_owned();
            cut.push(0..window.len(), Content::Rejected(reason));
            cut.consumed = window.len();
            return cut;
        };
        let text = text.as_str();
        // A byte order mark is passed over.
        let mark = window.len() - text.len();
        let mut at = 0;
        loop {
            let rest = text.get(at..).unwrap_or_default();
            if self.skipping {
                let end = rest.find('\n');
                self.skipping = end.is_none();
                let bytes = end.unwrap_or(rest.len());
                cut.push(at + mark..at + mark + bytes, Content::More);
                at += bytes;
                if self.skipping {
                    break;
                }
                continue;
            }
            let item = begin(rest);
            at += rest.len() - item.len();
            if item.is_empty() {
                break;
            }
            match self.bracket(item, at_end) {
                None => break,
                Some(true) => {
                    at += 1;
                    continue;
                }
                Some(false) => {}
            }
            let line = window.get(at + mark..).unwrap_or_default();
            match self.next(item, line, at_end) {
                Next::Item(bytes, content) => {
                    cut.push(at + mark..at + mark + bytes, content);
                    at += bytes;
                }
                Next::Unfinished if full && at == 0 => {
                    let reason = format!("the item has more than {MAX_ITEM_BYTES} bytes");
                    cut.push(mark..mark + item.len(), Content::Rejected(reason));
                    at = text.len();
                    self.skipping = true;
                    break;
                }
                Next::Unfinished => break,
            }
        }
        cut.consumed = at + mark;
        cut
    }

    /// Whether a bracket is there that begins or ends an array of objects; `None` when what follows it
    /// has to be seen first.
    fn bracket(&mut self, item: &str, at_end: bool) -> Option<bool> {
        if self.in_array {
            self.in_array = !item.starts_with(']');
            return Some(!self.in_array);
        }
        let Some(behind) = item.strip_prefix('[').map(begin) else {
            return Some(false);
        };
        if behind.is_empty() && !at_end {
            return None;
        }
        self.in_array = behind.starts_with(['{', ']']);
        Some(self.in_array)
    }

    /// The item that `rest` begins with; `bytes` is the same as it stands in the file.
    fn next(&self, rest: &str, bytes: &[u8], at_end: bool) -> Next {
        let line_end = rest.find('\n');
        let whole_line = line_end.is_some() || at_end;
        let line_bytes = line_end.unwrap_or(rest.len());
        if !rest.starts_with('{') && !self.in_array {
            if !whole_line {
                return Next::Unfinished;
            }
            let error = DecodeError::NotAnObject {
                found: "something else",
            };
            let line = rest.get(..line_bytes).unwrap_or_default().trim_ascii_end();
            return Next::Item(line.len(), Content::Rejected(error.to_string()));
        }
        let (item, seen) = decode::read_next(rest);
        let error = match item {
            Ok(_) => return Next::Item(seen, Content::AsItIs),
            Err(error @ DecodeError::Syntax(_)) => {
                if !self.in_array && whole_line {
                    let line = bytes.get(..line_bytes).unwrap_or_default();
                    if let Some(content) = self.repaired(line) {
                        return Next::Item(line_bytes, content);
                    }
                }
                if seen >= rest.trim_ascii_end().len() && !at_end {
                    return Next::Unfinished;
                }
                let end = self.end_of_broken(rest);
                if end >= rest.trim_ascii_end().len() && !at_end {
                    return Next::Unfinished;
                }
                let item = rest.get(..end).unwrap_or(rest).trim_ascii_end();
                return Next::Item(item.len().max(1), Content::Rejected(error.to_string()));
            }
            // A number may go on.
            Err(_) if seen >= rest.len() && !at_end && !rest.starts_with('{') => {
                return Next::Unfinished;
            }
            Err(error) => error,
        };
        Next::Item(seen.max(1), Content::Rejected(error.to_string()))
    }

    /// A line that a format which looks like JSON has written.
    fn repaired(&self, line: &[u8]) -> Option<Content> {
        let read = self
            .repair
            .iter()
            .map(|reader| text_lines::read(reader, line));
        read.into_iter()
            .find(|content| matches!(content, Content::Wire(_)))
    }

    /// Where an item ends whose syntax is broken, as `POST /ingest` sees it.
    fn end_of_broken(&self, rest: &str) -> usize {
        let array = usize::from(self.in_array);
        let body = if self.in_array {
            Cow::Owned(format!("[{rest}"))
        } else {
            Cow::Borrowed(rest)
        };
        let mut items = Items::new(&body);
        let _first = items.next().is_some();
        (body.trim_ascii_end().len() - items.rest().len()).saturating_sub(array)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::form::Form;

    /// The items of a file that is seen through a window which grows and moves: `.` with the text of a
    /// record, `!` with that of what is none.
    fn items(file: &[u8], window_bytes: usize) -> Vec<String> {
        let Form::Json(repair) = Form::recognise(b"").unwrap().0 else {
            unreachable!()
        };
        let mut splitter = JsonItems::new(&repair);
        let (mut all, mut begin, mut bytes) = (Vec::new(), 0, window_bytes);
        while begin < file.len() {
            let end = file.len().min(begin + bytes);
            let window = &file[begin..end];
            let cut = splitter.cut(window, end == file.len(), false);
            for piece in cut.pieces {
                let text = String::from_utf8_lossy(&window[piece.at]).into_owned();
                match piece.content {
                    Content::AsItIs => all.push(format!(".{text}")),
                    Content::Wire(wire) => all.push(format!("={wire}")),
                    Content::Rejected(_) => all.push(format!("!{text}")),
                    Content::More => unreachable!(),
                }
            }
            begin += cut.consumed;
            bytes = if cut.consumed == 0 {
                bytes * 2
            } else {
                window_bytes
            };
            assert!(
                cut.consumed > 0 || end < file.len(),
                "all is taken at the end"
            );
        }
        all
    }

    fn all_at_once(file: &str) -> String {
        items(file.as_bytes(), file.len()).join(" ")
    }

    #[test]
    fn a_character_is_left_for_the_next_window_only_while_its_bytes_are_missing() {
        for text in ["", "a", "é", "€", "𝄞", "aé", "a€", "a𝄞"] {
            let bytes = text.as_bytes();
            assert_eq!(whole_characters(bytes), bytes, "{text}");
            let last = text.chars().last().map_or(0, char::len_utf8);
            for missing in 1..last {
                let cut = &bytes[..bytes.len() - missing];
                let whole = &bytes[..bytes.len() - last];
                assert_eq!(whole_characters(cut), whole, "{text} without {missing}");
            }
        }
        // What is no character stays: it would be one in no window.
        for bytes in [
            &b"a\x80"[..],
            b"\x80\x80\x80\x80",
            b"\xe2\x82\x82\x82",
            b"\xc3\x28",
            b"\xf0\x9d\x84\x9e\x9e",
        ] {
            assert_eq!(whole_characters(bytes), bytes, "{bytes:x?}");
        }
    }

    #[test]
    fn objects_are_taken_in_every_form() {
        let (a, b) = (r#"{"method":"A"}"#, r#"{"method":"B"}"#);
        let both = format!(".{a} .{b}");
        for file in [
            format!("{a}\n{b}"),
            format!("{a}{b}"),
            format!("\u{feff}{a},{b}\r\n"),
            format!("[{a},\n{b}]\n"),
            format!("[{a}]\n[{b}]"),
            format!("[]\n{a}\n[\n  {b}\n]"),
        ] {
            assert_eq!(all_at_once(&file), both, "{file}");
        }
        let pretty = "{\n \"method\": \"A\",\n \"ai_log\":\n {\n }\n}";
        assert_eq!(
            all_at_once(&format!("{pretty}\n{b}")),
            format!(".{pretty} .{b}")
        );
    }

    #[test]
    fn what_is_none_costs_itself_only() {
        let (a, b) = (r#"{"method":"A"}"#, r#"{"method":"B"}"#);
        for bad in [
            "{}",
            "7",
            r#"{"response_code":"x"}"#,
            r#"{"method":"a"b"}"#,
            "nonsense",
        ] {
            let expected = format!(".{a} !{bad} .{b}");
            assert_eq!(all_at_once(&format!("{a}\n{bad}\n{b}")), expected);
            assert_eq!(all_at_once(&format!("[{a},{bad},{b}]")), expected);
        }
        assert_eq!(
            all_at_once(&format!("[2026-01-01] x\n{b}")),
            format!("![2026-01-01] x .{b}")
        );
        assert_eq!(all_at_once(r#"{"method":"A"#), r#"!{"method":"A"#);
    }

    #[test]
    fn an_item_that_is_too_long_is_passed_over_with_its_line() {
        let Form::Json(repair) = Form::recognise(b"").unwrap().0 else {
            unreachable!()
        };
        let mut splitter = JsonItems::new(&repair);
        let cut = splitter.cut(br#"{"method":"A"#, false, true);
        assert!(matches!(cut.pieces[0].content, Content::Rejected(_)));
        assert_eq!((cut.pieces.len(), cut.consumed), (1, 12));
        let cut = splitter.cut(b"more\n{\"method\":\"B\"}", true, false);
        assert_eq!(cut.pieces[0].content, Content::More);
        assert_eq!(cut.pieces[1].content, Content::AsItIs);
    }

    const OBJECTS: [&str; 4] = [
        "{\"method\":\"A\"}",
        "{\"path\":\"é\\\"}{\"}",
        "{\n\"ai_log\":\n{\"a\":[1]}}",
        "{}",
    ];

    /// Objects and what is none, one behind the other.
    fn lines() -> impl Strategy<Value = String> {
        let others = [",", "\n", " ", "7\n", "x\n", "{\"a\":tru}\n", "\u{feff}"];
        let parts = [&OBJECTS[..], &others[..]].concat();
        prop::collection::vec(prop::sample::select(parts), 0..30).prop_map(|parts| parts.concat())
    }

    /// Arrays of objects and of values that are none; where a broken item of an array ends depends on
    /// how much is seen behind it.
    fn arrays() -> impl Strategy<Value = String> {
        let items = [&OBJECTS[..], &["7", "\"x\"", "null"]].concat();
        let array = prop::collection::vec(prop::sample::select(items), 0..8);
        let joint = prop::sample::select(vec![",", " ,\n"]);
        let array = (array, joint).prop_map(|(items, joint)| match items.first() {
            // Nothing else tells an array from another line.
            Some(first) if !first.starts_with('{') => String::new(),
            _ => format!("[{}]\n", items.join(joint)),
        });
        prop::collection::vec(array, 0..5).prop_map(|arrays| arrays.concat())
    }

    proptest! {
        #[test]
        fn a_window_changes_nothing(file in prop_oneof![lines(), arrays()], bytes in 1usize..40) {
            let file = file.as_bytes();
            prop_assert_eq!(items(file, bytes), items(file, file.len().max(1)));
        }
    }
}
