//! Every input that is kept in `fuzz/corpus/` runs, in the order of their names: what a fuzzer found once stays found.

use std::fs;
use std::path::{Path, PathBuf};

use subrosa_fuzz_harness::TARGETS;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("our names are text");
    let mut names: Vec<_> = entries.map(|entry| name(entry.expect("it can be read"))).collect();
    names.sort();
    names
}

#[test]
fn every_input_that_was_kept_runs() {
    for target in TARGETS {
        let folder = corpus().join(target.name);
        let inputs = names(&folder);
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for input in inputs {
            let data = fs::read(folder.join(&input)).expect("it can be read");
            let run = || (target.run)(&data);
            std::panic::catch_unwind(run).unwrap_or_else(|_| panic!("{}: {input}", target.name));
        }
    }
}

/// Targets whose work for one input is little, and does not hang on what came before.
const DECODERS: [&str; 14] = [
    "answer_content",
    "codec_frame",
    "codec_split",
    "commit_content",
    "credential",
    "dependency_descriptor",
    "exported_key",
    "frame_marking",
    "invite_link",
    "policy",
    "safety_code",
    "sdp",
    "sframe_header",
    "talk_content",
];

#[test]
fn what_decoders_read_may_end_anywhere() {
    for name in DECODERS {
        let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
        for (seed, data) in (target.seeds)() {
            for len in 0..data.len().min(500) {
                let run = || (target.run)(&data[..len]);
                std::panic::catch_unwind(run).unwrap_or_else(|_| panic!("{name}: {len} bytes of {seed}"));
            }
        }
    }
}

#[test]
fn every_target_is_in_the_list_and_has_a_corpus() {
    let mut listed: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    listed.sort_unstable();
    let files = names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz_targets"));
    let files: Vec<_> = files.iter().filter_map(|file| file.strip_suffix(".rs")).collect();
    assert_eq!(listed, files);
    assert_eq!(names(&corpus()), files, "a corpus for each target, and none besides");
}
