//! Runs [`gatelog_invariants::usage`] over what the fuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatelog_invariants::usage::check(bytes));
