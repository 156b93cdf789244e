//! See `harness/src/targets/incoming_streams.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::incoming_streams::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
