//! Where records come from that nobody posts: files that gateways write.
//!
//! **Shape.** [`form`] knows how a gateway's lines become records, for `gatelog import` and for the files
//! that [`file`](mod@file) follows.

pub mod file;
pub mod form;
