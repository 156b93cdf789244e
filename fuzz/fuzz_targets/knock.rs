//! See `harness/src/targets/knock.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::knock::TARGET.run)(data));
