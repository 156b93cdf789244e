//! See `harness/src/targets/room.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::room::TARGET.run)(data));
