//! For tests only: the real programs that gatelog works with, started on loopback, a disk that
//! fails, and conditions to wait for.
//!
//! **Invariants.** Every program gets port 0 or a free port and a directory of its own, and is
//! killed when its handle is dropped. Nothing sleeps and hopes: [`wait::until`] polls a condition
//! with a deadline.

pub mod conservation;
pub mod disk;
pub mod envoy;
pub mod failpoints;
pub mod gatelog;
mod log;
pub mod mariadb;
pub mod proxy;
pub mod rsyslog;
pub mod upstream;
pub mod wait;

/// The records, for programs that make or compare them.
pub use gatelog_record as record;
