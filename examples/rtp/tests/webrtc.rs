//! The example on webrtc-rs succeeds: it checks itself.

#[path = "../../tests/program/mod.rs"]
mod program;

use program::example;

#[test]
fn all_frames_of_a_pair_arrive_identical() {
    let clip = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/testkit/media/video.vp9.ivf");
    // It writes below `target` of where it is.
    let mut pair = example("webrtc_pair");
    let output = pair.arg(clip).current_dir(env!("CARGO_TARGET_TMPDIR")).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with("30 frames sent, 30 arrived identical\n"), "{said}");
}
