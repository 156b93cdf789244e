//! See `harness/src/targets/held_frames.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::held_frames::TARGET.run)(data));
