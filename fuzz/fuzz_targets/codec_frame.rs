//! See `harness/src/targets/codec_frame.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::codec_frame::TARGET.run)(data));
