//! What happens to a whole process when something around it fails: nothing acknowledged is lost,
//! nothing is stored twice, and it goes on.
//!
//! The load, the reading and the oracle are those of `gatelog chaos`. What takes minutes is ignored
//! here and run by `cargo xtask test faults --long`.

mod raw;
mod rig;

mod clock;
mod database;
mod descriptor;
mod directory;
mod disk;
mod failpoint;
mod hostile;
mod large;
mod memory;
mod outage;
mod random_kill;
mod shutdown;
mod version;
