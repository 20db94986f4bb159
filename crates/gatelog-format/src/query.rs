//! The query of a path.

/// What stands behind the `?` of a path.
pub(crate) fn query(path: &[u8]) -> Option<&[u8]> {
    let mark = memchr::memchr(b'?', path)?;
    path.get(mark + 1..)
}

/// A path without its query.
pub(crate) fn without_query(path: &[u8]) -> &[u8] {
    let mark = memchr::memchr(b'?', path).unwrap_or(path.len());
    path.get(..mark).unwrap_or(path)
}

/// Appends the first value of a parameter, percent-decoded; `false` if there is none.
pub(crate) fn push_parameter(path: &[u8], name: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(query) = query(path) else {
        return false;
    };
    for parameter in query.split(|byte| *byte == b'&') {
        let equals = memchr::memchr(b'=', parameter).unwrap_or(parameter.len());
        let (found, value) = parameter
            .split_at_checked(equals)
            .unwrap_or((parameter, b""));
        if decoded(found).eq(name.iter().copied()) && !(found.is_empty() && value.is_empty()) {
            out.extend(decoded(value.get(1..).unwrap_or_default()));
            return true;
        }
    }
    false
}

/// The bytes of a text, `%XX` read as one byte; a `%` without two hexadecimal digits stays.
fn decoded(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        if let [b'%', high, low, behind @ ..] = rest
            && let (Some(high), Some(low)) = (hexadecimal(*high), hexadecimal(*low))
        {
            rest = behind;
            return Some(high << 4 | low);
        }
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        Some(*byte)
    })
}

fn hexadecimal(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(path: &str, name: &str) -> Option<String> {
        let mut out = Vec::new();
        let found = push_parameter(path.as_bytes(), name.as_bytes(), &mut out);
        found.then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_first_value_is_decoded() {
        let path = "/p?a=1&a=2&b%20c=d%2&e&f=%C3%A9&g=%zz+&=h";
        let of = |name| parameter(path, name);
        assert_eq!(of("a").as_deref(), Some("1"));
        assert_eq!(of("b c").as_deref(), Some("d%2"));
        assert_eq!(of("e").as_deref(), Some(""));
        assert_eq!(of("f").as_deref(), Some("é"));
        assert_eq!(of("g").as_deref(), Some("%zz+"));
        assert_eq!(of("x"), None);
        assert_eq!(parameter("/p", "a"), None);
        assert_eq!(without_query(b"/p?a?b"), b"/p");
        assert_eq!(query(b"/p?a?b"), Some(&b"a?b"[..]));
    }
}
