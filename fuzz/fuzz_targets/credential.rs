//! See `harness/src/targets/credential.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::credential::TARGET.run)(data));
