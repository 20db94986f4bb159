//! From the body of a request to records: decompressed, split into items, each item read.
//!
//! **Shape.** [`inflate`] undoes the `Content-Encoding`; [`Text`] is what that gives, whatever its
//! bytes; [`Items`] goes over the objects of the body, whatever their form; [`read_next`] reads each, of
//! whatever gateway. By content, not by Content-Type.
//!
//! **Invariants.** An item that cannot be read costs itself only: where it ends is found without
//! understanding it ([`Items`] says how), and its neighbours are read.
//!
//! **Limits.** [`MAX_ITEM_BYTES`] for an item. Memory whose size the sender decides is asked for
//! before it is used: what the system refuses is an error and not the end of the process.

mod inflate;
mod item;
mod items;
mod kong;
mod text;

pub use inflate::{InflateError, inflate};
pub use item::{Item, read, read_next};
pub use items::{Items, MAX_ITEM_BYTES};
pub use text::Text;
