//! See `harness/src/targets/answer.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::answer::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
