//! JSON values, read as leniently as the gateways write them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::MAX_NESTING;

/// A value's text in the item, and what kind it is by its first byte.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    Null,
    /// Between the quotes, still escaped.
    String(&'a str),
    /// Between the quotes, where it is known that there are no escapes.
    Plain(&'a str),
    Number(&'a str),
    Bool(&'a str),
    Object(&'a str),
    Array(&'a str),
}

impl<'a> Raw<'a> {
    pub(crate) fn new(raw: &'a RawValue) -> Self {
        Self::of(raw.get())
    }

    /// The value with this text, which is whole and has no white space around it.
    fn of(text: &'a str) -> Self {
        match text.as_bytes().first() {
            Some(b'"') => Raw::String(
                text.strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'))
                    .unwrap_or_default(),
            ),
            Some(b'{') => Raw::Object(text),
            Some(b'[') => Raw::Array(text),
            Some(b't' | b'f') => Raw::Bool(text),
            Some(b'n') | None => Raw::Null,
            Some(_) => Raw::Number(text),
        }
    }

    /// The value as the text of a field; `None` for the gateways' words for nothing: `null`, `""`
    /// and `-`.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let text = match self {
            Raw::Null => return None,
            Raw::String(escaped) => unescape(escaped),
            Raw::Plain(text)
            | Raw::Number(text)
            | Raw::Bool(text)
            | Raw::Object(text)
            | Raw::Array(text) => Cow::Borrowed(text),
        };
        if text.is_empty() || text == "-" {
            None
        } else {
            Some(text)
        }
    }

    /// The value as an integer; `Ok(None)` for nothing, `Err` with what was found for anything
    /// that is no integer of 64 bits.
    pub(crate) fn integer(self) -> Result<Option<i64>, String> {
        let text = match self {
            Raw::Null => return Ok(None),
            Raw::Number(text) => Cow::Borrowed(text),
            Raw::String(_) | Raw::Plain(_) => match self.text() {
                None => return Ok(None),
                Some(text) => text,
            },
            Raw::Bool(text) => return Err(text.to_owned()),
            Raw::Object(_) => return Err("an object".to_owned()),
            Raw::Array(_) => return Err("an array".to_owned()),
        };
        text.parse()
            .or_else(|_| integral(&text))
            .map(Some)
            .map_err(|()| match self {
                Raw::String(_) | Raw::Plain(_) => format!("\"{}\"", shorten(&text)),
                _ => shorten(&text).to_owned(),
            })
    }

    /// How deep arrays and objects are nested in the value, counted as far as one more than
    /// [`MAX_NESTING`].
    pub(crate) fn depth(self) -> usize {
        match self {
            Raw::Object(text) | Raw::Array(text) => nesting(text),
            _ => 0,
        }
    }
}

/// What a string, a number, `true` or `false` is as the text of a field; `None` for anything else, and
/// for the gateways' words for nothing. `json` is the text of one value.
pub fn text_of(json: &str) -> Option<Cow<'_, str>> {
    match Raw::of(json) {
        Raw::Object(_) | Raw::Array(_) => None,
        value => value.text(),
    }
}

/// What a string says, whatever it is; `None` for any other value. Half a surrogate pair is U+FFFD.
pub fn string_of(json: &str) -> Option<Cow<'_, str>> {
    match Raw::of(json) {
        Raw::String(escaped) => Some(unescape(escaped)),
        _ => None,
    }
}

/// A value as the integer of a field, which may stand in a string; `None` for nothing.
///
/// # Errors
/// What was found that is no integer of 64 bits, shortened.
pub fn integer_of(json: &str) -> Result<Option<i64>, String> {
    Raw::of(json).integer()
}

/// How deep arrays and objects are nested in the text of a JSON value, counted as far as one more than
/// [`MAX_NESTING`].
pub fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
                if deepest > MAX_NESTING {
                    break;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// An integer written with a fraction or an exponent, such as `12.0` or `1e3`.
fn integral(text: &str) -> Result<i64, ()> {
    /// Above this a float does not tell neighbouring integers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().map_err(|_| ())?;
    if number.fract() != 0.0 || number.abs() > EXACT {
        return Err(());
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an integer, and not above 2^53"
    )]
    Ok(number as i64)
}

/// The head of a text, for a message: at most 40 characters.
fn shorten(text: &str) -> &str {
    match text.char_indices().nth(40) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// Undoes JSON's string escapes (RFC 8259 §7). Half a surrogate pair becomes U+FFFD, as the
/// string would otherwise have no UTF-8 form and be lost.
pub(crate) fn unescape(escaped: &str) -> Cow<'_, str> {
    let Some((head, _)) = escaped.split_once('\\') else {
        return Cow::Borrowed(escaped);
    };
    let mut text = String::with_capacity(escaped.len());
    text.push_str(head);
    let mut rest = escaped.get(head.len()..).unwrap_or_default();
    while let Some(tail) = rest.strip_prefix('\\') {
        let mut chars = tail.chars();
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => {
                let (found, after) = unescape_unicode(chars.as_str());
                text.push(found);
                chars = after.chars();
            }
            Some(other) => text.push(other),
            None => {}
        }
        let plain = chars.as_str();
        let end = plain.find('\\').unwrap_or(plain.len());
        let (head, after) = plain.split_at_checked(end).unwrap_or((plain, ""));
        text.push_str(head);
        rest = after;
    }
    Cow::Owned(text)
}

