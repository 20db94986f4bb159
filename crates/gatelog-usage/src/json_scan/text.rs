//! The text of a JSON string.

use std::borrow::Cow;

/// Without escapes and with U+FFFD for what is no character. Where the string was cut, an escape or a
/// character that is not whole is left out.
pub(super) fn unescaped(raw: &[u8], cut: bool) -> Cow<'_, str> {
    let whole = if cut { without_part(raw) } else { raw };
    if memchr::memchr(b'\\', whole).is_none() {
        return String::from_utf8_lossy(whole);
    }
    let mut bytes = Vec::with_capacity(whole.len());
    let mut rest = whole;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        bytes.extend_from_slice(plain);
        rest = unescape(escape, &mut bytes);
    }
    bytes.extend_from_slice(rest);
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads the escape that `bytes` begins with; gives what stands behind it.
fn unescape<'a>(bytes: &'a [u8], into: &mut Vec<u8>) -> &'a [u8] {
    let Some((&kind, rest)) = bytes.get(1..).and_then(<[u8]>::split_first) else {
        return &[];
    };
    let plain = match kind {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unescape_unicode(rest, into),
        other => other,
    };
    into.push(plain);
    rest
}

fn unescape_unicode<'a>(digits: &'a [u8], into: &mut Vec<u8>) -> &'a [u8] {
    let rest = digits.get(4..).unwrap_or_default();
    let unit = hexadecimal(digits).unwrap_or(0xfffd);
    let pair = || {
        let low = hexadecimal(rest.strip_prefix(b"\\u")?)?;
        let is_pair = (0xd800..0xdc00).contains(&unit) && (0xdc00..0xe000).contains(&low);
        is_pair.then(|| 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
    };
    let (code, rest) = match pair() {
        Some(code) => (code, rest.get(6..).unwrap_or_default()),
        None => (unit, rest),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.get(..4)?.iter().try_fold(0, |number, digit| {
        Some(number << 4 | char::from(*digit).to_digit(16)?)
    })
}

/// Without the escape or the character that a cut has left unfinished.
fn without_part(raw: &[u8]) -> &[u8] {
    let mut end = raw.len();
    // An escape has at most six bytes, and a pair of them twelve.
    let tail = raw.len().saturating_sub(12);
    let mut at = tail;
    // From a place that is no escaped byte: behind an even number of backslashes.
    while at > 0 && raw.get(at - 1) == Some(&b'\\') {
        at -= 1;
    }
    while let Some(&byte) = raw.get(at) {
        let length = match (byte, raw.get(at + 1)) {
            (b'\\', Some(b'u')) if is_high(raw.get(at + 2..).unwrap_or_default()) => 12,
            (b'\\', Some(b'u')) => 6,
            (b'\\' | 0xc0..0xe0, _) => 2,
            (0xe0..0xf0, _) => 3,
            (0xf0.., _) => 4,
            _ => 1,
        };
        if at + length > raw.len() {
            end = at;
            break;
        }
        // Behind a high half anything may follow; it is read again from there.
        at += if length == 12 { 6 } else { length };
    }
    raw.get(..end).unwrap_or_default()
}

fn is_high(digits: &[u8]) -> bool {
    hexadecimal(digits).is_none_or(|unit| (0xd800..0xdc00).contains(&unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read() {
        for (raw, text) in [
            (r"plain", "plain"),
            (r#"a\"b\\c\/d\n\t\r\b\f"#, "a\"b\\c/d\n\t\r\u{8}\u{c}"),
            (r"\u0041\u4e2d", "A中"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\ud83d!", "\u{fffd}!"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ude00", "\u{fffd}"),
            (r"\uZZZZ|", "\u{fffd}|"),
            (r"\u12", "\u{fffd}"),
            ("\\", ""),
        ] {
            assert_eq!(unescaped(raw.as_bytes(), false), text, "{raw}");
        }
        assert_eq!(unescaped(b"a\xffb", false), "a\u{fffd}b");
    }

    #[test]
    fn a_cut_leaves_no_part_of_an_escape_or_character() {
        for (raw, text) in [
            ("ab\\", "ab"),
            (r"ab\u00", "ab"),
            (r"ab\ud83d", "ab"),
            (r"ab\ud83d\ude", "ab"),
            (r"ab\\", "ab\\"),
            (r"\\\\\\\\\\\\\\\", "\\\\\\\\\\\\\\"),
            (r"\u0041\u0042\u0043\u00", "ABC"),
        ] {
            assert_eq!(unescaped(raw.as_bytes(), true), text, "{raw}");
        }
        let text = "中文字符".as_bytes();
        assert_eq!(unescaped(&text[..11], true), "中文字");
        assert_eq!(unescaped(text, true), "中文字符");
    }
}
