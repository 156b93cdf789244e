//! Safety codes that were heard, typed or scanned: what is read matches the own code if, and only if, it is the same.

use subrosa::{ReadCode, SafetyCode};

use crate::Target;
use crate::pair::Pair;

/// Layout: the text, UTF-8 (what is not is replaced).
pub const TARGET: Target = Target { name: "safety_code", run, seeds };

thread_local!(static CODE: SafetyCode = Pair::new().ann.code().compute());

fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(read) = ReadCode::parse(&text) else { return };
    assert!(!format!("{read:?}").contains(|c: char| c.is_ascii_digit()), "the code shows");
    let said = |text: &str| text.to_lowercase().replace(|c: char| c.is_whitespace() || c == '-', "");
    CODE.with(|code| {
        // Of a word its first four letters will do, so what matches begins like it.
        let words = code.words().expect("a call's code");
        let starts = |text: &str| {
            let words = text.split(|c: char| c.is_whitespace() || c == '-').filter(|word| !word.is_empty());
            words.map(|word| word.to_lowercase().chars().take(4).collect()).collect::<Vec<String>>()
        };
        let is_same = said(&text) == said(&code.digits()) || starts(&text) == starts(&words);
        assert_eq!(code.matches(&read), is_same, "{text:?}");
    });
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    CODE.with(|code| {
        let (digits, words) = (code.digits(), code.words().expect("a call's code"));
        let last = |text: &str, by: &str| format!("{}{by}", &text[..text.len() - by.len()]);
        let short: Vec<_> = words.split(' ').map(|word| &word[..word.len().min(4)]).collect();
        let texts = [
            ("digits", digits.clone()),
            ("digits-packed", digits.replace(' ', "")),
            ("digits-other", last(&digits, "0")),
            ("digits-of-a-pair", format!("{digits}{}", "12345".repeat(3))),
            ("digits-too-many", format!("{digits}{digits}")),
            ("words", words.clone()),
            ("words-loud", words.to_uppercase().replace(' ', "-")),
            ("words-short", short.join("\n")),
            ("words-other", words.replacen(' ', " zoo ", 1)),
        ];
        texts.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect()
    })
}
