//! Secrets in JSON, found by their paths.
//!
//! **Shape.** One walk over the text, with a stack and without a tree: where the walk stands is known
//! at each byte, so also in a document that a limit has cut. Several documents may follow each other
//! (NDJSON).
//!
//! **Invariants.** What is no secret stays as it was written. JSON stays JSON. Of a secret nothing is
//! left: one that is cut is masked to the end, and from the first byte on that is no JSON everything
//! is, as nobody knows what it means. What stands before that may have been meant otherwise too (a
//! bracket may be missing), so in a document without an end the last keys of the paths count
//! wherever they stand, and if a path has no key, all of it is masked; in one that is broken, all is
//! masked from the first secret on.
//!
//! **Source.** RFC 8259; characters that it does not allow in strings are let be.

use std::borrow::Cow;
use std::ops::Range;

use gatelog_record::json::{unescaped, write_text};

use crate::edits::Edits;
use crate::json_path::{Down, JsonPath, Places};
use crate::replacement::MASK;
use crate::rules::Rules;

/// Deeper than this nobody looks: the rest is masked.
const MAX_DEPTH: usize = 128;

/// The text without what the paths lead to; `None` when that is nothing.
pub(crate) fn redact(text: &str, rules: &Rules) -> Option<String> {
    let mut walk = Walk::of(text, rules);
    let stop = walk.documents();
    if matches!(stop, Err(Stop::End)) && walk.levels.is_empty() {
        return walk.edits.finish();
    }
    anywhere(text, rules, matches!(stop, Err(Stop::Broken)))
}

/// As [`redact`], of a text that is not a document by itself: the last keys of the paths count wherever
/// they stand.
pub(crate) fn redact_part(text: &str, rules: &Rules) -> Option<String> {
    let stop = Walk::of(text, rules).documents();
    anywhere(text, rules, matches!(stop, Err(Stop::Broken)))
}

/// As [`redact`], and the value of each key that is the name of a header or a parameter of ours. Of a
/// text that is no whole document nothing is left.
pub(crate) fn redact_named(text: &str, rules: &Rules) -> Option<String> {
    let mut walk = Walk::of(text, rules);
    walk.named = true;
    let stop = walk.documents();
    if matches!(stop, Err(Stop::End)) && walk.levels.is_empty() {
        walk.edits.finish()
    } else {
        Some("{}".to_owned())
    }
}

fn anywhere(text: &str, rules: &Rules, broken: bool) -> Option<String> {
    if rules.nameless {
        return Some(MASK.to_owned());
    }
    let mut walk = Walk::of(text, rules);
    walk.anywhere = true;
    walk.broken = broken;
    if let Err(Stop::Broken) = walk.documents() {
        walk.edits.replace(walk.at..text.len(), MASK);
    }
    walk.edits.finish()
}

/// Why the walk goes no further.
enum Stop {
    /// The text ends here; what is secret of it is redacted.
    End,
    /// Here stands what is no JSON.
    Broken,
}

/// An object or array that is open.
struct Level {
    is_object: bool,
    /// Values that were met and are left.
    count: usize,
    /// The comma before the next value.
    comma: Option<usize>,
}

struct Walk<'t, 'r> {
    text: &'t str,
    at: usize,
    rules: &'r Rules,
    edits: Edits<'t>,
    /// For each level that is open, the places of each path.
    places: Vec<Places>,
    levels: Vec<Level>,
    /// The last keys of the paths count wherever they stand.
    anywhere: bool,
    /// So do the names of headers and parameters.
    named: bool,
    /// Where a secret ends cannot be told.
    broken: bool,
}

impl<'t, 'r> Walk<'t, 'r> {
    fn of(text: &'t str, rules: &'r Rules) -> Self {
        Self {
            text,
            at: 0,
            rules,
            edits: Edits::of(text),
            places: Vec::new(),
            levels: Vec::new(),
            anywhere: false,
            named: false,
            broken: false,
        }
    }

    fn documents(&mut self) -> Result<(), Stop> {
        loop {
            self.next()?;
            self.places.clear();
            let roots = self.rules.paths.iter().map(|_| JsonPath::ROOT);
            self.places.extend(roots);
            self.value()?;
            while !self.levels.is_empty() {
                self.member()?;
            }
        }
    }

    /// Goes on in the innermost object or array: passes a comma, a value or the end.
    fn member(&mut self) -> Result<(), Stop> {
        let begin_byte = self.next()?;
        let Some(level) = self.levels.last_mut() else {
            return Ok(());
        };
        let close = if level.is_object { b'}' } else { b']' };
        if begin_byte == close && level.comma.is_none() {
            self.at += 1;
            self.levels.pop();
            let above = self.places.len().saturating_sub(self.rules.paths.len());
            self.places.truncate(above);
            return Ok(());
        }
        if level.count > 0 && level.comma.is_none() {
            if begin_byte != b',' {
                return Err(Stop::Broken);
            }
            level.comma = Some(self.at);
            self.at += 1;
            return Ok(());
        }
        let (begin, index) = (self.at, level.count);
        if level.is_object {
            let key = self.key()?;
            self.child(Down::Key(&key), begin)
        } else {
            self.child(Down::Index(index), begin)
        }
    }

