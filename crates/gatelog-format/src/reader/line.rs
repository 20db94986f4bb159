//! Lines of text: literals with values between them.

use std::borrow::Cow;

use memchr::memmem::{Finder, FinderRev};

use super::fill::{Filling, Freedom, Source};
use super::shorten;
use crate::error::{FormatError, Problem, ReadError, ReadProblem};
use crate::template::{Line, Part};

/// Reads lines of one text format.
#[derive(Clone, Debug)]
pub(super) struct LineReader {
    /// In front of the first value.
    head: String,
    holes: Vec<Hole>,
    /// The hole that may hold anything: those before it are found from the left.
    freest: usize,
}

/// A value, and what stands behind it: nothing only behind the last one.
#[derive(Clone, Debug)]
struct Hole {
    source: Source,
    literal: String,
    forward: Finder<'static>,
    backward: FinderRev<'static>,
}

/// No time is printed with more bytes than this. It may have the literal in itself that ends it, as a
/// blank.
const MAX_TIME_BYTES: usize = 256;

/// Where a value begins and ends in the line.
type Span = (usize, usize);

impl LineReader {
    pub(super) fn new(line: &Line) -> Result<Self, FormatError> {
        let mut head = String::new();
        let mut pieces: Vec<(Source, String)> = Vec::new();
        let mut touches = false;
        for part in &line.parts {
            match part {
                Part::Literal(text) => {
                    match pieces.last_mut() {
                        Some((_, literal)) => literal.clone_from(text),
                        None => head.clone_from(text),
                    }
                    touches = false;
                }
                Part::Command(command) if touches => {
                    let problem = Problem::Touching {
                        operator: command.operator.name,
                    };
                    return Err(FormatError::new(problem, command.position));
                }
                Part::Command(command) => {
                    pieces.push((Source::new(command), String::new()));
                    touches = true;
                }
            }
        }
        if let Some(last) = pieces
            .last_mut()
            .map_or(Some(&mut head), |(_, text)| Some(text))
        {
            last.truncate(last.trim_end_matches(['\r', '\n']).len());
        }
        let holes: Vec<Hole> = pieces
            .into_iter()
            .map(|(source, literal)| Hole {
                source,
                forward: Finder::new(&literal).into_owned(),
                backward: FinderRev::new(&literal).into_owned(),
                literal,
            })
            .collect();
        Ok(Self {
            freest: freest(&holes),
            head,
            holes,
        })
    }

    pub(super) fn fills(&self) -> bool {
        self.holes.iter().any(|hole| hole.source.fills())
    }

    /// Where the values are.
    pub(super) fn spans(&self, line: &[u8]) -> Result<Vec<Span>, ReadError> {
        if !line.starts_with(self.head.as_bytes()) {
            return Err(missing(&self.head, 0));
        }
        let mut spans = Vec::with_capacity(self.holes.len());
        let mut from = self.head.len();
        let (left, right) = self
            .holes
            .split_at_checked(self.freest)
            .unwrap_or((&self.holes, &[]));
        for hole in left {
            let end = hole.end_after(line, from)?;
            spans.push((from, end));
            from = end + hole.literal.len();
        }
        let mut end = line.len();
        let first_right = spans.len();
        for (hole, before) in right.iter().skip(1).zip(right).rev() {
            let value_end = hole.end_before(line, from, end)?;
            let start = hole.start_before(line, from, value_end, before)?;
            spans.push((start, value_end));
            end = start;
        }
        if let Some(freest) = right.first() {
            let value_end = freest.end_before(line, from, end)?;
            let value = line.get(from..value_end).unwrap_or_default();
            if !freest.is_possible(value) {
                return Err(freest.refuses(value, from));
            }
            spans.push((from, value_end));
        } else if from < line.len() {
            return Err(missing("the end of the line", from));
        }
        if let Some(right) = spans.get_mut(first_right..) {
            right.reverse();
        }
        Ok(spans)
    }

    /// The values that hold a backslash, unescaped, if all values are insides of JSON strings.
    pub(super) fn unescaped(text: &str, spans: &[Span]) -> Option<Vec<(usize, String)>> {
        let mut unescaped = Vec::new();
        for (at, &(from, end)) in spans.iter().enumerate() {
            let value = text.as_bytes().get(from..end)?;
            let Some(first) = memchr::memchr2(b'"', b'\\', value) else {
                continue;
            };
            if value.get(first) == Some(&b'"') {
                return None;
            }
            // With its quotes, which are the format's; it is no string if there are none.
            let string = text.get(from.checked_sub(1)?..end + 1)?;
            unescaped.push((at, serde_json::from_str(string).ok()?));
        }
        Some(unescaped)
    }

