//! Rust text without its comments and literals, so that rules do not trip over words in them.

/// Blanks out comments, strings and characters with spaces. Line ends stay where they are, and so
/// does every other byte's line.
///
/// **Limits.** It knows Rust's tokens as far as needed to tell where a comment or literal ends; of
/// text that does not compile it makes something, and never fails.
pub(crate) fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = skipped_length(rest);
        let (head, tail) = rest
            .split_at_checked(skipped.unwrap_or(first.len_utf8()))
            .unwrap_or((rest, ""));
        if skipped.is_some() {
            masked.extend(head.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            masked.push_str(head);
        }
        rest = tail;
    }
    masked
}

/// Bytes of the comment or literal that `rest` begins with, if it does.
fn skipped_length(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    if let Some(body) = rest.strip_prefix('"') {
        return Some(1 + quoted_length(body, '"'));
    }
    if let Some(after) = rest.strip_prefix('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        let body = after.trim_start_matches('#').strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let head = rest.len() - body.len();
        return Some(
            body.find(&end)
                .map_or(rest.len(), |at| head + at + end.len()),
        );
    }
    let body = rest.strip_prefix('\'')?;
    let mut characters = body.chars();
    let is_escape = characters.next()? == '\\';
    // `'a'` is a character, `'a` a lifetime.
    (is_escape || characters.next()? == '\'').then(|| 1 + quoted_length(body, '\''))
}

/// Comments nest.
fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        let step = if here.starts_with("/*") {
            depth += 1;
            2
        } else if here.starts_with("*/") {
            depth -= 1;
            2
        } else {
            here.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Bytes up to and with the closing quote, behind which an escape's quote does not count.
fn quoted_length(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in body.char_indices() {
        if !escaped && character == quote {
            return at + 1;
        }
        escaped = !escaped && character == '\\';
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_become_spaces_and_code_stays() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("a\"b", c)"#, "f(      , c)"),
            (r##"r#"a"b"#; c"##, "        ; c"),
            (r"r#type = 1", r"r#type = 1"),
            ("'a' 'b", "    'b"),
            (r"'\'' x", "     x"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("\"ä\"x", "   x"),
            ("\"a\nb\" c", "  \n   c"),
            ("b\"a\" c", "b    c"),
            ("\"never closed", "             "),
        ] {
            assert_eq!(mask(text), expected, "{text}");
        }
    }
}
