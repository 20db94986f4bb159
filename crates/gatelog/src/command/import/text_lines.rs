//! The lines of a text format.

use gatelog_format::Reader;
use gatelog_record::{Flaws, json};

use super::piece::{Content, Cut};
use crate::decode::MAX_ITEM_BYTES;

/// Takes lines and reads them with a template.
pub(super) struct TextLines<'f> {
    reader: &'f Reader,
    /// Within a line that is too long.
    skipping: bool,
}

impl<'f> TextLines<'f> {
    pub(super) fn new(reader: &'f Reader) -> Self {
        Self {
            reader,
            skipping: false,
        }
    }

    /// See [`Splitter::cut`](super::splitter::Splitter::cut).
    pub(super) fn cut(&mut self, window: &[u8], at_end: bool, full: bool) -> Cut {
        let mut cut = Cut::default();
        loop {
            let rest = window.get(cut.consumed..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'\n');
            let too_long = end.is_none() && !at_end;
            if rest.is_empty() || too_long && !(full && cut.consumed == 0) {
                return cut;
            }
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let at = cut.consumed..cut.consumed + line.len();
            cut.consumed = at.end + usize::from(end.is_some());
            let more = std::mem::replace(&mut self.skipping, too_long);
            if more {
                cut.push(at, Content::More);
            } else if too_long || line.len() > MAX_ITEM_BYTES {
                let reason = format!("the line has more than {MAX_ITEM_BYTES} bytes");
                cut.push(at, Content::Rejected(reason));
            } else if !line.trim_ascii().is_empty() {
                cut.push(at, read(self.reader, line));
            }
        }
    }
}

/// A line as a record in the wire form, or why it is none.
pub(super) fn read(reader: &Reader, line: &[u8]) -> Content {
    match reader.read(line) {
        Ok((mut record, flaws)) => {
            if flaws != Flaws::NONE {
                record.flaws = flaws.to_field();
            }
            let mut text = String::new();
            json::write(&record, &mut text);
            // What the server would call no record is none here, too.
            match json::read(&text) {
                Ok(_) => Content::Wire(text),
                Err(error) => Content::Rejected(error.to_string()),
            }
        }
        Err(error) => Content::Rejected(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use gatelog_format::Template;

    use super::*;

    fn reader() -> Reader {
        let template = Template::text("%REQ(:METHOD)% %REQ(:PATH)%").unwrap();
        template.reader().unwrap()
    }

    fn kinds(cut: &Cut, window: &str) -> String {
        let kind = |content: &Content| match content {
            Content::AsItIs => '?',
            Content::Wire(_) => '.',
            Content::Rejected(_) => '!',
            Content::More => '+',
        };
        let pieces = cut.pieces.iter();
        let pieces = pieces.map(|piece| {
            format!(
                "{}{}",
                kind(&piece.content),
                window.get(piece.at.clone()).unwrap()
            )
        });
        pieces.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn a_line_is_read_when_its_end_was_seen() {
        let reader = reader();
        let mut lines = TextLines::new(&reader);
        let window = "GET /a\r\n \nbad\nGET /b";
        let cut = lines.cut(window.as_bytes(), false, false);
        assert_eq!(
            (kinds(&cut, window).as_str(), cut.consumed),
            (".GET /a\r|!bad", 14)
        );
        let cut = lines.cut(b"GET /b", false, false);
        assert_eq!((cut.pieces.len(), cut.consumed), (0, 0));
        let cut = lines.cut(b"GET /b", true, false);
        assert_eq!(
            (kinds(&cut, "GET /b").as_str(), cut.consumed),
            (".GET /b", 6)
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_rejected_once_and_whole() {
        let reader = reader();
        let mut lines = TextLines::new(&reader);
        for (window, at_end, full, expected) in [
            ("GET /aaa", false, true, "!GET /aaa"),
            ("bbb", false, true, "+bbb"),
            ("c\nGET /d\n", false, false, "+c|.GET /d"),
            ("GET /e", false, true, "!GET /e"),
            ("f", true, false, "+f"),
        ] {
            let cut = lines.cut(window.as_bytes(), at_end, full);
            assert_eq!(kinds(&cut, window), expected);
            assert_eq!(cut.consumed, window.len());
        }
    }
}
