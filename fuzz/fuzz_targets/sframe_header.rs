//! See `harness/src/targets/sframe_header.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::sframe_header::TARGET.run)(data));
