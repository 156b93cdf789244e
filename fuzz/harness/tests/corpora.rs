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

#[test]
fn every_target_is_in_the_list_and_has_a_corpus() {
    let mut listed: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    listed.sort_unstable();
    let files = names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz_targets"));
    let files: Vec<_> = files.iter().filter_map(|file| file.strip_suffix(".rs")).collect();
    assert_eq!(listed, files);
    assert_eq!(names(&corpus()), files, "a corpus for each target, and none besides");
}
