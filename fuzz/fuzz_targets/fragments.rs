//! See `harness/src/targets/fragments.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::fragments::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
