//! Runs [`gatelog_invariants::wire`] over what the fuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatelog_invariants::wire::check(bytes));
