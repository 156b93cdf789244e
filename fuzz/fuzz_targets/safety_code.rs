//! See `harness/src/targets/safety_code.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::safety_code::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