/// The character after `\u`, and what follows it.
fn unescape_unicode(text: &str) -> (char, &str) {
    let unit = |text: &str| {
        text.get(..4)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
    };
    let after = text.get(4..).unwrap_or_default();
    let Some(high) = unit(text) else {
        return (char::REPLACEMENT_CHARACTER, after);
    };
    if !(0xd800..0xdc00).contains(&high) {
        return (
            char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER),
            after,
        );
    }
    let low = after
        .strip_prefix("\\u")
        .and_then(unit)
        .filter(|low| (0xdc00..0xe000).contains(low));
    match low.and_then(|low| char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))) {
        Some(found) => (found, after.get(6..).unwrap_or_default()),
        None => (char::REPLACEMENT_CHARACTER, after),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_surrogate_pair_costs_one_character_only() {
        assert_eq!(unescape(r"a\ud83d\ude00b"), "a😀b");
        assert_eq!(unescape(r"a\ud83db"), "a\u{fffd}b");
        assert_eq!(unescape(r"a\ude00\ud83d"), "a\u{fffd}\u{fffd}");
        assert_eq!(unescape(r"\ud83d\u0041"), "\u{fffd}A");
    }

    #[test]
    fn integers_may_stand_in_strings_and_nothing_else_may() {
        let read = |json: &str| {
            let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
            Raw::new(&raw).integer()
        };
        assert_eq!(read("200"), Ok(Some(200)));
        assert_eq!(read("\"200\""), Ok(Some(200)));
        assert_eq!(read("12.0"), Ok(Some(12)));
        assert_eq!(read("1e3"), Ok(Some(1000)));
        assert_eq!(read("-9223372036854775808"), Ok(Some(i64::MIN)));
        for nothing in ["null", "\"-\"", "\"\""] {
            assert_eq!(read(nothing), Ok(None));
        }
        for wrong in [
            "12.5",
            "\"abc\"",
            "true",
            "[]",
            "{}",
            "9223372036854775808",
            "\"1 2\"",
            "1e99",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn strings_are_unescaped_as_serde_json_does(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let inside = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
            prop_assert_eq!(unescape(inside), text);
        }

        #[test]
        fn no_escape_panics(text in r"(\\|u|d8|de|[0-9a-f]|é|n){0,30}") {
            let _ = unescape(&text);
        }
    }
}
