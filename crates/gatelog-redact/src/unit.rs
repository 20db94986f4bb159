//! A character of a text, as it is written: plain, percent-encoded, or escaped as in JSON.

/// One character of a text, as far as it is ASCII; else one byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// What it means.
    pub(crate) byte: u8,
    /// How many bytes it is written with.
    pub(crate) len: usize,
    /// How often it is percent-encoded: `=` 0, `%3D` 1, `%253D` 2.
    pub(crate) level: usize,
}

/// What a backslash escapes, or how many that escape nothing stand behind each other.
enum Escape {
    Of(Unit),
    Nothing { slashes: usize },
}

/// The character at this place; `None` behind the end.
///
/// With `json`, one that JSON escapes (`\u0026`, `\"`, `\/`) counts as what it means, however often it
/// is escaped. Backslashes that escape none of these are one unit: each is looked at once.
pub(crate) fn unit(bytes: &[u8], at: usize, json: bool) -> Option<Unit> {
    let byte = *bytes.get(at)?;
    let plain = |len| Unit {
        byte,
        len,
        level: 0,
    };
    Some(match byte {
        b'%' => percent(bytes, at).unwrap_or(plain(1)),
        b'\\' if json => match escaped(bytes, at) {
            Escape::Of(unit) => unit,
            Escape::Nothing { slashes } => plain(slashes),
        },
        _ => plain(1),
    })
}

/// `%3D`, `%253D` and so on.
fn percent(bytes: &[u8], at: usize) -> Option<Unit> {
    let mut digits = at + 1;
    let mut level = 1;
    let mut byte = hex_byte(bytes, digits)?;
    // `%25` before two more digits is an encoded percent sign of an encoded character.
    while byte == b'%' {
        let Some(inner) = hex_byte(bytes, digits + 2) else {
            break;
        };
        byte = inner;
        digits += 2;
        level += 1;
    }
    // What is no ASCII has no meaning here, and its bytes are no characters.
    byte.is_ascii().then_some(Unit {
        byte,
        len: digits + 2 - at,
        level,
    })
}

/// The byte of two hexadecimal digits.
fn hex_byte(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(at)? << 4 | digit(at + 1)?).ok()
}

/// `\u0026`, `\"`, `\/`, also behind more than one backslash.
fn escaped(bytes: &[u8], at: usize) -> Escape {
    let rest = bytes.get(at..).unwrap_or_default();
    let slashes = rest.iter().take_while(|byte| **byte == b'\\').count();
    let nothing = Escape::Nothing { slashes };
    let (byte, len) = match rest.get(slashes) {
        Some(b'u') => match (hex_byte(rest, slashes + 1), hex_byte(rest, slashes + 3)) {
            (Some(0), Some(low)) => (low, slashes + 5),
            _ => return nothing,
        },
        Some(quote @ (b'"' | b'/')) => (*quote, slashes + 1),
        _ => return nothing,
    };
    if !byte.is_ascii() {
        return nothing;
    }
    Escape::Of(Unit {
        byte,
        len,
        level: 0,
    })
}

/// What a part of a text means, all encodings undone.
pub(crate) fn decoded(bytes: &[u8], json: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(unit) = unit(bytes, at, json) {
        let written = bytes.get(at..at + unit.len).unwrap_or_default();
        if written.iter().all(|byte| *byte == b'\\') {
            out.extend_from_slice(written);
        } else {
            out.push(unit.byte);
        }
        at += unit.len;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_character_is_undone() {
        let of = |text: &str, json| {
            let unit = unit(text.as_bytes(), 0, json).unwrap();
            (char::from(unit.byte), unit.len, unit.level)
        };
        assert_eq!(of("=", false), ('=', 1, 0));
        assert_eq!(of("%3D", false), ('=', 3, 1));
        assert_eq!(of("%3d", false), ('=', 3, 1));
        assert_eq!(of("%253D", false), ('=', 5, 2));
        assert_eq!(of("%25253D", false), ('=', 7, 3));
        for plain in ["%", "%3", "%zz", "%zz3D"] {
            assert_eq!(of(plain, false), ('%', 1, 0), "{plain}");
        }
        assert_eq!(of("%25", false), ('%', 3, 1));
        assert_eq!(of("%25zz", false), ('%', 3, 1));
        // Not ASCII: of its bytes none is a character.
        assert_eq!(of("%C3%A9", false), ('%', 1, 0));
        assert_eq!(of(r"\u0026", true), ('&', 6, 0));
        assert_eq!(of(r"\\u0026", true), ('&', 7, 0));
        assert_eq!(of(r#"\\\"x"#, true), ('"', 4, 0));
        assert_eq!(of(r"\n", true), ('\\', 1, 0));
        assert_eq!(of(r"\u2026", true), ('\\', 1, 0));
        assert_eq!(of(r"\u0026", false), ('\\', 1, 0));
        assert_eq!(of(r"\\\x", true), ('\\', 3, 0));
        assert_eq!(decoded(br"\\\x\\\/", true), br"\\\x/");
        assert_eq!(decoded(b"%2574oken", false), b"token");
    }
}
