//! For tests only: what must hold of each decoder and of recovery, whatever the bytes.
//!
//! **Shape.** A module is a target: its `check` takes any bytes and panics if an invariant is
//! broken. cargo-fuzz looks for such bytes (`cargo xtask fuzz`); the tests of this crate run every
//! check over the seeds in `fuzz/seeds` and over mutations of them, so that each test run covers
//! what a fuzzer once found.
//!
//! **Limits.** Checks do no I/O, have no clock and no randomness of their own: the same bytes give
//! the same answer. A journal has threads and a clock, so one that is opened here is on a disk in
//! memory (`gatelog_testkit::disk`), and a check asserts only what holds whenever these are run.

#![expect(clippy::panic, reason = "a broken invariant is a panic")]

mod program;

// Of the journal.
pub mod frame;
pub mod position;
mod reading;
pub mod recovery;
mod segment_file;

// Of the records.
pub mod ai_log;
pub mod json_record;
pub mod origin;
pub mod redact;
pub mod small;
pub mod wire;

// Of the formats of access logs.
pub mod format;
pub mod format_line;
// Of filters and expressions.
pub mod cel;
pub mod filter;

// Of the plugin.
pub mod plugin_config;
pub mod usage;

// Of the service and the stores.
#[cfg(feature = "service")]
pub mod config;
#[cfg(feature = "service")]
pub mod dsn;
#[cfg(feature = "service")]
pub mod headers;
#[cfg(feature = "service")]
pub mod inflate;
#[cfg(feature = "service")]
pub mod json_body;
#[cfg(feature = "service")]
pub mod kong_json;
#[cfg(feature = "service")]
pub mod query;
#[cfg(feature = "service")]
pub mod senders;

/// Panics when an invariant is broken for these bytes.
pub type Check = fn(&[u8]);

/// The targets by name.
pub const TARGETS: &[(&str, Check)] = &[
    ("frame", frame::check),
    ("position", position::check),
    ("recovery", recovery::check),
    ("ai_log", ai_log::check),
    ("cel", cel::check),
    ("filter", filter::check),
    ("json_record", json_record::check),
    ("origin", origin::check),
    ("format", format::check),
    ("format_line", format_line::check),
    ("redact", redact::check),
    ("plugin_config", plugin_config::check),
    ("small", small::check),
    ("usage", usage::check),
    ("wire", wire::check),
    #[cfg(feature = "service")]
    ("config", config::check),
    #[cfg(feature = "service")]
    ("dsn", dsn::check),
    #[cfg(feature = "service")]
    ("headers", headers::check),
    #[cfg(feature = "service")]
    ("inflate", inflate::check),
    #[cfg(feature = "service")]
    ("json_body", json_body::check),
    #[cfg(feature = "service")]
    ("kong_json", kong_json::check),
    #[cfg(feature = "service")]
    ("query", query::check),
    #[cfg(feature = "service")]
    ("senders", senders::check),
];
