//! See `harness/src/targets/credential.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::credential::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
