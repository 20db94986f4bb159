//! Sampling beyond Envoy: a rate, what is kept all the same, and a budget of a day.
//!
//! **Shape.** [`SampleConfig`] is the policy, [`Sampler`] the policy at work. It is asked about a
//! [`Subject`] with the time of day, and answers a [`Verdict`].
//!
//! ```text
//! sample: {rate: 0.1, keep: {status_ge: 400, slower_than: p99, flags: any, rare_routes: true}, budget_per_day: 20GiB}
//! ```
//!
//! 1. A record that a rule of `keep` names is kept, with weight 1. Rules are asked in the order status,
//!    flags, slow, rare; they say nothing of other records of the trace.
//! 2. Any other one is kept with probability p, and then has weight 1/p. p is `rate`, or less where the
//!    budget asks for it, as it is at this moment; sums of weights stay unbiased however p moves.
//!    Chance is a [number of the trace id](number_of_trace), the same wherever the trace is seen: all
//!    its records are kept or none, as far as their p is the same.
//!
//! **Slow, rare.** A route is `route_name`, else `route`; records without one have one together. The
//! window is the last 8 to 10 minutes (five slots of two), and counts all records that were offered,
//! kept or not. A record is *slow* where it took longer than so many percent of its route's records in
//! the window, read from a histogram whose steps are an eighth at most and rounded up, once there are
//! [`MIN_RECORDS`]. A route is *rare* while it has fewer than [`MIN_RECORDS`] in the window.
//!
//! **Budget.** Days are UTC's. All bytes that are kept count, those of rules too. From what is left of
//! the budget, what the rules would keep in the rest of the day is set aside, as they have kept in the last
//! minute; the remainder may be spent at twice the pace that would last for the rest of the day. p is
//! what that allows of the records that are left to chance, `rate` at most. p is never below a
//! thousandth of `rate`: of what is never kept nothing could be estimated. So rules, and that part, can
//! exceed the budget.
//!
//! **Limits.** [`MAX_ROUTES`] routes, of 4 KiB each; routes beyond that have one window together, and are
//! not rare. A route that was not seen for a window gives way.

mod budget;
mod config;
mod policy;
mod trace;
mod window;

pub use config::{ByteCount, FlagRule, KeepConfig, Part, SampleConfig, SlowerThan};
pub use policy::{Reason, Sampler, Subject, Verdict};
pub use trace::number_of_trace;
pub use window::{MAX_ROUTES, MIN_RECORDS};
