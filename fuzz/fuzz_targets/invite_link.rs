//! See `harness/src/targets/invite_link.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::invite_link::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
