//! See `harness/src/targets/dependency_descriptor.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::dependency_descriptor::TARGET.run)(data));
