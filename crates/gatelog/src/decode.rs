//! From the body of a request to records: decompressed, split into items, each item read.
//!
//! **Shape.** [`inflate`] undoes the `Content-Encoding`; [`Items`] goes over the objects of the
//! body, whatever their form; `gatelog_record::json` reads each. By content, not by Content-Type.
//!
//! **Invariants.** An item that cannot be read costs itself only: where it ends is found without
//! understanding it ([`Items`] says how), and its neighbours are read.

mod inflate;
mod items;

pub use inflate::{InflateError, inflate};
pub use items::Items;

use std::borrow::Cow;

/// A body as text, and whether bytes had to be replaced by U+FFFD because they were not UTF-8.
///
/// A byte order mark is left out.
pub fn text(body: &[u8]) -> (Cow<'_, str>, bool) {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match std::str::from_utf8(body) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (Cow::Owned(String::from_utf8_lossy(body).into_owned()), true),
    }
}
