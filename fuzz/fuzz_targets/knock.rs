//! See `harness/src/targets/knock.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::knock::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
