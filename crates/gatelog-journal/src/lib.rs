//! The durable log: what is appended here is on stable storage when the append is answered.
//!
//! **Shape.** One writer thread, many appenders, many readers. An appender hands over a frame and
//! waits; the writer takes all frames that wait, writes them with one `write` and makes them
//! durable with one `fdatasync` (group commit), then answers all of them. A reader reads frames in
//! order and says how far it has come; segments that every reader has passed are deleted.
//!
//! ```text
//! journal/
//!   id                                    the journal's UUID, as text
//!   lock                                  locked (flock) while a process uses the directory
//!   00000000000000000000.segment          frames from position 0; of the newest, more may follow
//!   00000000000067108864.segment          frames from position 67,108,864
//!   lake.position                         how far the reader "lake" has come
//!   spare                                 the file of a passed segment, to become the next one
//!   *.new                                 a file that is being made, and has its name when it is whole
//!   00000000000067108864-0000000064.torn  an unfinished write, as a start found it; *.damaged: bytes
//!                                         that were durable and are not as they were
//!   *.foreign                             what had the name of a segment and is none of this journal
//! ```
//!
//! # On disk, version 1
//!
//! All numbers are little endian; checksums are CRC-32C.
//!
//! ```text
//! segment                                  frame
//!   0  magic "GATELOGJ"                      0  u32  length of the payload, 1 to 2^28
//!   8  u32  version, 1                       4  u32  records, as the appender says
//!  12  16   the journal's id                 8  u32  bytes between the beginning of the frame's round
//!  28  u64  base: position of the first              and the frame; 2^32 - 1 if not known
//!           frame                           12  u32  checksum of the payload
//!  36  u64  records before the base         16  u64  when it was appended, ms since 1970
//!  44  u64  when it was made, ms since 1970 24  u32  checksum of: the checksum of the journal's id as
//!  52  u64  length of the file that it was           a start, the frame's position (u64), bytes 0-23
//!           made of, 0 for none             28  payload
//!  60  u32  checksum of bytes 0-59
//!  64  frames, one behind the other        slot of a position file, at 0 and at 4096
//!                                            0  u64  number of the write; slot: the number modulo 2
//!                                            8  u64  position
//!                                           16  u64  records before it; 2^64 - 1 if not known
//!                                           24  u32  checksum, begun as a frame's, of bytes 0-23
//! ```
//!
//! A **position** counts the bytes of all frames since the journal was made, headers of frames
//! included, those of segments not; a segment's name is its base in 20 digits, so a position leads to
//! its file and place without an index. A **round** is what was written with one `write` and synced
//! with one `fdatasync`. A frame knows its position and its journal: bytes that belong elsewhere, or
//! to a file's former use, never pass for a frame here.
//!
//! **Versions.** A segment of a later version is refused by name before anything is touched. A program
//! that writes version N reads 1 to N; `testdata/on_disk/v1` holds it to that.
//!
//! **Invariants.**
//! - A frame is appended whole or not at all; a reader never sees a frame that is not durable.
//! - Only the newest segment is written to. A segment ends where its successor begins, whatever its
//!   file holds behind; there is no gap between two.
//! - What is cut was never acknowledged. What was acknowledged and is gone is told, by its place.
//! - A released position only grows.
//!
//! # Order of operations, and what a crash leaves
//!
//! Of what is not synced a power failure may keep any part. The tests go through each of these, on a
//! disk that forgets and with a kill at each of [`FAILPOINTS`].
//!
//! | | steps | a crash before the last of them | the next start |
//! |---|---|---|---|
//! | append | write the round, `fdatasync`, answer | any part of the round; or all of it, not answered | keeps whole frames up to the first that is not, cuts the rest (`.torn`), writes the last round once more and syncs it |
//! | rotate | write the header to `*.new`, sync it, rename, sync the directory; then append | a `*.new`; or a segment without frames | removes the one, goes on with the other |
//! | repair, after a failed write | as rotate, with the durable end as base; cut the failed segment | the failed segment with frames behind its end, with or without a successor | without: as for an append; with: what lies behind the successor's base is not read |
//! | new reader | write its first place to `*.new`, sync it, rename, sync the directory | a `*.new` | removes it |
//! | release | write the slot of the position file that is not known to be durable; within a second `fdatasync` | a spoilt slot; or the old position | takes the other slot; what lies behind it is read again |
//! | delete, oldest first, never the newest | make durable what every reader has released; rename to `spare`, or remove; sync the directory; the next one | the segment with its name or without; a `spare` | deletes it again; removes the `spare` |
//! | use again | rename `spare` to `*.new`, then as rotate | as rotate | as rotate; old frames are none in their new place |
//! | make the journal | `id.new`, sync, rename, sync the directory; first segment | no id; or no segment | makes what is missing |
//!
//! **Recovery** makes the directory's names durable, looks at the header of each segment and reads the
//! newest one through: its time does not depend on the backlog. Doing it again, from wherever it was
//! interrupted, comes to the same end. In the newest segment a place without a whole frame is an
//! unfinished write, unless a header behind it shows that the place was durable before: then it is
//! damage, is left, and readers pass over it ([`Read::Damaged`]); and the segment is sealed by a fresh
//! one before its end is cut, as that header may be in what is cut. Readers pass over damage in sealed
//! segments, too, which nobody reads before them. If readers have been further than the last segment
//! goes, positions go on from there. An `id` that no segment has is damage and is written anew. A reader
//! whose position file has no whole slot begins at the oldest frame; one that stands before the oldest
//! frame is told what is missing. What was found is in [`Recovered`].
//!
//! **Limits.** Frames of 1 byte to 256 MiB. At [`Config::max_bytes`], and with less than
//! [`Config::reserve_bytes`] free on the disk, appends are refused until there is room again. Damage in
//! the very last round before a crash cannot be told from an unfinished write.
//!
//! **Failure.** A failed write or sync gives up all that is not durable, and refuses appends
//! ([`Error::Poisoned`]), until a fresh segment is durable: after a failed `fsync` the kernel may have
//! dropped the pages, and a second sync of the same file would claim what is not there. It tries from
//! 10 ms to every 5 s, without a restart. A reader that cannot read tries again later; what cannot be
//! read for [`Config::unreadable_patience`], while the file around it can, is damage.
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
mod chunk;
mod cursor;
mod damage;
mod hold;
mod keeper;
mod reader;
mod unreadable;

mod error;

pub use acknowledge::{Acknowledger, Appended};
pub use chunk::{Chunk, Read};
pub use config::{Config, Sync};
pub use cursor::Cursor;
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
