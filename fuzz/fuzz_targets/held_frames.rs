//! See `harness/src/targets/held_frames.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::held_frames::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