    /// The key here; what follows is its value.
    fn key(&mut self) -> Result<Cow<'t, str>, Stop> {
        let begin = self.at;
        if self.peek() != Some(b'"') {
            return Err(Stop::Broken);
        }
        self.string()?;
        let quoted = self.text.get(begin..self.at).unwrap_or_default();
        if self.next()? != b':' {
            return Err(Stop::Broken);
        }
        self.at += 1;
        self.next()?;
        Ok(unquoted(quoted))
    }

    /// Passes the value here, which is reached so; its member or element begins at `begin`.
    fn child(&mut self, down: Down<'_>, begin: usize) -> Result<(), Stop> {
        let paths = &self.rules.paths;
        let above = self.places.len().saturating_sub(paths.len());
        let mut is_secret = match down {
            Down::Key(key) => {
                let key = key.as_bytes();
                (self.anywhere && self.rules.is_leaf(key))
                    || (self.named && self.rules.is_name(key))
            }
            Down::Index(_) => false,
        };
        for (nth, path) in paths.iter().enumerate() {
            let places = self.places.get(above + nth).copied().unwrap_or_default();
            let places = path.down(places, down);
            is_secret |= path.is_end(places);
            self.places.push(places);
        }
        let value = self.at;
        if !is_secret && matches!(self.peek(), Some(b'{' | b'[')) {
            self.met();
            return self.value();
        }
        self.places.truncate(above + paths.len());
        if !is_secret {
            self.met();
            return self.value();
        }
        let whole = self.pass().is_ok() && !self.broken;
        if !whole {
            self.at = self.text.len();
        }
        let end = self.at;
        match (self.replacement(value..end, whole), down) {
            (Some(by), _) => {
                self.edits.replace(value..end, &by);
                self.met();
            }
            (None, Down::Key(_)) => self.leave_out(begin, end),
            (None, Down::Index(_)) => {
                self.edits.replace(value..end, "null");
                self.met();
            }
        }
        // What is not whole is redacted to the end of the text.
        if whole { Ok(()) } else { Err(Stop::End) }
    }

    /// Counts a value of the innermost object or array.
    fn met(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.count += 1;
            level.comma = None;
        }
    }

    /// Leaves a member out, with the comma before it or, of the first, behind it.
    fn leave_out(&mut self, begin: usize, end: usize) {
        let before = self.levels.last_mut().and_then(|level| level.comma.take());
        if let Some(comma) = before {
            self.edits.replace(comma..end, "");
            return;
        }
        let is_followed = matches!(self.next(), Ok(b','));
        self.at += usize::from(is_followed);
        let end = if is_followed { self.at } else { end };
        self.edits.replace(begin..end, "");
    }

    /// What stands for a value; `None` when it is to be left out.
    fn replacement(&self, value: Range<usize>, whole: bool) -> Option<String> {
        let text = self.text.get(value).unwrap_or_default();
        let by = if !whole {
            self.rules.how.of(b"half a value").map(|_| MASK.into())
        } else if text == "null" {
            return self.rules.how.of(b"").map(|_| text.to_owned());
        } else if text.starts_with('"') {
            self.rules.how.of(unquoted(text).as_bytes())
        } else {
            self.rules.how.of(text.as_bytes())
        };
        let mut quoted = String::new();
        write_text(&by?, &mut quoted);
        Some(quoted)
    }

    /// Passes a scalar, or the beginning of an object or array.
    fn value(&mut self) -> Result<(), Stop> {
        match self.next()? {
            open @ (b'{' | b'[') => {
                if self.levels.len() == MAX_DEPTH {
                    return Err(Stop::Broken);
                }
                self.at += 1;
                self.levels.push(Level {
                    is_object: open == b'{',
                    count: 0,
                    comma: None,
                });
                Ok(())
            }
            _ => self.scalar(),
        }
    }

    /// Passes a value whatever is in it, as far as its end can be told.
    fn pass(&mut self) -> Result<(), Stop> {
        let mut closes = Vec::new();
        loop {
            match self.next()? {
                b'{' => closes.push(b'}'),
                b'[' => closes.push(b']'),
                close @ (b'}' | b']') => {
                    if closes.pop() != Some(close) {
                        return Err(Stop::Broken);
                    }
                }
                b',' | b':' if !closes.is_empty() => {}
                _ => {
                    self.scalar()?;
                    if closes.is_empty() {
                        return Ok(());
                    }
                    continue;
                }
            }
            self.at += 1;
            if closes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Passes a string, a number or a word.
    fn scalar(&mut self) -> Result<(), Stop> {
        match self.next()? {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => {
                while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.peek() {
                    self.at += 1;
                }
                Ok(())
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(Stop::Broken),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Stop> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(())
        } else if word.starts_with(rest) {
            Err(Stop::End)
        } else {
            Err(Stop::Broken)
        }
    }

    /// Passes a string.
    fn string(&mut self) -> Result<(), Stop> {
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let found = memchr::memchr2(b'"', b'\\', rest).ok_or(Stop::End)?;
            let quote = rest.get(found) == Some(&b'"');
            self.at += found + if quote { 1 } else { 2 };
            if quote {
                return Ok(());
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Result<u8, Stop> {
        while let Some(byte) = self.peek() {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(Stop::End)
    }
}

/// A string without its quotes and escapes; as it is written, if it has no other form.
fn unquoted(quoted: &str) -> Cow<'_, str> {
    if quoted.contains('\\')
        && let Some(text) = unescaped(quoted)
    {
        return Cow::Owned(text);
    }
    let inner = quoted.strip_prefix('"').unwrap_or(quoted);
    Cow::Borrowed(inner.strip_suffix('"').unwrap_or(inner))
}
