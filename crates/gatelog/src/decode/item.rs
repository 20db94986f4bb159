//! One item, of whatever gateway.
//!
//! **Shape.** `gatelog_record::json` reads it as one flat object, and sees by the way whether an object
//! stands in a key that no record has. Only then it may be [Kong's](super::kong), and is looked at
//! again; so items of other shapes cost what they cost without Kong.

use gatelog_record::{AccessRecord, DecodeError, Flaws, json};

use super::kong;

/// A record and what was odd about it, or why it is none.
pub type Item<'a> = Result<(AccessRecord<'a>, Flaws), DecodeError>;

/// An item at the start of a text.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) item: Item<'a>,
    /// As of [`json::read_next`].
    pub(super) end: usize,
    /// It has the shape of Kong's log objects, whether it can be read or not.
    pub(super) of_kong: bool,
}

/// Reads the item at the start of `text`, after white space.
pub(super) fn find(text: &str) -> Found<'_> {
    let json::Next { item, end, nested } = json::look(text);
    if nested
        && let Some(object) = text.get(..end)
        && let Some(item) = kong::read(object.trim_ascii_start())
    {
        return Found {
            item,
            end,
            of_kong: true,
        };
    }
    Found {
        item,
        end,
        of_kong: false,
    }
}

/// Reads the item at the start of `text` (after white space), and says where it ends: as
/// [`json::read_next`], in every shape that `POST /ingest` takes.
pub fn read_next(text: &str) -> (Item<'_>, usize) {
    let Found { item, end, .. } = find(text);
    (item, end)
}

/// Reads the one item that `text` holds: as [`json::read`], in every shape that `POST /ingest` takes.
///
/// # Errors
/// [`DecodeError`]; the sender mends the item.
pub fn read(text: &str) -> Item<'_> {
    let (item, end) = read_next(text);
    match text.get(end..).map(str::trim_start) {
        Some(rest) if !rest.is_empty() && item.is_ok() => Err(DecodeError::Syntax(
            "something follows the object".to_owned(),
        )),
        _ => item,
    }
}
