//! See `harness/src/targets/open_frame.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::open_frame::TARGET.run)(data));
