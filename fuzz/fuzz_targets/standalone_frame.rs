//! See `harness/src/targets/standalone_frame.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::standalone_frame::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
