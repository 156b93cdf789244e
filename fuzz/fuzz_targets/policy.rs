//! See `harness/src/targets/policy.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::policy::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
