//! Runs [`gatelog_invariants::redact`] over what the fuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatelog_invariants::redact::check(bytes));
