//! The MySQL store.
