//! See `harness/src/targets/policy.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::policy::TARGET.run)(data));
