//! Server-sent events, taken apart as they come.
//!
//! **Limits.** Nothing is kept but the first bytes of a field's name: data is handed on in the pieces
//! that it came in.
//!
//! **Source.** The HTML standard, "Parsing an event stream". Fields other than `data` hold no usage.

use memchr::memchr2;

/// What an event is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Some of its data; the line's end is a line feed of its own.
    Data(&'a [u8]),
    /// It has ended.
    End,
}

/// Where in a stream of events we are.
#[derive(Clone, Debug)]
pub struct EventLines {
    place: Place,
    /// The name of the field, as far as it is needed to know it.
    name: [u8; 5],
    length: usize,
    /// Whether a line feed that comes now belongs to the line's end before it.
    after_return: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Name,
    /// Behind `data:`, before the space that does not count.
    Space,
    Data,
    /// In a field or comment that holds no data.
    Other,
}

const DATA: &[u8] = b"data";

impl Default for EventLines {
    fn default() -> Self {
        Self::new()
    }
}

impl EventLines {
    /// Before the first event.
    pub fn new() -> Self {
        Self {
            place: Place::Name,
            name: [0; 5],
            length: 0,
            after_return: false,
        }
    }

    /// The next piece of the stream; `part` is called with what is found in it, in order.
    pub fn feed(&mut self, piece: &[u8], part: &mut dyn FnMut(Part<'_>)) {
        let mut rest = piece;
        while let Some((&byte, behind)) = rest.split_first() {
            let is_feed_of_return = self.after_return && byte == b'\n';
            self.after_return = false;
            if is_feed_of_return {
                rest = behind;
                continue;
            }
            rest = match (self.place, byte) {
                (_, b'\r' | b'\n') => {
                    self.end_line(byte, part);
                    behind
                }
                (Place::Name, _) => {
                    self.name_byte(byte);
                    behind
                }
                (Place::Space, _) => {
                    self.place = Place::Data;
                    if byte == b' ' { behind } else { rest }
                }
                (Place::Data | Place::Other, _) => {
                    let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    let (line, behind) = rest.split_at(end);
                    if self.place == Place::Data {
                        part(Part::Data(line));
                    }
                    behind
                }
            };
        }
    }

    fn name_byte(&mut self, byte: u8) {
        if byte == b':' {
            let is_data = self.name.get(..self.length) == Some(DATA);
            self.place = if is_data { Place::Space } else { Place::Other };
        } else if let Some(place) = self.name.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        } else {
            self.place = Place::Other;
        }
    }

    fn end_line(&mut self, byte: u8, part: &mut dyn FnMut(Part<'_>)) {
        match self.place {
            Place::Data | Place::Space => part(Part::Data(b"\n")),
            Place::Name if self.length == 0 => part(Part::End),
            Place::Name | Place::Other => {}
        }
        self.place = Place::Name;
        self.length = 0;
        self.after_return = byte == b'\r';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = EventLines::new();
        let mut events = vec![String::new()];
        for piece in pieces {
            lines.feed(piece, &mut |part| match part {
                Part::Data(data) => {
                    let last = events.last_mut().unwrap();
                    last.push_str(std::str::from_utf8(data).unwrap());
                }
                Part::End => events.push(String::new()),
            });
        }
        events
    }

    #[test]
    fn data_of_events_is_found_whatever_ends_their_lines() {
        let text = ":comment\nevent: x\ndata: a\ndata:b\ndata:  c\nid:1\n\ndatax: no\ndat: no\ndata\ndata:\n\ndata: tail";
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end);
            let expected = ["a\nb\n c\n", "\n", "tail"];
            assert_eq!(events(&[text.as_bytes()]), expected, "{end:?}");
            let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
            assert_eq!(events(&bytes), expected, "{end:?}");
        }
    }
}
