//! The noun of gatelog: one finished request, as a gateway saw it.
//!
//! **Shape.** JSON objects from the gateways ([`json`]) become an [`AccessRecord`]; the journal
//! keeps it in the compact [`wire`] form; stores and outputs read its fields one by one through
//! [`AccessRecord::get`]. A record borrows its texts from the bytes it was read from, so reading
//! costs no allocation where no text had to be unescaped.
//!
//! **Invariants.** A text field is either absent or has at least one character and is not `-`:
//! the gateways' three ways of saying "nothing" are told apart nowhere behind this crate.
//! Zero is a value, absence is `None`.
//!
//! **Limits.** No I/O, no clock, no randomness: the crate builds for wasm32 as it is.
//!
//! ```
//! let (record, _) = gatelog_record::json::read(
//!     r#"{"start_time":"2026-03-23T02:10:01Z","method":"GET","response_code":"200"}"#,
//! )?;
//! assert_eq!(record.method.as_deref(), Some("GET"));
//! assert_eq!(record.response_code, Some(200));
//! # Ok::<(), gatelog_record::DecodeError>(())
//! ```

// The noun and its parts.
mod field;
mod flaw;
mod header;
mod id;
mod record;
mod timestamp;

// The gateways' words.
mod ai_log;
pub mod response_flag;

// The two forms in which a record travels.
pub mod json;
mod json_value;
pub mod wire;

pub mod standard;

mod error;

pub use ai_log::PROMOTED;
pub use error::{DecodeError, WireError};
pub use field::{Field, Kind, Slot, Value};
pub use flaw::Flaws;
pub use header::Headers;
pub use id::{RecordId, RecordIds};
pub use record::AccessRecord;
pub use timestamp::Timestamp;
