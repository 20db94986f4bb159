//! The journal's promises while disk, power and hands fail: on a disk in memory, with a ledger of
//! what is owed.
//!
//! `cargo xtask test faults` runs what takes seconds, with `--long` everything.

mod damage;
mod full;
mod model;
mod power;
mod refusals;
mod world;
