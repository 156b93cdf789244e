//! Evidence of the example `group_call` that somebody has changed: `check_report` has to notice.

mod deeds;
mod values;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::program::example;

pub(crate) use deeds::deeds;
pub(crate) use values::values;

/// A copy to be falsified.
pub(crate) struct Evidence(PathBuf);

impl Evidence {
    pub(crate) fn copy(from: &Path, to: &Path) -> Self {
        fs::remove_dir_all(to).expect("it is there");
        copy(from, to);
        Self(to.to_owned())
    }

    /// It is not taken any more after this, and that is why.
    #[track_caller]
    pub(crate) fn fails(self, what: &str, why: &str, falsify: impl Fn(&Path, &mut Value)) {
        let (is_taken, said) = self.check(falsify);
        assert!(!is_taken, "{what}");
        assert!(said.contains(why), "{what}: {said}");
    }

    /// It is as good as the original, although all of it was written anew.
    #[track_caller]
    pub(crate) fn holds(self) {
        let (is_taken, said) = self.check(|dir, report| {
            deeds::rewrite_log(dir, |_| {});
            deeds::rewrite_packets(dir, |_| {});
            deeds::count_anew(dir, report);
        });
        assert!(is_taken, "{said}");
    }

    fn check(&self, falsify: impl Fn(&Path, &mut Value)) -> (bool, String) {
        let path = self.0.join("report.json");
        let report = fs::read_to_string(&path).expect("a report was written");
        let mut report: Value = serde_json::from_str(&report).expect("it is JSON");
        falsify(&self.0, &mut report);
        fs::write(path, report.to_string()).expect("the directory is writable");
        let check = example("check_report").arg(&self.0).output().expect("it runs");
        let code = check.status.code();
        assert!(code == Some(0) || code == Some(1), "it panicked");
        (code == Some(0), String::from_utf8_lossy(&check.stderr).into_owned())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the build directory is writable");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("it is there").path();
        let to = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &to)
        } else {
            _ = fs::copy(&path, to).expect("the directory is writable")
        }
    }
}
