//! Strings, numbers and values of JSON, as Envoy's serialiser writes them.
//!
//! **Strings.** `"`, `\` and control characters are escaped, nothing else. A string that is not UTF-8
//! has each byte that is not plain ASCII written as `\u00XX`: no reader can tell it from Latin-1.
//!
//! **Source.** `source/common/json/json_sanitizer.cc` of Envoy 1.40.

use serde_json::Value;

use crate::digits::{push_number, push_unsigned};

const HEX: [u8; 16] = *b"0123456789abcdef";

/// Escapes what `out` holds from `from` on, where it stands.
pub(crate) fn escape_tail(out: &mut Vec<u8>, from: usize) {
    let tail = out.get(from..).unwrap_or_default();
    if !tail.iter().any(|byte| is_special(*byte)) {
        return;
    }
    let is_text = std::str::from_utf8(tail).is_ok();
    let end = out.len();
    // The escaped text grows behind the plain one, which is then taken out: no second buffer.
    for at in from..end {
        let Some(byte) = out.get(at).copied() else {
            break;
        };
        push_escaped(byte, is_text, out);
    }
    out.drain(from..end);
}

/// Appends a string with its quotes.
pub(crate) fn push_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let from = out.len();
    out.extend_from_slice(text);
    escape_tail(out, from);
    out.push(b'"');
}

/// Whether a byte may have to be escaped.
fn is_special(byte: u8) -> bool {
    !(b' '..0x7f).contains(&byte) || byte == b'"' || byte == b'\\'
}

fn push_escaped(byte: u8, is_text: bool, out: &mut Vec<u8>) {
    let short = match byte {
        _ if !is_special(byte) => return out.push(byte),
        _ if is_text && byte >= 0x7f => return out.push(byte),
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\t' => b't',
        b'\r' => b'r',
        0x08 => b'b',
        0x0c => b'f',
        _ => 0,
    };
    if is_text && short > 0 {
        out.extend_from_slice(&[b'\\', short]);
        return;
    }
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
    out.extend_from_slice(b"\\u00");
    out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
}

/// Appends a value on one line, the keys of objects sorted by their bytes.
pub(crate) fn push_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => push_json_number(number, out),
        Value::String(text) => push_string(text.as_bytes(), out),
        Value::Array(values) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_value(value, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            // serde_json keeps them sorted, unless another crate of the build has asked it not to.
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| key.as_bytes());
            for (at, (key, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_string(key.as_bytes(), out);
                out.push(b':');
                push_value(value, out);
            }
            out.push(b'}');
        }
    }
}

fn push_json_number(number: &serde_json::Number, out: &mut Vec<u8>) {
    if let Some(integer) = number.as_i64() {
        push_number(integer, out);
    } else if let Some(integer) = number.as_u64() {
        push_unsigned(integer, out);
    } else if let Some(float) = number.as_f64() {
        push_float(float, out);
    }
}

/// Appends a float as short as it can be read back; without a fraction where it has none.
pub(crate) fn push_float(float: f64, out: &mut Vec<u8>) {
    /// Above this a float does not tell neighbouring integers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.fract() == 0.0 && float.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an integer, and not above 2^53"
        )]
        push_number(float as i64, out);
    } else {
        // A number that is no JSON becomes null.
        let text = serde_json::Number::from_f64(float).map(|number| number.to_string());
        out.extend_from_slice(text.as_deref().unwrap_or("null").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        push_string(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_is_escaped_no_more_than_it_must_be() {
        assert_eq!(string(b"a\"b\\c<&>/"), r#""a\"b\\c<&>/""#);
        assert_eq!(
            string("é\n\t\u{1}\u{7f}".as_bytes()),
            "\"é\\n\\t\\u0001\u{7f}\""
        );
        assert_eq!(string(b"\xc3\xa9 and \xe9"), r#""\u00c3\u00a9 and \u00e9""#);
    }

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (7.0, "7"),
            (1.25, "1.25"),
            (-0.5, "-0.5"),
            (1e300, "1e+300"),
        ] {
            let mut out = Vec::new();
            push_float(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn serde_json_reads_every_text_back(text: String) {
            let read: String = serde_json::from_str(&string(text.as_bytes())).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
