//! See `harness/src/targets/talk.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::talk::TARGET.run)(data));
