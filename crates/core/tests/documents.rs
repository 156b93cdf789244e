//! What SECURITY.md and docs/rfc9605.md name is there: a claim whose test was renamed or removed is no claim.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read"))
    {
        let path = entry.path();
        match path.is_dir() {
            true => sources(&path, into),
            false if path.extension().is_some_and(|extension| extension == "rs") => into.push(path),
            false => {}
        }
    }
}

/// Names of tests, with the module that a file is: `hosts::a_locked_call…`.
fn tests() -> BTreeSet<(String, String)> {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    let mut found = BTreeSet::new();
    for file in files {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).expect("our names are text").to_owned();
        let folder = file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("");
        let text = fs::read_to_string(&file).expect("it can be read");
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            let name = line.strip_prefix("fn ").and_then(|line| line.split('(').next());
            let Some(name) = name.filter(|_| is_test) else {
                // Between the attribute and the function there may be others, and nothing else.
                is_test = line.starts_with("#[test]") || is_test && line.starts_with("#[");
                continue;
            };
            is_test = false;
            for module in [stem.as_str(), folder] {
                found.insert((module.to_owned(), name.to_owned()));
            }
            found.insert(("tests".to_owned(), name.to_owned()));
        }
    }
    found
}

/// Holds that every test which a text names, between backticks, is there; returns how many it names.
fn names_tests_that_exist(file: &str) -> usize {
    let text = fs::read_to_string(root().join(file)).expect("it is there");
    let functions = tests();
    let quoted = text.split('`').skip(1).step_by(2);
    let named = quoted.filter(|name| {
        name.contains("::")
            && !name.contains(' ')
            && !name.starts_with("Event::")
            && !name.starts_with("Call::")
    });
    let (mut seen, mut missing) = (0, Vec::new());
    for name in named {
        let parts = name.split("::").collect::<Vec<_>>();
        let [.., module, test] = parts.as_slice() else { continue };
        let (module, prefix) = (module.to_owned(), test.strip_suffix('*'));
        let module = match module {
            "t" | "k" | "room" => "tests",
            other => other,
        };
        let fits = |(there, function): &(String, String)| match prefix {
            Some(prefix) => there == module && function.starts_with(prefix),
            None => there == module && function == test,
        };
        let is_abbreviation = name.ends_with("::");
        seen += 1;
        if !is_abbreviation && !functions.iter().any(fits) {
            missing.push(name);
        }
    }
    assert_eq!(missing, Vec::<&str>::new(), "named, and not there");
    seen
}

#[test]
fn every_test_that_security_md_names_exists() {
    let seen = names_tests_that_exist("SECURITY.md");
    assert!(seen > 60, "{seen} names");
}

#[test]
fn every_test_that_the_table_of_rfc_9605_names_exists() {
    let seen = names_tests_that_exist("docs/rfc9605.md");
    assert!(seen > 35, "{seen} names");
}

/// In that table a file is followed by what of it keeps the requirement.
#[test]
fn all_code_that_the_table_of_rfc_9605_names_exists() {
    let text = fs::read_to_string(root().join("docs/rfc9605.md")).expect("it is there");
    let quoted = text.split('`').skip(1).step_by(2).collect::<Vec<_>>();
    let mut seen = 0;
    for pair in quoted.windows(2).filter(|pair| pair[0].starts_with("crates/")) {
        let [file, item] = [pair[0], pair[1]];
        let code = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let is_there = ["fn ", "struct ", "enum "].iter().any(|kind| {
            let declared = format!("{kind}{item}");
            code.match_indices(&declared).any(|(at, _)| {
                let next = code[at + declared.len()..].chars().next();
                next.is_some_and(|next| !next.is_alphanumeric() && next != '_')
            })
        });
        assert!(is_there, "{file} has no {item}");
        seen += 1;
    }
    assert!(seen > 25, "{seen} items");
}
