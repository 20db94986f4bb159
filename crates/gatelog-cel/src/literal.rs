//! Literals: numbers, texts, bytes.

use std::borrow::Cow;

use crate::token::Token;

/// Where in the literal, and what is wrong there.
type Wrong = (usize, &'static str);

/// A number at the beginning of a text, and its length in bytes.
pub(crate) fn number(text: &str) -> Result<(usize, Token<'static>), Wrong> {
    const TOO_LARGE: Wrong = (0, "the number is too large for its type");
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let length = run(hex, |c| c.is_ascii_hexdigit());
        let digits = hex.get(..length).unwrap_or_default();
        if digits.is_empty() {
            return Err((2, "`0x` must be followed by hexadecimal digits"));
        }
        let number = u64::from_str_radix(digits, 16).map_err(|_| TOO_LARGE)?;
        return ended(text, 2 + length, |unsigned| Ok(integer(number, unsigned)));
    }
    let is_digit = |c: char| c.is_ascii_digit();
    let mut length = run(text, is_digit);
    let mut is_double = false;
    let behind = |length: usize| text.get(length..).unwrap_or_default();
    if let Some(fraction) = behind(length).strip_prefix('.') {
        let digits = run(fraction, is_digit);
        if digits > 0 {
            is_double = true;
            length += 1 + digits;
        }
    }
    if let Some(exponent) = behind(length).strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['+', '-']));
        let digits = run(exponent.get(sign..).unwrap_or_default(), is_digit);
        if digits > 0 {
            is_double = true;
            length += 1 + sign + digits;
        }
    }
    let digits = text.get(..length).unwrap_or_default();
    if is_double {
        let double = digits.parse().map_err(|_| TOO_LARGE)?;
        return match ended(text, length, |_| Ok(Token::Double(double)))? {
            (end, _) if end != length => Err((length, "a double has no `u`")),
            found => Ok(found),
        };
    }
    ended(text, length, |unsigned| {
        let number = digits.parse().map_err(|_| TOO_LARGE)?;
        Ok(integer(number, unsigned))
    })
}

fn integer(number: u64, unsigned: bool) -> Token<'static> {
    if unsigned {
        Token::Uint(number)
    } else {
        Token::Int(number)
    }
}

/// Takes a `u` behind the digits; nothing else may touch them.
fn ended(
    text: &str,
    length: usize,
    make: impl FnOnce(bool) -> Result<Token<'static>, Wrong>,
) -> Result<(usize, Token<'static>), Wrong> {
    let behind = text.get(length..).unwrap_or_default();
    let unsigned = behind.starts_with(['u', 'U']);
    let length = length + usize::from(unsigned);
    let next = text.get(length..).unwrap_or_default().chars().next();
    if next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err((length, "a number cannot go on like this"));
    }
    Ok((length, make(unsigned)?))
}

fn run(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// Whether a text or bytes literal begins here, with its prefixes.
pub(crate) fn is_text_start(text: &str) -> bool {
    let (_, _, rest) = prefixes(text);
    rest.starts_with(['"', '\''])
}

/// Whether it is raw, whether it is bytes, and what is behind the prefixes.
fn prefixes(text: &str) -> (bool, bool, &str) {
    let (mut is_raw, mut is_bytes, mut rest) = (false, false, text);
    loop {
        if let Some(behind) = rest.strip_prefix(['r', 'R']).filter(|_| !is_raw) {
            (is_raw, rest) = (true, behind);
        } else if let Some(behind) = rest.strip_prefix(['b', 'B']).filter(|_| !is_bytes) {
            (is_bytes, rest) = (true, behind);
        } else {
            return (is_raw, is_bytes, rest);
        }
    }
}

/// A text or bytes at the beginning of a text, and its length in bytes.
pub(crate) fn text(text: &str) -> Result<(usize, Token<'_>), Wrong> {
    const OPEN: Wrong = (0, "the text has no closing quote");
    let (is_raw, is_bytes, rest) = prefixes(text);
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quote = quotes.into_iter().find(|quote| rest.starts_with(quote));
    let quote = quote.ok_or(OPEN)?;
    let start = text.len() - rest.len() + quote.len();
    let body = text.get(start..).unwrap_or_default();
    let length = body_length(body, quote, is_raw).ok_or(OPEN)?;
    let body = body.get(..length).unwrap_or_default();
    let end = start + length + quote.len();
    if is_raw || !body.contains('\\') {
        let token = if is_bytes {
            Token::Bytes(body.as_bytes().to_vec())
        } else {
            Token::Text(Cow::Borrowed(body))
        };
        return Ok((end, token));
    }
    let bytes = unescape(body, is_bytes).map_err(|(offset, message)| (start + offset, message))?;
    if is_bytes {
        return Ok((end, Token::Bytes(bytes)));
    }
    let text = String::from_utf8(bytes).map_err(|_| (start, "the text is not UTF-8"))?;
    Ok((end, Token::Text(Cow::Owned(text))))
}

fn body_length(body: &str, quote: &str, is_raw: bool) -> Option<usize> {
    let may_have_lines = quote.len() == 3;
    let mut is_escaped = false;
    for (at, c) in body.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' && !is_raw {
            is_escaped = true;
        } else if body.get(at..)?.starts_with(quote) {
            return Some(at);
        } else if c == '\n' && !may_have_lines {
            return None;
        }
    }
    None
}

/// Texts as UTF-8; in bytes `\x` and octal escapes are bytes, in texts code points.
fn unescape(body: &str, is_bytes: bool) -> Result<Vec<u8>, Wrong> {
    const UNKNOWN: &str = "an escape is one of \\a \\b \\f \\n \\r \\t \\v \\\\ \\? \\\" \\' \\` \
                           \\xHH \\uHHHH \\UHHHHHHHH \\ooo";
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, behind)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let at = body.len() - behind.len() - 1;
        let kind = behind.chars().next().ok_or((at, UNKNOWN))?;
        let simple = match kind {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' => Some(b'\\'),
            '?' => Some(b'?'),
            '"' => Some(b'"'),
            '\'' => Some(b'\''),
            '`' => Some(b'`'),
            _ => None,
        };
        if let Some(byte) = simple {
            bytes.push(byte);
            rest = behind.get(1..).unwrap_or_default();
            continue;
        }
        let (from, length, radix) = match kind {
            'x' | 'X' => (1, 2, 16),
            'u' => (1, 4, 16),
            'U' => (1, 8, 16),
            '0'..='3' => (0, 3, 8),
            _ => return Err((at, UNKNOWN)),
        };
        let digits = behind.get(from..from + length).ok_or((at, UNKNOWN))?;
        if !digits.chars().all(|c| c.is_digit(radix)) {
            return Err((at, UNKNOWN));
        }
        let code = u32::from_str_radix(digits, radix).map_err(|_| (at, UNKNOWN))?;
        if is_bytes && matches!(kind, 'u' | 'U') {
            return Err((at, "bytes have no \\u escapes"));
        }
        if is_bytes {
            bytes.push(u8::try_from(code).map_err(|_| (at, UNKNOWN))?);
        } else {
            let c = char::from_u32(code).ok_or((at, "there is no such code point"))?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        rest = behind.get(from + length..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}
