//! See `harness/src/targets/log_entry.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::log_entry::TARGET.run)(data));
