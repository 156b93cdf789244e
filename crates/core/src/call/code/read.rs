//! The other side's code: heard, typed or scanned.
#![deny(clippy::indexing_slicing)]

use core::fmt;

use thiserror::Error;

use super::{GROUPS_OF_CALL, GROUPS_OF_PAIR, WORDS, words};

const DIGITS_PER_GROUP: usize = 5;
const DIGITS_OF_CALL: usize = GROUPS_OF_CALL * DIGITS_PER_GROUP;
const DIGITS_OF_PAIR: usize = GROUPS_OF_PAIR * DIGITS_PER_GROUP;
/// Bytes of the longest text that is looked at: 45 digits, or 9 words of 8 letters, and much space between.
const MAX_TEXT_LEN: usize = 512;

/// A text is not a safety code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Digits or words are missing: fewer than 30 digits or 9 words, or more digits than a call's code and fewer than a pair's.
    #[error("incomplete: a code has 30 or 45 digits, or 9 words")]
    Incomplete,
    /// More than any code has.
    #[error("too long: a code has 30 or 45 digits, or 9 words")]
    TooLong,
    /// A word that no code has; misheard, perhaps.
    #[error("a word that is not on the list")]
    UnknownWord,
    /// Other characters than a code has, or digits and words together.
    #[error("not a code: it has either digits or words, and spaces or hyphens between")]
    NotACode,
}

/// What somebody read out, typed or scanned; [`SafetyCode::matches`](super::SafetyCode::matches) tells whether it is the same.
#[derive(Clone)]
pub struct ReadCode(pub(super) Form);

#[derive(Clone)]
pub(super) enum Form {
    /// Groups of five.
    Digits(Vec<u64>),
    Words([u16; WORDS]),
}

impl ReadCode {
    /// Reads 30 or 45 digits, or 9 words; of a word, its first four letters will do. In any case, with spaces, line breaks and
    /// hyphens wherever they are.
    ///
    /// # Errors
    /// [`CodeError`] if the text is something else.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        if text.len() > MAX_TEXT_LEN {
            return Err(CodeError::TooLong);
        }
        let form = if text.contains(|c: char| c.is_ascii_digit()) { digits(text) } else { words(text) };
        form.map(Self)
    }
}

fn digits(text: &str) -> Result<Form, CodeError> {
    let digits = text.chars().filter(|c| !separates(*c)).map(|c| c.to_digit(10).ok_or(CodeError::NotACode));
    let digits = digits.collect::<Result<Vec<_>, _>>()?;
    match digits.len() {
        DIGITS_OF_CALL | DIGITS_OF_PAIR => {}
        0..DIGITS_OF_PAIR => return Err(CodeError::Incomplete),
        _ => return Err(CodeError::TooLong),
    }
    let group = |digits: &[u32]| digits.iter().fold(0, |group, digit| group * 10 + u64::from(*digit));
    Ok(Form::Digits(digits.chunks(DIGITS_PER_GROUP).map(group).collect()))
}

fn words(text: &str) -> Result<Form, CodeError> {
    if !text.chars().all(|c| c.is_ascii_alphabetic() || separates(c)) {
        return Err(CodeError::NotACode);
    }
    let words = text.split(separates).filter(|word| !word.is_empty()).collect::<Vec<_>>();
    if words.len() > WORDS {
        return Err(CodeError::TooLong);
    }
    let number = |word: &str| words::find(&word.to_ascii_lowercase()).ok_or(CodeError::UnknownWord);
    let numbers = words.into_iter().map(number).collect::<Result<Vec<_>, _>>()?;
    Ok(Form::Words(numbers.try_into().map_err(|_| CodeError::Incomplete)?))
}

fn separates(c: char) -> bool {
    c.is_whitespace() || c == '-'
}

impl fmt::Debug for ReadCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadCode").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NINE_WORDS: &str = "abandon ability able about above absent absorb abstract zoo";

    #[test]
    fn what_is_not_a_code_is_refused() {
        use CodeError::{Incomplete, NotACode, TooLong, UnknownWord};
        let nines = |count| "9".repeat(count);
        let cases = [
            (String::new(), Incomplete),
            (" \n-".to_owned(), Incomplete),
            (nines(29), Incomplete),
            (nines(31), Incomplete),
            (nines(44), Incomplete),
            (nines(46), TooLong),
            (nines(1_000_000), TooLong),
            (" ".repeat(1_000_000), TooLong),
            (NINE_WORDS.replace(" zoo", ""), Incomplete),
            (format!("{NINE_WORDS} zoo"), TooLong),
            (NINE_WORDS.repeat(20_000), TooLong),
            (NINE_WORDS.replace("zoo", "zooms"), UnknownWord),
            (NINE_WORDS.replace("zoo", "zo"), UnknownWord),
            (NINE_WORDS.replace("abandon ability", "abandonability zoo"), UnknownWord),
            (NINE_WORDS.replace("zoo", "zöo"), NotACode),
            (NINE_WORDS.replace("zoo", "zoo."), NotACode),
            (format!("{NINE_WORDS} 9"), NotACode),
            (format!("{}+", nines(30)), NotACode),
            (format!("{}٣", nines(29)), NotACode), // the digit three, in Arabic
            ("٣".repeat(30), NotACode),
            ("９".repeat(30), NotACode), // a wide nine
        ];
        for (text, error) in cases {
            let start = text.chars().take(70).collect::<String>();
            assert_eq!(ReadCode::parse(&text).map(|_| ()), Err(error), "{start}");
        }
    }

    #[test]
    fn what_was_read_stays_out_of_logs_and_errors() {
        let read = ReadCode::parse(NINE_WORDS).expect("nine words");
        assert_eq!(format!("{read:?}"), "ReadCode { .. }");
        let error = ReadCode::parse("abandon secretword").map(|_| ()).expect_err("not on the list");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_read_does_no_harm(text in "\\PC*|[0-9 -]{30,60}|([a-z]{3,8}[ \n-]){8,10}|((zoo|ABLE|aban|Above) ){8,10}|.*") {
            let form = match ReadCode::parse(&text) {
                Ok(ReadCode(form)) => form,
                Err(_) => return Ok(()),
            };
            match form {
                Form::Digits(groups) => {
                    prop_assert!(matches!(groups.len(), GROUPS_OF_CALL | GROUPS_OF_PAIR));
                    prop_assert!(groups.iter().all(|group| *group < 100_000));
                }
                Form::Words(numbers) => prop_assert!(numbers.iter().all(|number| *number <= words::LAST)),
            }
        }
    }
}
