//! See `harness/src/targets/safety_code.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::safety_code::TARGET.run)(data));
