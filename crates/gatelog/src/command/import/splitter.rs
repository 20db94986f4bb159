//! Taking a file of one form apart.

use super::json_items::JsonItems;
use super::piece::Cut;
use super::text_lines::TextLines;
use crate::source::form::Form;

/// Takes a file of one form apart.
pub(super) enum Splitter<'f> {
    /// Objects.
    Json(JsonItems<'f>),
    /// Lines.
    Text(TextLines<'f>),
}

impl<'f> Splitter<'f> {
    /// Of a file of this form.
    pub(super) fn of(form: &'f Form) -> Self {
        match form {
            Form::Json(repair) => Self::Json(JsonItems::new(repair)),
            Form::Text(reader) => Self::Text(TextLines::new(reader)),
        }
    }

    /// The pieces of a window; `at_end` when nothing follows it, `full` when it cannot be larger.
    pub(super) fn cut(&mut self, window: &[u8], at_end: bool, full: bool) -> Cut {
        match self {
            Self::Json(items) => items.cut(window, at_end, full),
            Self::Text(lines) => lines.cut(window, at_end, full),
        }
    }
}
