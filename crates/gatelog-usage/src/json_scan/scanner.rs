//! The walk over a document.

use memchr::memchr2;

use super::paths::{Paths, ROOT};
use super::text::unescaped;
use super::value::Value;

/// Bytes of one string that are kept, before its escapes are read.
pub const TEXT_BYTES: usize = 256;

/// Called with the index of a path and what stands there.
type Found<'a> = &'a mut dyn FnMut(usize, Value<'_>);

/// Finds the values at some places of a text that comes in pieces.
#[derive(Clone, Debug)]
pub struct Scanner<'p> {
    paths: &'p Paths,
    state: State,
    /// The objects and arrays around this byte that lead to a place or are one.
    frames: Vec<Frame>,
    /// The place of the value that comes or is being read.
    target: Option<u16>,
    /// How deep this byte is in a value that nobody asked for.
    depth: u64,
    /// Whether the byte before, in a string, was a backslash that counts.
    escaped: bool,
    /// The key, string or number that is being read, as far as it was in earlier pieces.
    text: Vec<u8>,
    cut: bool,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    node: u16,
    is_array: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a value, or the end of an array.
    Value,
    /// Before a key, or the end of an object.
    Key,
    KeyText,
    Colon,
    /// Behind a value.
    After,
    Text,
    Scalar,
    /// In an object or array that nobody asked for.
    Skip,
    SkipText,
    SkipScalar,
    Broken,
}

impl<'p> Scanner<'p> {
    /// A scanner before its first document.
    pub fn new(paths: &'p Paths) -> Self {
        Self::with_limit(paths, TEXT_BYTES)
    }

    /// The same, which keeps this many bytes of a string; keys of `paths` that are longer are not found.
    pub fn with_limit(paths: &'p Paths, limit: usize) -> Self {
        Self {
            paths,
            state: State::Value,
            frames: Vec::new(),
            target: Some(ROOT),
            depth: 0,
            escaped: false,
            text: Vec::new(),
            cut: false,
            limit,
        }
    }

    /// Goes on before a new document, wherever the last one ended.
    pub fn reset(&mut self) {
        self.state = State::Value;
        self.frames.clear();
        self.target = Some(ROOT);
        self.depth = 0;
        self.escaped = false;
        self.text.clear();
        self.cut = false;
    }

    /// Looks for other places from here on. To be called between documents, after [`Scanner::reset`].
    pub fn look_for(&mut self, paths: &'p Paths) {
        self.reset();
        self.paths = paths;
    }

    /// Whether something that is no JSON was met; nothing more is found until [`Scanner::reset`].
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Whether it is before a document: none was begun, or the last one has ended.
    pub(crate) fn is_between(&self) -> bool {
        self.state == State::Value && self.frames.is_empty()
    }

    /// Whether a string that nobody asked for was begun, and its next byte counts as it is.
    pub(crate) fn is_in_unwanted_text(&self) -> bool {
        self.state == State::SkipText && !self.escaped
    }

