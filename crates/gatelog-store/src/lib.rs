//! Where records are kept and asked for.
//!
//! **Shape.** A [`Store`] is written in journal order, each batch with the journal position behind
//! it, and answers [`Query`]s. Two stores exist: the embedded [`lake`] (Parquet files, a SQLite
//! catalogue, DataFusion) and [`mysql`] (the `access_logs` table that HiMarket reads).
//!
//! **Invariants.** Rows and position are committed in one transaction, so after any crash the
//! position tells exactly which records are stored; what lies behind it is written again from the
//! journal. What a store will never take is handed over ([`Letters`]) before that commit: a crash
//! can repeat a letter, which its position shows, and never lose one.
//!
//! **Limits.** Only this crate knows DataFusion.

mod store;

pub mod query;

pub mod lake;
pub mod mysql;

mod error;

pub use error::{Error, Result};
pub use query::{Condition, Cursor, Page, Paging, Query, Sort};
pub use store::{BoxFuture, Gathering, Letters, Rejected, Store};

/// The places where a test ends the process ([`gatelog_failpoint`]), in the order in which a batch
/// passes them.
pub const FAILPOINTS: &[&str] = &[
    "store.rows_written",
    "store.letter_written",
    "store.before_commit",
    "store.committed",
    "lake.letter_written",
    "lake.file_written",
    "lake.before_commit",
    "lake.committed",
];
