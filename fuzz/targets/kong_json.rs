//! Runs [`gatelog_invariants::kong_json`] over what the fuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatelog_invariants::kong_json::check(bytes));
