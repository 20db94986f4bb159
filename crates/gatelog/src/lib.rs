//! The gatelog service: what is behind the command line.
//!
//! The way of a record, and so the order of the modules:
//!
//! ```text
//! POST /ingest ─► decode ─► AccessRecord ─► selection ─► journal (fsync = the acknowledgement) ─► store
//!                                                                          GET /query ◄───────────┘
//! ```

pub mod config;

// Bytes in, records out.
pub mod decode;
pub mod intake;
mod kong;
pub mod runtime_keys;
pub mod selection;
pub mod senders;
pub mod source;

// Records to where they are kept.
pub mod dead_letter;
pub mod pipeline;
pub mod retention;

// Records to others.
pub mod forwarder;
pub mod output;
pub mod plugins;

// How those who read the journal are, how far, what they lose, and when they try again.
pub mod backoff;
pub mod caught;
pub mod health;
pub mod loss;
pub mod place;
pub mod refusal;

// A small file, written so that a crash leaves it whole.
mod open_files;
mod whole_file;

// What people and programs ask.
pub mod api;

// The process around it.
pub mod command;
pub mod service;
pub mod shutdown;
pub mod telemetry;

/// The places where a test ends the process ([`gatelog_failpoint`]), besides those of the journal, of
/// the stores and of [`senders::FAILPOINTS`].
pub const FAILPOINTS: &[&str] = &[
    "dead_letter.rotated",
    "dead_letter.frames_kept", // the store has not seen the batch
    "dead_letter.write",
    "dead_letter.sync",
    "source.journaled",
    "source.letters_kept",
    "source.place_sync",
    "source.place_saved",
    "file_log.write",
    "output.delivered", // not confirmed
    "output.letter_written",
    "output.shed", // letters are written, nothing is passed
    "output.progress_write",
    "output.progress_written", // not synced
    "output.progress_sync",
    "output.progress_synced",
    "output.readers_registered", // of new outputs, which are not in force yet
    "output.era_kept",           // other outputs are, and nobody knows
    "output.era_in_force",
    "output.ended", // its reader is gone, its era is not
    "whole_file.write",
    "whole_file.written",
    "whole_file.renamed",
    "whole_file.sync_directory",
];

/// Those of [`FAILPOINTS`] at which the disk can refuse; the others are only passed.
pub const DISK_FAILPOINTS: &[&str] = &[
    "dead_letter.write",
    "dead_letter.sync",
    "source.place_sync",
    "file_log.write",
    "output.progress_write",
    "output.progress_sync",
    "whole_file.write",
    "whole_file.sync_directory",
];
