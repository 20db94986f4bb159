//! JSON objects in, JSON objects out.
//!
//! **In.** One reader takes the objects of every gateway we know, recognised by their keys:
//! the Higress plugin (v1 and v2), Envoy's, Istio's and Higress' access logs (all
//! values strings, `-` for nothing), Hango's format, and our own wire form. Values are read
//! leniently: a number in a string is a number, a number in a text field is a text.
//!
//! **Kept or refused.** Refused are: what is no object, an object without a single known key, and
//! an integer field that holds no integer. Everything else is kept; what was odd about it is in
//! [`AccessRecord::flaws`](crate::AccessRecord).
//!
//! **Out.** [`write`] gives the wire form on one line: the present fields under their names. Reading
//! it back gives the same record, but for line breaks between the tokens of a JSON value.
//!
//! **Limits.** [`MAX_NESTING`] levels inside a value.

mod key;
mod read;
mod scan;
mod unescape;
mod write;

pub use crate::json_value::{integer_of, nesting, string_of, text_of};
pub use read::{Next, look, read, read_next};
pub use unescape::unescaped;
pub use write::{write, write_headers, write_text, write_value};

/// How deep arrays and objects may be nested in a value.
pub const MAX_NESTING: usize = 128;
