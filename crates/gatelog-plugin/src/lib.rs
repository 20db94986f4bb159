//! The proxy-wasm module for Envoy, Higress, Istio and Hango: one record for each finished
//! request, sent to the collector in batches.
//!
//! **Shape.** Envoy calls `on_log` once when a request is over, however it ended. [`capture`] reads
//! the record out of the host then, with what it saw of the bodies as they passed; [`batch`] queues
//! its JSON, [`dispatch`] posts batches from the root context's tick, and [`worker`] joins the three.
//! They know the proxy only as the trait [`host::Host`], so all of it runs in native tests; `glue` alone knows the SDK.
//!
//! **Invariants.** Traffic is never touched: every callback lets pass what it saw, at once; there is no
//! path from a request to a panic (a panic stops the VM, and a filter that fails closed then
//! answers 503 to everybody). A value that the host does not give is an absent value.
//!
//! **Limits.** One VM and so one queue per Envoy worker. What is in a queue is lost when Envoy
//! ends; a new configuration lets the old queue send what it has first.
//!
//! **Failure.** A record that is dropped is counted by reason, in Envoy's statistics and in the
//! `gatelog-dropped` header of every later batch. A bad configuration is refused with its reason, and
//! traffic passes all the same ([`standing`]).

// From the proxy to a record.
pub mod capture;
pub mod facts;
pub mod host;
pub mod metadata_hub;
pub mod protobuf;

// From records to the collector.
pub mod answer;
pub mod batch;
pub mod dispatch;
pub mod identity;

pub mod standing;
pub mod worker;

pub use gatelog_plugin_config as config;

#[cfg(target_arch = "wasm32")]
mod glue;

#[cfg(test)]
mod fake;
