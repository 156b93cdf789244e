//! See `harness/src/targets/log_entry.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::log_entry::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
