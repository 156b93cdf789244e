//! See `harness/src/targets/handle_message.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (subrosa_fuzz_harness::targets::handle_message::TARGET.run)(data));
