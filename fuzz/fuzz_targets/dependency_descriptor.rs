//! See `harness/src/targets/dependency_descriptor.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::dependency_descriptor::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
