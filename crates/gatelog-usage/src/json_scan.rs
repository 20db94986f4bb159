//! JSON as it passes: the values at a few places of a document, of which nothing else is kept.
//!
//! **Shape.** [`Paths`] says where to look. A [`Scanner`] is given the text in pieces, cut anywhere,
//! and calls back with each value that is found, as soon as its last byte was there. What nobody asked
//! for is passed over: its brackets are counted and its strings searched for their end, no more.
//!
//! **Invariants.** What is found does not depend on how the text was cut. A value that did not come to
//! its end is not told: a number is complete only when something stands behind it.
//!
//! **Limits.** Memory: one text of at most [`TEXT_BYTES`] (or what [`Scanner::with_limit`] says), and a
//! few bytes for each object and array above a place that was asked for. Nesting is not
//! limited, for below the places of `Paths` only its depth is counted.
//!
//! **Failure.** The scanner is no judge: what is no JSON is told only where it is in the way of
//! what was asked for ([`Scanner::is_broken`]), and nothing is found behind it until
//! [`Scanner::reset`]. Documents may follow each other, with or without lines between them.
//!
//! **Source.** RFC 8259; RFC 7464 and NDJSON for what stands between documents.
//!
//! ```
//! use gatelog_usage::json_scan::{Paths, Scanner, Value};
//!
//! // A batch of JSON-RPC is an array: each place twice.
//! let paths = Paths::new(&["method", "params.name", "[].method", "[].params.name"]);
//! let mut scanner = Scanner::new(&paths);
//! let mut seen = Vec::new();
//! for piece in [r#"[{"params":{"arguments":{"name":1},"na"#, r#"me":"ls"},"method":"tools/call"}]"#] {
//!     scanner.feed(piece.as_bytes(), &mut |path, value| {
//!         if let Value::Text { text, .. } = value {
//!             seen.push((path, text.to_owned()));
//!         }
//!     });
//! }
//! assert_eq!(seen, [(3, "ls".to_owned()), (2, "tools/call".to_owned())]);
//! ```

mod paths;
mod scanner;
mod text;
mod value;

pub use paths::Paths;
pub(crate) use scanner::text_end;
pub use scanner::{Scanner, TEXT_BYTES};
pub use value::Value;