    /// Gives the values to their fields, as the gateway had them.
    pub(super) fn fill<'a>(
        &self,
        text: &'a str,
        spans: &[Span],
        filling: &mut Filling<'a>,
    ) -> Result<(), ReadError> {
        self.fill_with(spans, filling, |from, end| {
            text.get(from..end).map(Cow::Borrowed)
        })
    }

    /// The same, with some of the values unescaped: their places are in order.
    pub(super) fn fill_unescaped<'a>(
        &self,
        text: &'a str,
        spans: &[Span],
        unescaped: Vec<(usize, String)>,
        filling: &mut Filling<'a>,
    ) -> Result<(), ReadError> {
        if unescaped.is_empty() {
            return self.fill(text, spans, filling);
        }
        let mut unescaped = unescaped.into_iter().peekable();
        for (at, (hole, &(from, end))) in self.holes.iter().zip(spans).enumerate() {
            let raw = text.get(from..end).unwrap_or_default();
            let value = match unescaped.next_if(|(place, _)| *place == at) {
                Some((_, value)) => Cow::Owned(value),
                None => Cow::Borrowed(raw),
            };
            if !filling.take(&hole.source, value) {
                return Err(hole.refuses(raw.as_bytes(), from));
            }
        }
        Ok(())
    }

    /// The same of a text that does not live as long as the record.
    pub(super) fn fill_owned(
        &self,
        text: &str,
        spans: &[Span],
        filling: &mut Filling<'_>,
    ) -> Result<(), ReadError> {
        self.fill_with(spans, filling, |from, end| {
            text.get(from..end)
                .map(|value| Cow::Owned(value.to_owned()))
        })
    }

    fn fill_with<'a>(
        &self,
        spans: &[Span],
        filling: &mut Filling<'a>,
        value_at: impl Fn(usize, usize) -> Option<Cow<'a, str>>,
    ) -> Result<(), ReadError> {
        for (hole, &(from, end)) in self.holes.iter().zip(spans) {
            let value = value_at(from, end).unwrap_or_default();
            if !filling.take(&hole.source, value) {
                let value = value_at(from, end).unwrap_or_default();
                return Err(hole.refuses(value.as_bytes(), from));
            }
        }
        Ok(())
    }
}

/// The last of the freest holes that are no words, else the last hole.
fn freest(holes: &[Hole]) -> usize {
    holes
        .iter()
        .enumerate()
        .filter(|(_, hole)| hole.source.freedom > Freedom::Word)
        .max_by_key(|(at, hole)| (hole.source.freedom, *at))
        .map_or(holes.len().saturating_sub(1), |(at, _)| at)
}

impl Hole {
    fn is_possible(&self, value: &[u8]) -> bool {
        std::str::from_utf8(value).is_ok_and(|value| self.source.is_possible(value))
    }

    fn is_likely(&self, value: &[u8]) -> bool {
        std::str::from_utf8(value).is_ok_and(|value| self.source.is_likely(value))
    }

    fn refuses(&self, value: &[u8], at: usize) -> ReadError {
        let problem = ReadProblem::Value {
            operator: self.source.operator,
            found: shorten(&String::from_utf8_lossy(value)),
        };
        ReadError::new(problem, at)
    }

    /// Where the value that begins at `from` ends: at the first literal in front of which a likely
    /// value stands, else at the first in front of a possible one.
    fn end_after(&self, line: &[u8], from: usize) -> Result<usize, ReadError> {
        let rest = line.get(from..).unwrap_or_default();
        let (mut first, mut possible) = (None, None);
        for end in self.forward.find_iter(rest) {
            let value = rest.get(..end).unwrap_or_default();
            if self.is_likely(value) {
                return Ok(from + end);
            }
            first = first.or(Some(value));
            if possible.is_none() && self.is_possible(value) {
                possible = Some(from + end);
            }
            if self.is_decided(value, possible.is_some()) {
                break;
            }
        }
        possible.ok_or_else(|| match first {
            Some(value) => self.refuses(value, from),
            None => missing(&self.literal, from),
        })
    }

    /// Whether a longer value would be none either.
    fn is_decided(&self, value: &[u8], has_possible: bool) -> bool {
        match self.source.freedom {
            // A number does not become one by growing.
            Freedom::Number => true,
            Freedom::Time => value.len() > MAX_TIME_BYTES,
            Freedom::Word => has_possible,
            Freedom::Phrase | Freedom::Header | Freedom::UserAgent => false,
        }
    }

    /// Where the value ends whose literal ends at `end`.
    fn end_before(&self, line: &[u8], from: usize, end: usize) -> Result<usize, ReadError> {
        let text = line.get(from..end).unwrap_or_default();
        if text.ends_with(self.literal.as_bytes()) {
            Ok(end - self.literal.len())
        } else {
            Err(missing(&self.literal, end))
        }
    }

    /// Where the value begins that ends at `end`: behind the last literal of the hole before it that a
    /// likely value follows, else behind the last that a possible one follows.
    fn start_before(
        &self,
        line: &[u8],
        from: usize,
        end: usize,
        before: &Hole,
    ) -> Result<usize, ReadError> {
        let text = line.get(from..end).unwrap_or_default();
        let (mut first, mut possible) = (None, None);
        for at in before.backward.rfind_iter(text) {
            let start = at + before.literal.len();
            let value = text.get(start..).unwrap_or_default();
            if self.is_likely(value) {
                return Ok(from + start);
            }
            first = first.or(Some((value, start)));
            if possible.is_none() && self.is_possible(value) {
                possible = Some(from + start);
            }
            if self.is_decided(value, possible.is_some()) {
                break;
            }
        }
        possible.ok_or_else(|| match first {
            Some((value, start)) => self.refuses(value, from + start),
            None => missing(&before.literal, end),
        })
    }
}

fn missing(literal: &str, at: usize) -> ReadError {
    let expected = shorten(literal);
    ReadError::new(ReadProblem::LiteralMissing { expected }, at)
}
