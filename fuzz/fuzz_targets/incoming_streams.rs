//! See `harness/src/targets/incoming_streams.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::incoming_streams::TARGET.run)(data));
