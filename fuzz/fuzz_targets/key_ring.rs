//! See `harness/src/targets/key_ring.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::key_ring::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
