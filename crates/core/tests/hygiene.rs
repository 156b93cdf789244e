//! What holds of all sources of the core: no `Debug` that the compiler writes shows what is secret.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        match path.is_dir() {
            true => sources(&path, into),
            false => into.push(path),
        }
    }
}

/// A field of one of these types, or of one of these names, is secret; so is a payload, which stays out of logs.
const SECRET: [&str; 15] = [
    "Zeroizing<",
    "PrivateKey",
    "FrameKey",
    "AeadKey",
    "UniqueKey",
    "ExportedKey",
    "AnswerKey",
    "SignatureKey",
    "Credential",
    "Profile",
    "secret:",
    "base_key:",
    "salt:",
    "signer:",
    "payload: BytesMut",
];

/// What begins at a line: the item's head and its fields, up to the brace that closes it.
fn item(lines: &[&str], at: usize) -> String {
    let from = lines[at..]
        .iter()
        .position(|line| line.contains("struct ") || line.contains("enum "))
        .expect("an item");
    let item = &lines[at + from..];
    let is_end = |line: &&str| line.starts_with('}') || line.ends_with(';');
    let end = item.iter().position(is_end).expect("it ends");
    let code = item[..=end].iter().map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

fn derived(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let derives = |line: &&str| line.starts_with("#[derive(") && line.contains("Debug");
    (0..lines.len()).filter(|at| derives(&lines[*at])).map(|at| item(&lines, at)).collect()
}

#[test]
fn nothing_secret_has_a_debug_that_the_compiler_wrote() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let (mut seen, mut by_hand) = (0, 0);
    for file in files {
        let text = fs::read_to_string(&file).expect("it can be read");
        by_hand += text.matches("Debug for ").count();
        for item in derived(&text) {
            seen += 1;
            let shown = SECRET.iter().find(|secret| item.contains(**secret));
            assert_eq!(shown, None, "{}: {item}", file.display());
        }
    }
    assert!(seen > 50 && by_hand > 20, "{seen} derived, {by_hand} by hand: is the search blind?");
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let text = "/// Doc.\n#[derive(Clone, Debug)]\npub struct Key {\n    // Zeroizing<u8> in a comment\n    bytes: Zeroizing<Vec<u8>>,\n}\n\n#[derive(Debug)]\nstruct Other(u8);\n";
    let items = derived(text);
    assert_eq!(items.len(), 2);
    let has_secret = |item: &String| SECRET.iter().any(|secret| item.contains(secret));
    assert_eq!(items.iter().map(has_secret).collect::<Vec<_>>(), [true, false]);
}
