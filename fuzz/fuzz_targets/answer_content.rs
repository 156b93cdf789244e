//! See `harness/src/targets/answer_content.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::answer_content::TARGET.run)(data));
