//! Where records are kept and asked for.
//!
//! **Shape.** A [`Store`] is written in journal order, each batch with the journal position behind
//! it, and answers [`Query`]s. Two stores exist: the embedded [`lake`] (Parquet files, a SQLite
//! catalogue, DataFusion) and [`mysql`] (the `access_logs` table that HiMarket reads).
//!
//! **Invariants.** Rows and position are committed in one transaction, so after any crash the
//! position tells exactly which records are stored; what lies behind it is written again from the
//! journal.
//!
//! **Limits.** Only this crate knows DataFusion.

mod store;

pub mod query;

pub mod lake;
pub mod mysql;

mod error;

pub use error::{Error, Result};
pub use query::{Condition, Cursor, Page, Paging, Query, Sort};
pub use store::{BoxFuture, Rejected, Store};
