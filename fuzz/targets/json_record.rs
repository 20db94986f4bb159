//! Runs [`gatelog_invariants::json_record`] over what the fuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatelog_invariants::json_record::check(bytes));
