//! See `harness/src/targets/invite_link.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::invite_link::TARGET.run)(data));
