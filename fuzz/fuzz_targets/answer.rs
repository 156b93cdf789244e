//! See `harness/src/targets/answer.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::answer::TARGET.run)(data));
