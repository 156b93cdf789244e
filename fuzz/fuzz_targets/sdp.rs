//! See `harness/src/targets/sdp.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::sdp::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
