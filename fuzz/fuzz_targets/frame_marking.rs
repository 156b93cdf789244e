//! See `harness/src/targets/frame_marking.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::frame_marking::TARGET.run)(data));
