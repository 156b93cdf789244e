//! See `harness/src/targets/room.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::room::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
