//! See `harness/src/targets/talk_content.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::talk_content::TARGET.run)(data));
