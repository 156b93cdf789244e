//! See `harness/src/targets/codec_frame.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::codec_frame::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
