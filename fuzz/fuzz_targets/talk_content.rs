//! See `harness/src/targets/talk_content.rs`.
#![no_main]

use subrosa_fuzz_harness::targets::talk_content::TARGET;

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
