//! What the fuzz targets do: one function each, from bytes, on stable Rust. `fuzz_targets/` hands them to libFuzzer, which needs
//! a nightly toolchain; `tests/corpora.rs` replays every input that was kept, with `cargo test`.
//!
//! A target panics when what must hold does not. See `fuzz/README.md`.

pub mod hostile;
pub mod pair;
pub mod targets;

/// A fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of its file in `fuzz_targets/`, and of its folder in `corpus/`.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
    /// Makes the inputs that the corpus starts from, by name: genuine ones of every kind, so that the fuzzer need not guess them.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    targets::answer::TARGET,
    targets::answer_content::TARGET,
    targets::codec_frame::TARGET,
    targets::codec_split::TARGET,
    targets::commit_content::TARGET,
    targets::credential::TARGET,
    targets::dependency_descriptor::TARGET,
    targets::exported_key::TARGET,
    targets::fragments::TARGET,
    targets::frame_marking::TARGET,
    targets::held_frames::TARGET,
    targets::incoming_streams::TARGET,
    targets::invite_link::TARGET,
    targets::key_ring::TARGET,
    targets::knock::TARGET,
    targets::log_entry::TARGET,
    targets::open_frame::TARGET,
    targets::policy::TARGET,
    targets::reassembly::TARGET,
    targets::room::TARGET,
    targets::safety_code::TARGET,
    targets::sdp::TARGET,
    targets::sframe_header::TARGET,
    targets::standalone_frame::TARGET,
    targets::talk::TARGET,
    targets::talk_content::TARGET,
];
