//! See `harness/src/targets/standalone_frame.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::standalone_frame::TARGET.run)(data));
