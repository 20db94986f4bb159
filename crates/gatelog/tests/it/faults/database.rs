//! What happens around a MySQL store when its database, or the way to it, fails: every acknowledged
//! record is in the table once, or in the dead letter once; records are taken all the while; `/ready`
//! says what is wrong, and is well again when it is over; memory stays as it is.
//!
//! **Shape.** A [`Stage`] is a MariaDB of the test's own, a proxy before it, a gatelog process that
//! knows only the proxy, and a load. The account may do in its database what gatelog needs and no
//! more. Faults are done once for each way of writing ([`Stage::by_both_ways`]).

mod account;
mod altered;
mod collectors;
mod engine;
mod killed;
mod lanes;
mod locks;
mod network;
mod outage;
mod random;
mod rows;
mod server;
mod stage;
mod transaction;
