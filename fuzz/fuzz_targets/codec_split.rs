//! See `harness/src/targets/codec_split.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::codec_split::TARGET.run)(data));
