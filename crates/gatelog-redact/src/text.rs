//! Secrets in any text: a line that could not be read, what an error quotes.
//!
//! **Shape.** A word is remembered until something comes between it and a `=` or `:`. Where that
//! word is one of the names, what follows is a value: in quotes, in brackets, or plain. Then a `,` is
//! such a sign too behind the name of a header in quotes, as in `["cookie", "…"]`, and a blank
//! behind `Bearer` and `Basic`. At last URLs.
//!
//! **Invariants.** More is redacted rather than less: a value whose end cannot be told goes to the end
//! of its line or of the text.
//!
//! **Limits.** Best effort: a secret without a name, or under one that no rule has, is not known as
//! one.

use crate::edits::Edits;
use crate::replacement::MASK;
use crate::rules::Rules;
use crate::unit::{Unit, decoded, unit};
use crate::url::{self, Form};

/// Words before a secret of HTTP authentication (RFC 9110 §11).
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// The text without its secrets; `None` when none was found.
pub(crate) fn redact(text: &str, rules: &Rules) -> Option<String> {
    let mut scan = Scan {
        text,
        bytes: text.as_bytes(),
        rules,
        edits: Edits::of(text),
        word: None,
    };
    scan.run();
    if rules.nameless
        && let Some(begin) = text.find(['{', '['])
    {
        // Any value of JSON may be a secret.
        scan.edits.replace(begin..text.len(), MASK);
    }
    let found = scan.edits.finish();
    let text = found.as_deref().unwrap_or(text);
    url::redact(text, rules, Form::Prose).or(found)
}

#[derive(Clone, Copy)]
struct Word {
    begin: usize,
    end: usize,
    /// A quote stands behind it.
    quoted: bool,
}

struct Scan<'t, 'r> {
    text: &'t str,
    bytes: &'t [u8],
    rules: &'r Rules,
    edits: Edits<'t>,
    /// The last word, with nothing but blanks and quotes behind it.
    word: Option<Word>,
}

