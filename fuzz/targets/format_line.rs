//! Runs [`gatelog_invariants::format_line`] over what the fuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatelog_invariants::format_line::check(bytes));
