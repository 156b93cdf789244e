//! The examples on str0m succeed: they check themselves.

#[path = "../../tests/program/mod.rs"]
mod program;

use std::process::Command;

use program::example;

fn succeeds(command: &mut Command) -> String {
    // They write below `target` of where they are.
    let output = command.current_dir(env!("CARGO_TARGET_TMPDIR")).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn all_frames_of_a_pair_arrive_identical() {
    let clip = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/testkit/media/video.av1.ivf");
    let said = succeeds(example("str0m_pair").arg(clip));
    assert!(said.ends_with("30 frames sent, 30 arrived identical\n"), "{said}");
}

#[test]
fn through_the_server_each_gets_the_layers_he_asked_for() {
    let said = succeeds(&mut example("sfu"));
    assert!(!said.contains("NOT THE SAME"), "{said}");
    assert_eq!(
        said.lines().filter(|line| line.contains(", identical; taken for lost: 0")).count(),
        6,
        "{said}"
    );
    assert!(said.contains("media in clear: in 0"), "{said}");
}
