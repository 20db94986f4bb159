//! For tests only: what must hold of each decoder and of recovery, whatever the bytes.
//!
//! **Shape.** A module is a target: its `check` takes any bytes and panics if an invariant is
//! broken. cargo-fuzz looks for such bytes (`cargo xtask fuzz`); the tests of this crate run every
//! check over the seeds in `fuzz/seeds` and over mutations of them, so that each test run covers
//! what a fuzzer once found.
//!
//! **Limits.** Checks do no I/O, have no clock and no randomness of their own: the same bytes give
//! the same answer.

#![expect(clippy::panic, reason = "a broken invariant is a panic")]

// Of the records.
pub mod ai_log;
pub mod json_record;
pub mod small;
pub mod wire;

// Of the service and the stores.
#[cfg(feature = "service")]
pub mod dsn;
#[cfg(feature = "service")]
pub mod inflate;
#[cfg(feature = "service")]
pub mod json_body;

/// Panics when an invariant is broken for these bytes.
pub type Check = fn(&[u8]);

/// The targets by name.
pub const TARGETS: &[(&str, Check)] = &[
    ("ai_log", ai_log::check),
    ("json_record", json_record::check),
    ("small", small::check),
    ("wire", wire::check),
    #[cfg(feature = "service")]
    ("dsn", dsn::check),
    #[cfg(feature = "service")]
    ("inflate", inflate::check),
    #[cfg(feature = "service")]
    ("json_body", json_body::check),
];
