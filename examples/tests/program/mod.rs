//! Runs this package's examples.

use std::path::Path;
use std::process::Command;

/// A program among this package's examples. `cargo test` builds them, beside the directory of this test.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test.parent().and_then(Path::parent).expect("…/<profile>/deps/<test>");
    let program = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        program.exists(),
        "{} is not there: `cargo test` without a filter on targets builds it",
        program.display()
    );
    Command::new(program)
}
