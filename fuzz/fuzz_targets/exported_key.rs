//! See `harness/src/targets/exported_key.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::exported_key::TARGET.run)(data));
