//! A JSON string as it is written, read.

/// What a JSON string means; `None` where it is none. `quoted` begins and ends with its quotation
/// marks.
pub fn unescaped(quoted: &str) -> Option<String> {
    let mut rest = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(rest.len());
    loop {
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let Some(at) = rest.as_bytes().iter().position(is_special) else {
            text.push_str(rest);
            return Some(text);
        };
        // What is special is ASCII, so this is a border of characters.
        let (plain, special) = rest.split_at_checked(at)?;
        text.push_str(plain);
        let (char, behind) = escaped(special.strip_prefix('\\')?)?;
        text.push(char);
        rest = behind;
    }
}

/// What stands behind a backslash, and the rest.
fn escaped(text: &str) -> Option<(char, &str)> {
    let (kind, rest) = text.split_at_checked(1)?;
    let char = match kind {
        "\"" => '"',
        "\\" => '\\',
        "/" => '/',
        "b" => '\u{8}',
        "f" => '\u{c}',
        "n" => '\n',
        "r" => '\r',
        "t" => '\t',
        "u" => return code_point(rest),
        _ => return None,
    };
    Some((char, rest))
}

/// The character of one `\uXXXX` or of two, behind the first `\u`. Half of a pair is none.
fn code_point(text: &str) -> Option<(char, &str)> {
    let (high, rest) = hex(text)?;
    if let Some(char) = char::from_u32(high) {
        return Some((char, rest));
    }
    let (low, rest) = hex(rest.strip_prefix("\\u")?)?;
    if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    Some((char::from_u32(code)?, rest))
}

fn hex(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let mut code = 0;
    for digit in digits.chars() {
        code = code << 4 | digit.to_digit(16)?;
    }
    Some((code, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_as_serde_json(quoted: &str) {
        let theirs = serde_json::from_str::<String>(quoted).ok();
        assert_eq!(unescaped(quoted), theirs, "{quoted}");
    }

    #[test]
    fn escapes_are_undone_and_halves_refused() {
        for quoted in [
            r#""""#,
            r#"""#,
            r#""a"b""#,
            r#""é\u00e9\ud83d\ude00\n\/\"\\\b\f\r\t""#,
            r#""\ud83d""#,
            r#""\ud83dx""#,
            r#""\ud83d\u0041""#,
            r#""\ude00""#,
            r#""\x""#,
            r#""\u12g4""#,
            r#""\u+123""#,
            r#""\u12é""#,
            r#""abc\""#,
            "\"a\u{1}\"",
            "\"\u{7f}\"",
        ] {
            is_as_serde_json(quoted);
        }
    }

    proptest! {
        #[test]
        fn any_string_is_read_as_serde_json_reads_it(
            inner in r#"(\\u[dD][89abcdef][0-9]{2}|\\u00[0-9a-f]{2}|\\["\\/bfnrtxé]|[^"\\]){0,12}"#
        ) {
            is_as_serde_json(&format!("\"{inner}\""));
        }
    }
}
