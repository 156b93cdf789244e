//! See `harness/src/targets/commit_content.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::commit_content::TARGET.run)(data));
