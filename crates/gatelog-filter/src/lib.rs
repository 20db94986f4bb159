//! Which records are kept, and how many each of them stands for.
//!
//! **Shape.** [`AccessLogFilter`] is Envoy's configuration message, read from JSON or YAML in each form
//! that Envoy takes. [`Filter::compile`] makes a predicate of it, bound to the keys of a [`Runtime`];
//! [`Filter::decide`] asks it about the [`Facts`] of one request and answers a [`Decision`].
//! [`Sampler`] is the policy beyond Envoy: a rate, rules that keep what matters, a budget of a day.
//!
//! ```text
//! JSON, YAML ─► AccessLogFilter ─► Filter ─┐
//!                        Runtime ──────────┼─► Decision: drop, or keep with a weight
//!                        Facts of a record ┘
//! ```
//!
//! **Weights.** A record that only chance has kept stands for 1/p records, p being the probability
//! with which this record, such as it is, is kept by the whole filter. Runtime filters decide by one
//! number of the request, so p is that of the joint set of numbers and not a product; see
//! [`Decision`].
//!
//! **Limits.** No I/O, no clock, no randomness of its own; builds for wasm32. A decision allocates
//! nothing, but for CEL and values of headers and metadata that have to be put together. What bounds
//! a filter: [`MAX_CONDITIONS`], [`MAX_RUNTIME_FILTERS`], [`MAX_DEPTH`].
//!
//! **Source.** `envoy/config/accesslog/v3/accesslog.proto` of Envoy 1.40, and what that version was
//! measured to do (`testdata/`).
//!
//! ```
//! use gatelog_filter::{AccessLogFilter, Decision, Filter, Runtime};
//! use gatelog_record::AccessRecord;
//!
//! let config: AccessLogFilter = serde_json::from_str(r#"{"or_filter": {"filters": [
//!     {"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 400}}}},
//!     {"runtime_filter": {"runtime_key": "log.rate", "percent_sampled": {"numerator": 50}}}
//! ]}}"#)?;
//! let runtime = Runtime::default();
//! let filter = Filter::compile(&config, &runtime)?;
//!
//! let request_id = Some("00000031-0000-4000-8000-000000000abc".into());
//! let mut record = AccessRecord { response_code: Some(200), request_id, ..AccessRecord::default() };
//! assert_eq!(filter.decide(&record, &mut || 0), Decision::Keep { weight: 2.0 });
//! record.response_code = Some(503);
//! assert_eq!(filter.decide(&record, &mut || 0), Decision::Keep { weight: 1.0 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What is configured.
pub mod config;
mod log_type;

// What is asked.
mod facts;
mod flag_set;
mod record;

#[cfg(feature = "cel")]
mod attributes;

// What decides.
mod compile;
mod condition;
mod decision;
mod header;
mod metadata;
mod probability;
mod runtime;
mod text;

// Beyond Envoy.
pub mod sample;

pub use compile::{CompileError, MAX_CONDITIONS, MAX_RUNTIME_FILTERS};
pub use config::{AccessLogFilter, ConfigError, MAX_DEPTH};
pub use decision::{Decision, Filter};
pub use facts::{Facts, number_of_request_id};
pub use flag_set::FlagSet;
pub use log_type::LogType;
pub use runtime::{Runtime, RuntimeError, RuntimeValue};
pub use sample::{SampleConfig, Sampler};
