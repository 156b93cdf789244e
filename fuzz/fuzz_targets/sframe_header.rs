//! See `harness/src/targets/sframe_header.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::sframe_header::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
