//! Where an item ends whose syntax is broken.
//!
//! **In an array** it ends at the brace that closes it, strings being skipped, or, where that seems
//! to lie in a string (a quote was not escaped), before the next item that can be read. Where neither
//! is followed by `,` or `]` it ends at the next `}` that is followed by an item.
//!
//! **Elsewhere** it ends at its line, together with the lines behind it that do not begin an object.
//!
//! **Limits.** Each look is one pass, and is counted in [`Work`].

use gatelog_record::{DecodeError, json};

use super::work::{NEAR, Work};

/// Where the item at the beginning of `text` ends, in an array.
pub(super) fn end_in_array(text: &str, work: &mut Work) -> usize {
    let behind = |end: usize| text.get(end..).unwrap_or_default().trim_ascii_start();
    let closed = |limit: usize, work: &mut Work| {
        let end = closing_brace(text, limit, work)?;
        behind(end).starts_with([',', ']']).then_some(end)
    };
    if let Some(end) = closed(NEAR, work) {
        return end;
    }
    // The body has no white space at its end, so a last bracket is seen at once.
    let before_next_item = text
        .match_indices('}')
        .map(|(at, _)| at + 1)
        .find(|&end| {
            let behind = behind(end);
            let next = behind.strip_prefix(',').map(str::trim_ascii_start);
            next.is_some_and(|next| next.starts_with('{')) || behind == "]"
        })
        .unwrap_or(text.len());
    work.add(before_next_item);
    let limit = if work.may_look_far() {
        text.len()
    } else {
        before_next_item.saturating_mul(4)
    };
    if limit > NEAR
        && let Some(end) = closed(limit, work)
    {
        return end;
    }
    before_next_item
}

/// Where the object at the beginning of `text` ends, if its braces and strings are whole.
pub(super) fn closed_end(text: &str, work: &mut Work) -> Option<usize> {
    closing_brace(text, text.len(), work)
}

/// Behind the brace that closes the object at the beginning of `text`, at most `limit` bytes in.
fn closing_brace(text: &str, limit: usize, work: &mut Work) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let mut seen = 0;
    let mut found = |work: &mut Work| {
        for (at, byte) in text.bytes().take(limit).enumerate() {
            seen = at + 1;
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' if !in_string => depth += 1,
                // The quotes are inside out, and an item lost one: here stands its neighbour.
                b'{' if let Some(end) = before_item(text, at, work) => return Some(end),
                b'}' if !in_string => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                // A bare word where an object should be ends before the next item.
                b',' | b']' if depth == 0 && at > 0 => return Some(at),
                _ => {}
            }
        }
        None
    };
    let end = found(work);
    work.add(seen);
    end
}

/// The end of the object before `at`, if an object that can be read stands there behind a comma.
fn before_item(text: &str, at: usize, work: &mut Work) -> Option<usize> {
    let before = text.get(..at)?.trim_ascii_end().strip_suffix(',')?;
    let before = before.trim_ascii_end();
    if !before.ends_with('}') || work.used_up() {
        return None;
    }
    let (item, end) = json::read_next(text.get(at..)?);
    work.add(end);
    (!matches!(item, Err(DecodeError::Syntax(_)))).then_some(before.len())
}

/// Where the item at the beginning of `text` ends, elsewhere: at the next object that begins a line.
pub(super) fn end_in_lines(text: &str, work: &mut Work) -> usize {
    let mut at_line_start = false;
    let found = text.bytes().position(|byte| match byte {
        b'\n' => {
            at_line_start = true;
            false
        }
        b'{' => at_line_start,
        _ => {
            at_line_start &= byte.is_ascii_whitespace();
            false
        }
    });
    let end = found.unwrap_or(text.len());
    work.add(end);
    end
}