impl Scan<'_, '_> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(unit) = unit(self.bytes, at, true) {
            at = self.step(at, unit);
        }
    }

    /// Takes one character; answers where to go on.
    fn step(&mut self, at: usize, unit: Unit) -> usize {
        let behind = at + unit.len;
        match (unit.byte, &mut self.word) {
            (byte, word) if is_of_word(byte) => match word {
                Some(word) if word.end == at => word.end = behind,
                _ => {
                    self.word = Some(Word {
                        begin: at,
                        end: behind,
                        quoted: false,
                    });
                }
            },
            (b'"' | b'\'', Some(word)) => word.quoted = true,
            (b'\\', Some(_)) => {}
            (byte, Some(word)) if byte.is_ascii_whitespace() => {
                let word = *word;
                return self.scheme(word, at, behind);
            }
            (b'=' | b':' | b',', Some(word)) => {
                let word = *word;
                self.word = None;
                if let Some(end) = self.value(word, unit, behind) {
                    return end;
                }
            }
            _ => self.word = None,
        }
        behind
    }

    /// Behind a word and a blank: what follows `Bearer` is a secret.
    fn scheme(&mut self, word: Word, at: usize, behind: usize) -> usize {
        let name = self.bytes.get(word.begin..word.end).unwrap_or_default();
        let is_scheme = SCHEMES
            .iter()
            .any(|scheme| scheme.as_bytes().eq_ignore_ascii_case(name));
        if !is_scheme || word.end != at {
            return behind;
        }
        let rest = self.bytes.get(behind..).unwrap_or_default();
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'\\');
        let end = behind + rest.iter().position(ends).unwrap_or(rest.len());
        if end > behind {
            self.edits.replace(behind..end, MASK);
            self.word = None;
        }
        end
    }

    /// Redacts the value behind a word and this sign; answers where it ends. `None` where it is none.
    fn value(&mut self, word: Word, sign: Unit, begin: usize) -> Option<usize> {
        let name = self.bytes.get(word.begin..word.end).unwrap_or_default();
        // `a.b.token`: what counts is the last of them.
        let last = name.rsplit(|byte| *byte == b'.').next().unwrap_or(name);
        let is_header = self.rules.is_header_in_text(name) || self.rules.is_header_in_text(last);
        let is_secret =
            is_header || self.rules.is_name_in_text(name) || self.rules.is_name_in_text(last);
        if !is_secret || (sign.byte == b',' && !(is_header && word.quoted)) {
            return None;
        }
        let mut at = begin;
        while self
            .bytes
            .get(at)
            .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
        {
            at += 1;
        }
        let end = if sign.byte == b',' {
            self.end_of(at, |byte| matches!(byte, b'}' | b']' | b'\n' | b'\r'))
        } else {
            self.value_end(at, sign, is_header, word.quoted)
        };
        if end == at {
            return Some(end);
        }
        let (at, end) = self.inside(at, end);
        let value = decoded(self.bytes.get(at..end).unwrap_or_default(), true);
        let by = self.rules.how.of(&value);
        self.edits.replace(at..end, by.as_deref().unwrap_or(MASK));
        Some(end)
    }

    fn value_end(&self, at: usize, sign: Unit, is_header: bool, quoted: bool) -> usize {
        let slashes = self.slashes(at);
        match self.bytes.get(at + slashes) {
            Some(quote @ (b'"' | b'\'')) => {
                self.quoted_end(at + slashes + 1, *quote, slashes, sign.byte == b':')
            }
            Some(b'{' | b'[') => self.bracket_end(at),
            _ if sign.byte == b':' && quoted => self.end_of(at, |byte| {
                matches!(byte, b',' | b'}' | b']' | b'\n' | b'\r')
            }),
            _ if sign.byte == b':' || is_header => {
                self.end_of(at, |byte| matches!(byte, b'\n' | b'\r'))
            }
            _ => self.plain_end(at, sign.level),
        }
    }

    /// Where a value ends that is neither quoted nor in brackets, behind a `=`.
    fn plain_end(&self, begin: usize, level: usize) -> usize {
        let mut at = begin;
        while let Some(unit) = unit(self.bytes, at, true) {
            let ends =
                matches!(unit.byte, b'&' | b'"' | b'<' | b'>') || unit.byte.is_ascii_whitespace();
            if ends && unit.level <= level {
                break;
            }
            at += unit.len;
        }
        at
    }

    /// Where a value in quotes ends: at a quote that is escaped no more than the first one, and behind
    /// which something else can begin. A quote that was not escaped stands inside.
    fn quoted_end(&self, begin: usize, quote: u8, slashes: usize, in_json: bool) -> usize {
        let mut at = begin;
        while let Some(byte) = self.bytes.get(at) {
            if *byte == b'\\' {
                let run = self.slashes(at);
                let closes = run <= slashes && self.bytes.get(at + run) == Some(&quote);
                if closes && self.something_begins(at + run + 1, in_json) {
                    return at;
                }
                // A character that is escaped belongs to it.
                at += run + usize::from(self.bytes.get(at + run).is_some_and(u8::is_ascii));
                continue;
            }
            if *byte == quote && self.something_begins(at + 1, in_json) {
                return at;
            }
            at += 1;
        }
        self.bytes.len()
    }

    fn something_begins(&self, at: usize, in_json: bool) -> bool {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let next = rest
            .iter()
            .find(|byte| !matches!(byte, b' ' | b'\t' | b'\\'));
        let ends = next.is_none_or(|byte| matches!(byte, b',' | b'}' | b']' | b'\n' | b'\r'));
        ends || (!in_json
            && rest
                .first()
                .is_none_or(|byte| !byte.is_ascii_alphanumeric()))
    }

    /// Where an array or object ends, strings being passed over.
    fn bracket_end(&self, begin: usize) -> usize {
        let (mut depth, mut in_string) = (0usize, false);
        let mut at = begin;
        while let Some(unit) = unit(self.bytes, at, true) {
            at += unit.len;
            match unit.byte {
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
        self.bytes.len()
    }

    fn end_of(&self, at: usize, ends: impl Fn(&u8) -> bool) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest.iter().position(ends).unwrap_or(rest.len())
    }

    /// The same value without the quote before it.
    fn inside(&self, at: usize, end: usize) -> (usize, usize) {
        let slashes = self.slashes(at);
        let quoted = matches!(self.bytes.get(at + slashes), Some(b'"' | b'\''));
        let begin = if quoted { at + slashes + 1 } else { at };
        // Both ends lie between characters, as each stands beside one of ASCII.
        debug_assert!(self.text.is_char_boundary(begin) && self.text.is_char_boundary(end));
        (begin.min(end), end)
    }

    /// How many backslashes stand here.
    fn slashes(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        rest.iter().take_while(|byte| **byte == b'\\').count()
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'_' | b'-' | b'.' | b'$' | b'%' | b'[' | b']' | b'~' | b'@'
        )
        || !byte.is_ascii()
}
