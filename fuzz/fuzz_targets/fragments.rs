//! See `harness/src/targets/fragments.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::fragments::TARGET.run)(data));
