//! See `harness/src/targets/reassembly.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::reassembly::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
