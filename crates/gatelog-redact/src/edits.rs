//! A text with some of its parts replaced.

use std::ops::Range;

/// Parts are replaced from the beginning to the end; nothing is copied before the first of them.
#[derive(Debug)]
pub(crate) struct Edits<'t> {
    text: &'t str,
    out: Option<String>,
    copied: usize,
}

impl<'t> Edits<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        Self {
            text,
            out: None,
            copied: 0,
        }
    }

    /// Replaces this part, which begins behind those before it. Its ends lie between characters.
    pub(crate) fn replace(&mut self, part: Range<usize>, by: &str) {
        let Self { text, out, copied } = self;
        let out = out.get_or_insert_with(|| String::with_capacity(text.len()));
        let begin = part.start.max(*copied);
        out.push_str(text.get(*copied..begin).unwrap_or_default());
        out.push_str(by);
        *copied = part.end.max(begin);
    }

    /// The text with its replacements; `None` when there was none.
    pub(crate) fn finish(self) -> Option<String> {
        let Self { text, out, copied } = self;
        out.map(|mut out| {
            out.push_str(text.get(copied..).unwrap_or_default());
            out
        })
    }
}
