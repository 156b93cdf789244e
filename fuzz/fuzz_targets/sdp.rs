//! See `harness/src/targets/sdp.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::sdp::TARGET.run)(data));
