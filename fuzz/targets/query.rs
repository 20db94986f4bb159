//! Runs [`gatelog_invariants::query`] over what the fuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatelog_invariants::query::check(bytes));
