//! See `harness/src/targets/talk.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::talk::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
