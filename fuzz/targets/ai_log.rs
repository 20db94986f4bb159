//! Runs [`gatelog_invariants::ai_log`] over what the fuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatelog_invariants::ai_log::check(bytes));
