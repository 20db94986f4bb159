//! A quick look at an object's keys and values, for objects as gateways write them.
//!
//! **Shape.** [`Scan`] walks over the members of one object. It knows the plain forms: keys and
//! strings without escapes, whole numbers, `true`, `false`, `null`. Any other value is read by
//! `serde_json`; at anything that is no plain member the scan gives up, and the caller reads the
//! object from its beginning with `serde_json`, which then also says what is wrong with it.
//!
//! **Invariants.** What is scanned to its end is an object that `serde_json` takes, with the same
//! keys and values: the tests compare the two.
//!
//! **Source.** RFC 8259.

use serde_json::value::RawValue;

use crate::json_value::Raw;

/// A walk over the members of an object.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

/// One step of the walk.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A key and its value.
    Member(&'a str, Raw<'a>),
    /// The object ends before this byte.
    End(usize),
    /// Not a plain object: it has to be read in another way.
    GiveUp,
}

impl<'a> Scan<'a> {
    /// The walk over the object at the beginning of `text`, after white space; `None` when there is
    /// none, or an empty one.
    pub(super) fn new(text: &'a str) -> Option<Self> {
        let mut scan = Self { text, at: 0 };
        scan.white_space();
        scan.take(b'{')?;
        scan.white_space();
        (scan.peek() == Some(b'"')).then_some(scan)
    }

    /// The next member, from behind the value before it, or from the first key.
    pub(super) fn step(&mut self, first: bool) -> Step<'a> {
        self.member(first).unwrap_or(Step::GiveUp)
    }

    fn member(&mut self, first: bool) -> Option<Step<'a>> {
        if !first {
            self.white_space();
            match self.peek()? {
                b'}' => return Some(Step::End(self.at + 1)),
                b',' => self.at += 1,
                _ => return None,
            }
            self.white_space();
        }
        let key = self.plain_string()?;
        self.white_space();
        self.take(b':')?;
        self.white_space();
        Some(Step::Member(key, self.value()?))
    }

    fn value(&mut self) -> Option<Raw<'a>> {
        let begin = self.at;
        let plain = match self.peek()? {
            b'"' => self.plain_string().map(Raw::Plain),
            b'-' | b'0'..=b'9' => self.whole_number().map(Raw::Number),
            b'n' => self.word("null").map(|_| Raw::Null),
            b't' => self.word("true").map(Raw::Bool),
            b'f' => self.word("false").map(Raw::Bool),
            _ => None,
        };
        if plain.is_some() {
            return plain;
        }
        self.at = begin;
        let mut values =
            serde_json::Deserializer::from_str(self.text.get(begin..)?).into_iter::<&RawValue>();
        let value = values.next()?.ok()?;
        self.at = begin + values.byte_offset();
        Some(Raw::new(value))
    }

    /// The inside of a string without escapes.
    fn plain_string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let begin = self.at;
        let length = plain_length(self.text.as_bytes().get(begin..)?)?;
        self.at = begin + length + 1;
        self.text.get(begin..begin + length)
    }

    /// A number without fraction and exponent.
    fn whole_number(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes().get(self.at..)?;
        let sign = usize::from(bytes.first() == Some(&b'-'));
        let digits = bytes.get(sign..)?;
        let count = digits
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let leading_zero = count > 1 && digits.first() == Some(&b'0');
        let goes_on = matches!(digits.get(count), Some(b'.' | b'e' | b'E'));
        if count == 0 || leading_zero || goes_on {
            return None;
        }
        let begin = self.at;
        self.at += sign + count;
        self.text.get(begin..self.at)
    }

    fn word(&mut self, word: &str) -> Option<&'a str> {
        let found = self.text.get(self.at..self.at + word.len())?;
        if found != word {
            return None;
        }
        self.at += word.len();
        Some(found)
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// How many bytes stand before the closing quote; `None` when an escape or a control character comes
/// first, or no quote at all.
fn plain_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    // Eight bytes at a time, as long as none of them is special.
    while let Some(chunk) = bytes.get(length..).and_then(<[u8]>::first_chunk::<8>) {
        let special = special_bytes(u64::from_le_bytes(*chunk));
        if special == 0 {
            length += 8;
        } else {
            length += special.trailing_zeros() as usize / 8;
            return (bytes.get(length) == Some(&b'"')).then_some(length);
        }
    }
    let rest = bytes.get(length..)?;
    let special = rest
        .iter()
        .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
    (rest.get(special) == Some(&b'"')).then_some(length + special)
}

/// A word whose lowest set bit is the highest bit of the first byte that is a quote, a backslash or
/// a control character; 0 when there is none. Bits above the lowest mean nothing.
///
/// Subtracting borrows only upwards from a byte that is found, so the lowest is right.
/// <https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord>
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ (ONES * u64::from(b'"')));
    let backslash = zero(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_string_ends_at_its_quote_wherever_that_stands() {
        for length in 0..40 {
            let plain = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let with = |end: &str| plain_length(format!("{plain}{end}zzzzzzzzzz").as_bytes());
            assert_eq!(with("\""), Some(plain.len()));
            assert_eq!(with("\"\\\""), Some(plain.len()));
            for special in ["\\\"", "\n\"", "\u{0}\"", "\u{1f}\""] {
                assert_eq!(with(special), None, "{special:?} after {length}");
            }
            assert_eq!(with(""), None);
        }
    }

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(bytes: [u8; 8]) {
            let first = bytes.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20);
            let special = special_bytes(u64::from_le_bytes(bytes));
            let found = (special != 0).then(|| special.trailing_zeros() as usize / 8);
            prop_assert_eq!(found, first);
        }
    }
}
