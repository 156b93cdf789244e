//! See `harness/src/targets/exported_key.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::exported_key::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
