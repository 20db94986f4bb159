//! Runs [`gatelog_invariants::plugin_config`] over what the fuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatelog_invariants::plugin_config::check(bytes));
