//! See `harness/src/targets/reassembly.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::reassembly::TARGET.run)(data));
