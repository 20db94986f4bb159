//! Runs [`gatelog_invariants::cel`] over what the fuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatelog_invariants::cel::check(bytes));
