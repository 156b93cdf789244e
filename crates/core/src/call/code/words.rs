//! The list of words: English, of BIP-39, published in bitcoin/bips; the reference implementation is under the MIT licence.
//! Made to be read out and typed: four letters tell every word from all others, and pairs such as build and built are left out.

const LIST: &str = include_str!("words.txt");

/// What one word says.
pub(super) const BITS: usize = 11;
/// The last word's number.
pub(super) const LAST: u16 = (1 << BITS) - 1;

/// Returns the word of a number up to [`LAST`].
pub(super) fn word(number: u16) -> &'static str {
    LIST.lines().nth(number.into()).expect("the list has a word for every number of 11 bits")
}

/// Finds a word in lower case, of which four letters will do.
pub(super) fn find(word: &str) -> Option<u16> {
    let number =
        LIST.lines().position(|listed| listed == word || (word.len() >= 4 && listed.starts_with(word)))?;
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use data_encoding::HEXLOWER;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_list_is_the_published_one() {
        let published = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda";
        assert_eq!(HEXLOWER.encode(&Sha256::digest(LIST)), published);
        assert_eq!(LIST.lines().count(), usize::from(LAST) + 1);
        assert_eq!((word(0), word(LAST)), ("abandon", "zoo"));
    }

    #[test]
    fn a_word_is_found_by_itself_and_by_its_first_four_letters() {
        let mut starts = BTreeSet::new();
        for (number, word) in (0..).zip(LIST.lines()) {
            let start = word.get(..4).unwrap_or(word);
            assert_eq!((find(word), find(start)), (Some(number), Some(number)), "{word}");
            assert!(starts.insert(start), "{word}");
        }
    }

    #[test]
    fn what_is_not_on_the_list_is_not_found() {
        for word in ["", "a", "aba", "abandonn", "abandonment", "abanx", "Abandon", "zooo"] {
            assert_eq!(find(word), None, "{word}");
        }
    }
}
