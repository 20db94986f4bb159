//! What the real Envoy 1.40.0 logged and what it did not.
//!
//! `testdata/filter_vectors.json`: decisions of runtime filters by request id, and 35 filters over 9 kinds
//! of requests. `testdata/filter_details.json`: matchers of headers and metadata, runtime values and
//! derived statuses in the same form, with a `runtime` object and the names of the filters that Envoy
//! `refused` at load. `GATELOG_FILTER_VECTORS` names another file in this form.

#[cfg(test)]
mod decisions;
#[cfg(test)]
mod input;
