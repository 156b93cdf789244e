//! See `harness/src/targets/codec_split.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::codec_split::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
