//! See `harness/src/targets/frame_marking.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::frame_marking::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