    /// The next piece of the text. `found` is called with the index of a path and what stands there.
    pub fn feed(&mut self, piece: &[u8], found: &mut dyn FnMut(usize, Value<'_>)) {
        let mut rest = piece;
        while !rest.is_empty() {
            let used = match self.state {
                State::Value => self.value(rest, found),
                State::Key => self.key(rest, found),
                State::KeyText => self.key_text(rest),
                State::Colon => self.colon(rest),
                State::After => self.after(rest, found),
                State::Text => self.text(rest, found),
                State::Scalar => self.scalar(rest, found),
                State::Skip => self.skip(rest),
                State::SkipText => self.skip_text(rest),
                State::SkipScalar => self.skip_scalar(rest),
                State::Broken => return,
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    fn value(&mut self, rest: &[u8], found: Found<'_>) -> usize {
        let Some((white, byte)) = first(rest) else {
            return rest.len();
        };
        self.state = match (byte, self.target) {
            (b']', _) if self.frames.last().is_some_and(|frame| frame.is_array) => {
                self.close(found);
                return white + 1;
            }
            (b'{' | b'[', Some(node)) => {
                let is_array = byte == b'[';
                let value = if is_array {
                    Value::Array
                } else {
                    Value::Object
                };
                self.tell(value, found);
                self.frames.push(Frame { node, is_array });
                self.enter(is_array)
            }
            (b'{' | b'[', None) => {
                self.depth = 1;
                State::Skip
            }
            (b'"', target) if target.is_some_and(|node| self.paths.path(node).is_some()) => {
                State::Text
            }
            (b'"', _) => State::SkipText,
            (b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z', Some(_)) => {
                self.state = State::Scalar;
                return white;
            }
            (b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z', None) => State::SkipScalar,
            // A mark of the encoding before a document.
            (0xef | 0xbb | 0xbf, _) if self.frames.is_empty() => State::Value,
            _ => State::Broken,
        };
        white + 1
    }

    fn key(&mut self, rest: &[u8], found: Found<'_>) -> usize {
        let Some((white, byte)) = first(rest) else {
            return rest.len();
        };
        match byte {
            b'"' => self.state = State::KeyText,
            b'}' => self.close(found),
            _ => self.state = State::Broken,
        }
        white + 1
    }

    fn key_text(&mut self, rest: &[u8]) -> usize {
        let (used, ended) = self.string(rest);
        let piece = rest.get(..used - usize::from(ended)).unwrap_or_default();
        if !ended {
            self.keep(piece);
            return used;
        }
        let node = self.frames.last().map_or(ROOT, |frame| frame.node);
        // Nearly always the key is in one piece and has no escapes.
        self.target = if self.text.is_empty() && !self.cut {
            self.child(node, piece)
        } else {
            self.keep(piece);
            let text = std::mem::take(&mut self.text);
            let child = (!self.cut).then(|| self.child(node, &text)).flatten();
            self.give_back(text);
            child
        };
        self.state = State::Colon;
        used
    }

    fn child(&self, node: u16, raw: &[u8]) -> Option<u16> {
        if memchr::memchr(b'\\', raw).is_none() {
            return self.paths.child(node, raw);
        }
        let key = raw.get(..raw.len().min(self.limit)).unwrap_or_default();
        self.paths.child(node, unescaped(key, false).as_bytes())
    }

    fn colon(&mut self, rest: &[u8]) -> usize {
        let Some((white, byte)) = first(rest) else {
            return rest.len();
        };
        self.state = if byte == b':' {
            State::Value
        } else {
            State::Broken
        };
        white + 1
    }

    fn after(&mut self, rest: &[u8], found: Found<'_>) -> usize {
        let Some((white, byte)) = first(rest) else {
            return rest.len();
        };
        match (byte, self.frames.last().copied()) {
            (b',', Some(frame)) => self.state = self.enter(frame.is_array),
            (b'}', Some(Frame { is_array, .. })) if !is_array => self.close(found),
            (b']', Some(Frame { is_array, .. })) if is_array => self.close(found),
            _ => self.state = State::Broken,
        }
        white + 1
    }

    fn text(&mut self, rest: &[u8], found: Found<'_>) -> usize {
        let (used, ended) = self.string(rest);
        let piece = rest.get(..used - usize::from(ended)).unwrap_or_default();
        self.keep(piece);
        if ended {
            let raw = std::mem::take(&mut self.text);
            let text = unescaped(&raw, self.cut);
            let cut = self.cut;
            self.tell(Value::Text { text: &text, cut }, found);
            drop(text);
            self.give_back(raw);
            self.end_value();
        }
        used
    }

    fn scalar(&mut self, rest: &[u8], found: Found<'_>) -> usize {
        let used = scalar_length(rest);
        self.keep(rest.get(..used).unwrap_or_default());
        if used == rest.len() {
            return used;
        }
        let raw = std::mem::take(&mut self.text);
        match raw.as_slice() {
            _ if self.cut => {}
            b"true" => self.tell(Value::Bool(true), found),
            b"false" => self.tell(Value::Bool(false), found),
            b"null" => self.tell(Value::Null, found),
            [b'-' | b'0'..=b'9', ..] => {
                if let Ok(number) = std::str::from_utf8(&raw) {
                    self.tell(Value::Number(number), found);
                }
            }
            _ => {}
        }
        self.give_back(raw);
        self.end_value();
        used
    }

    fn skip(&mut self, rest: &[u8]) -> usize {
        let mut at = 0;
        while let Some(byte) = rest.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    let (used, ended) = self.string(rest.get(at..).unwrap_or_default());
                    at += used;
                    if !ended {
                        self.state = State::SkipText;
                        break;
                    }
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.end_value();
                        break;
                    }
                }
                _ => {}
            }
        }
        at
    }

    fn skip_text(&mut self, rest: &[u8]) -> usize {
        let (used, ended) = self.string(rest);
        if ended && self.depth > 0 {
            self.state = State::Skip;
        } else if ended {
            self.end_value();
        }
        used
    }

    fn skip_scalar(&mut self, rest: &[u8]) -> usize {
        let used = scalar_length(rest);
        if used < rest.len() {
            self.end_value();
        }
        used
    }

    /// How many bytes belong to the string, with its quote if it ends here.
    fn string(&mut self, rest: &[u8]) -> (usize, bool) {
        let mut at = usize::from(self.escaped).min(rest.len());
        self.escaped &= rest.is_empty();
        while let Some(next) = quote_or_backslash(rest.get(at..).unwrap_or_default()) {
            at += next + 1;
            if rest.get(at - 1) == Some(&b'"') {
                return (at, true);
            }
            if at == rest.len() {
                self.escaped = true;
                break;
            }
            at += 1;
        }
        (rest.len(), false)
    }

    /// What comes first in an object or array.
    fn enter(&mut self, is_array: bool) -> State {
        if is_array {
            let frame = self.frames.last();
            self.target = frame.and_then(|frame| self.paths.element(frame.node));
            State::Value
        } else {
            State::Key
        }
    }

    /// Behind the last byte of an object or array that was asked for or walked through.
    fn close(&mut self, found: Found<'_>) {
        self.target = self.frames.pop().map(|frame| frame.node);
        self.tell(Value::End, found);
        self.end_value();
    }

    fn end_value(&mut self) {
        if self.frames.is_empty() {
            self.target = Some(ROOT);
            self.state = State::Value;
        } else {
            self.state = State::After;
        }
    }

    fn tell(&self, value: Value<'_>, found: Found<'_>) {
        if let Some(path) = self.target.and_then(|node| self.paths.path(node)) {
            found(path, value);
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = self.limit.saturating_sub(self.text.len());
        self.cut |= piece.len() > room;
        self.text
            .extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    /// The memory of a text that was told.
    fn give_back(&mut self, mut text: Vec<u8>) {
        text.clear();
        self.text = text;
        self.cut = false;
    }
}

/// The first byte that is no white space, and how many are before it. What separates documents of
/// RFC 7464 counts as white space.
fn first(rest: &[u8]) -> Option<(usize, u8)> {
    let at = rest.iter().position(|byte| *byte > b' ')?;
    Some((at, *rest.get(at)?))
}

fn scalar_length(rest: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | ..=b' ');
    rest.iter().position(ends).unwrap_or(rest.len())
}

/// Where the quote is that ends the string, of which this is the rest.
pub(crate) fn text_end(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += quote_or_backslash(rest.get(at..)?)?;
        if rest.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// Most strings are short: the search that is quick on long ones begins behind the first bytes.
fn quote_or_backslash(rest: &[u8]) -> Option<usize> {
    const SHORT: usize = 12;
    let (begin, far) = rest.split_at(rest.len().min(SHORT));
    let near = begin.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    near.or_else(|| memchr2(b'"', b'\\', far).map(|at| at + begin.len()))
}
