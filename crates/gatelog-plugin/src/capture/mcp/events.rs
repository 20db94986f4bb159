//! The data of server-sent events, as it passes.
//!
//! **Source.** HTML, server-sent events, §9.2.6: lines end with CR, LF or both; an empty line ends an
//! event; `data:` lines of one event belong together, with a line break between.

const DATA: &[u8] = b"data:";

/// Finds the data of events, which may be cut anywhere.
#[derive(Default)]
pub(super) struct Events {
    line: Line,
    /// Bytes of the line's beginning that are those of `data:`.
    matched: usize,
    /// The last byte was CR: an LF now belongs to it.
    after_cr: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Line {
    /// Its first bytes.
    #[default]
    Begin,
    /// Behind `data:`.
    Data,
    /// Another field, or a comment.
    Other,
}

/// What [`Events::feed`] finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// The next bytes of the event's data.
    Data(&'a [u8]),
    /// The event has ended.
    End,
}

impl Events {
    /// The next piece of the stream.
    pub(super) fn feed(&mut self, mut piece: &[u8], found: &mut dyn FnMut(Event<'_>)) {
        while let Some(&byte) = piece.first() {
            let mut taken = 1;
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                // The second half of a line's end.
            } else if is_line_end(byte) {
                self.end_line(byte, found);
            } else if self.line == Line::Begin {
                self.begin(byte);
            } else {
                let end = piece.iter().position(|byte| is_line_end(*byte));
                let (line, _) = piece.split_at(end.unwrap_or(piece.len()));
                if self.line == Line::Data {
                    found(Event::Data(line));
                }
                taken = line.len();
            }
            piece = piece.get(taken..).unwrap_or_default();
        }
    }

    fn begin(&mut self, byte: u8) {
        if DATA.get(self.matched) != Some(&byte) {
            self.line = Line::Other;
        } else if self.matched + 1 == DATA.len() {
            self.line = Line::Data;
        } else {
            self.matched += 1;
        }
    }

    fn end_line(&mut self, byte: u8, found: &mut dyn FnMut(Event<'_>)) {
        match self.line {
            Line::Begin if self.matched == 0 => found(Event::End),
            Line::Data => found(Event::Data(b"\n")),
            Line::Begin | Line::Other => {}
        }
        *self = Self {
            after_cr: byte == b'\r',
            ..Self::default()
        };
    }
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The data of each event that has some, without the blanks around it.
    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let (mut all, mut data) = (Vec::new(), String::new());
        for piece in pieces {
            events.feed(piece, &mut |event| match event {
                Event::Data(bytes) => data.push_str(std::str::from_utf8(bytes).unwrap()),
                Event::End => all.push(std::mem::take(&mut data).trim().to_owned()),
            });
        }
        all.retain(|data| !data.is_empty());
        all
    }

    const STREAM: &str = ": hello\nevent: m\ndata: {\"a\"\ndata:: 1}\n\ndate: 1\ndat\ndata\n\ndata: 2\n\n\ndata: not ended";

    #[test]
    fn data_is_found_whatever_ends_the_lines() {
        for end in ["\n", "\r", "\r\n"] {
            let stream = STREAM.replace('\n', end);
            let expected = ["{\"a\"\n: 1}", "2"];
            assert_eq!(read(&[stream.as_bytes()]), expected, "{end:?}");
        }
    }

    proptest! {
        #[test]
        fn where_the_stream_is_cut_does_not_matter(cut in 0..110_usize, crlf in any::<bool>()) {
            let stream = if crlf { STREAM.replace('\n', "\r\n") } else { STREAM.to_owned() };
            let bytes = stream.as_bytes();
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(read(&[head, tail]), read(&[bytes]));
        }
    }
}
