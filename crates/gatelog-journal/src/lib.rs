//! The durable log: what is appended here is on stable storage when the append is answered.
//!
//! **Shape.** One writer thread, many appenders, many readers. An appender hands over a frame and
//! waits; the writer takes all frames that wait, writes them with one `write` and makes them
//! durable with one `fdatasync` (group commit), then answers all of them. A reader reads frames in
//! order and says how far it has come; segments that every reader has passed are deleted.
//!
//! ```text
//! journal/
//!   id                              the journal's UUID, made with the directory
//!   lock                            held while a process uses the directory
//!   00000000000000000000.segment    frames from position 0
//!   00000000000067108864.segment    frames from position 67,108,864
//!   lake.position                   how far the reader "lake" has come
//!
//! segment  = magic "GATELOGJ"(8) version(u32) journal id(16) base position(u64) crc32c(u32) frame*
//! frame    = length(u32) records(u32) crc32c(u32) payload(length)
//! ```
//!
//! All numbers are little endian. A **position** counts the bytes of all frames since the journal
//! was made; a segment's name is the position of its first frame, so a position leads to its
//! segment and place without an index. A frame's checksum covers its position, length, record
//! count and the checksum of its payload: bytes that belong elsewhere never pass for a frame here.
//!
//! **Invariants.**
//! - A frame is appended whole or not at all; a reader never sees a frame that is not durable.
//! - Only the newest segment is written to. A segment is sealed by creating its successor, whose
//!   base is the sealed one's end.
//! - Order to rotate: write and sync the new segment's header, sync the directory, then append to
//!   it. Order to delete: oldest first, never the newest.
//!
//! **Recovery** reads the newest segment only, so its time does not depend on the backlog. It cuts
//! the segment at the first frame that is not whole (its bytes were never acknowledged) and keeps
//! what it cut in a `.torn` file beside it. A newest segment without a whole header is what a crash
//! in a rotation leaves, and is removed. Sealed segments must follow each other without a gap.
//!
//! **Limits.** Frames of 1 byte to 256 MiB. At [`Config::max_bytes`] appends are refused until
//! readers have passed segments.
//!
//! **Failure.** A failed write or sync poisons the journal: nothing is acknowledged any more, as
//! after a failed `fsync` the kernel may have dropped the pages and a second try would claim what
//! is not there. The process has to be started again; recovery then tells what is there.
//!
//! **Why our own.** The crates for it are unmaintained or whole databases: `docs/adr/0002`.

mod clock;
mod config;
mod failpoints;
mod position;

// On disk.
mod aside;
mod directory;
pub mod filesystem;
mod frame;
mod position_file;
mod scan;
mod segment;

// At the start.
mod recovery;
mod tail;

// When writing.
mod acknowledge;
mod journal;
mod repair;
mod shared;
mod shelf;
mod space;
mod ticket;
mod writer;

// When reading.
mod cursor;
mod damage;
mod hold;
mod keeper;
mod reader;

mod error;

pub use acknowledge::{Acknowledger, Appended};
pub use config::{Config, Sync};
pub use cursor::{Chunk, Cursor, Read};
pub use damage::Damage;
pub use error::{Error, Result};
pub use failpoints::{DISK_FAILPOINTS, FAILPOINTS};
pub use frame::Frame;
pub use hold::Lag;
pub use journal::Journal;
pub use position::Position;
pub use reader::{Reader, ReaderHandle, Start};
pub use recovery::Recovered;
pub use ticket::{Ticket, TicketState};
