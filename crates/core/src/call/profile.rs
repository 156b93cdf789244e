//! What a participant says of itself: a display name and a kind. Both exist in ciphertext only.

use core::fmt;

use thiserror::Error;

/// Bytes of the longest display name, in UTF-8.
pub const MAX_NAME_LEN: usize = 128;

/// What a participant is. Everybody who has keys is on the roster, recorders too; the kind is self-declared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// A person.
    Person = 0,
    /// Records the call.
    Recorder = 1,
    /// A program: transcription, captions, an assistant.
    Bot = 2,
    /// Brings in telephones, whose far end is not encrypted.
    PhoneBridge = 3,
}

/// A display name cannot be shown as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing to show.
    #[error("the name is empty")]
    Empty,
    /// More than [`MAX_NAME_LEN`] bytes.
    #[error("the name is longer than 128 bytes")]
    TooLong,
    /// Control characters, invisible ones, or such that change the direction of the text around them.
    #[error("the name has control, invisible or direction characters")]
    Unprintable,
}

/// A participant's display name and kind; a pseudonym will do, and nobody checks it here.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    name: String,
    kind: Kind,
}

impl Profile {
    /// Makes the profile of a person.
    ///
    /// # Errors
    /// [`NameError`] if the name is empty, longer than 128 bytes, or would garble a list of names.
    pub fn person(name: &str) -> Result<Self, NameError> {
        Self::new(name, Kind::Person)
    }

    /// Makes a profile.
    ///
    /// # Errors
    /// As [`person`](Self::person).
    pub fn new(name: &str, kind: Kind) -> Result<Self, NameError> {
        if name.chars().all(shows_nothing) {
            return Err(NameError::Empty);
        }
        if name.len() > MAX_NAME_LEN {
            return Err(NameError::TooLong);
        }
        if name.chars().any(garbles) || !joiners_join(name) {
            return Err(NameError::Unprintable);
        }
        Ok(Self { name: name.to_owned(), kind })
    }

    /// Returns the display name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Reads kind and name as a credential has them.
    pub(super) fn read(kind: u8, name: &[u8]) -> Option<Self> {
        let kind = [Kind::Person, Kind::Recorder, Kind::Bot, Kind::PhoneBridge]
            .into_iter()
            .nth(usize::from(kind))?;
        Self::new(core::str::from_utf8(name).ok()?, kind).ok()
    }
}

/// Control characters, the bidirectional controls with which one name can be made to look like another (UAX #9), and what is not
/// shown at all (Default_Ignorable_Code_Point, UAX #44, but for joiners and for the variation selectors of emoji). A list of our own:
/// what the compiler's tables say changes with Unicode, and all members must judge a name alike (R4).
fn garbles(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' // control
        | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' // not shown
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' // direction, and lines
    )
}

/// Spaces, and the empty pattern of Braille.
fn blank(c: char) -> bool {
    matches!(
        c,
        ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{2800}' | '\u{3000}'
    )
}

/// Says whether nothing is seen of a character by itself.
fn shows_nothing(c: char) -> bool {
    blank(c) || matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Zero-width joiners and non-joiners belong to the spelling of Persian, Sinhala or an emoji; beside ASCII, or at an end, they
/// only make two names look alike.
fn joiners_join(name: &str) -> bool {
    let chars = name.chars().collect::<Vec<_>>();
    let plain = |c: Option<&char>| c.is_none_or(|c| c.is_ascii() || blank(*c));
    chars.iter().enumerate().filter(|(_, c)| matches!(c, '\u{200c}' | '\u{200d}')).all(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        !plain(before) && !plain(chars.get(at + 1))
    })
}

impl fmt::Debug for Profile {
    /// Without the name: names stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_garble_a_roster_are_refused() {
        assert_eq!(Profile::person(" \u{3000} "), Err(NameError::Empty));
        for nothing in ["", "\u{2800}", "\u{fe0f}", "\u{200d}"] {
            assert_eq!(Profile::person(nothing), Err(NameError::Empty), "{nothing:?}");
        }
        assert_eq!(Profile::person(&"x".repeat(129)), Err(NameError::TooLong));
        for bad in ["a\nb", "abc\u{202e}cba", "\u{7}", "Ann\u{200b}a", "\u{feff}Ann"] {
            assert_eq!(Profile::person(bad), Err(NameError::Unprintable), "{bad:?}");
        }
        for bad in [
            "\u{3164}",
            "\u{115f}",
            "\u{ffa0}",
            "Ann\u{ad}",
            "Ann\u{61c}",
            "Ann\u{180e}",
            "A\u{34f}nn",
            "Ann\u{e0061}",
        ] {
            assert_eq!(Profile::person(bad), Err(NameError::Unprintable), "{bad:?}");
        }
        for bad in ["Ann\u{200d}", "\u{200c}山田", "An\u{200d}n", "山\u{200d} 田"] {
            assert_eq!(Profile::person(bad), Err(NameError::Unprintable), "{bad:?}");
        }
        for good in [
            "Ann",
            "Éloïse d'Arc",
            "山田太郎",
            "משה",
            "علی\u{200c}رضا",
            "ශ\u{dca}\u{200d}ර\u{dd3}",
            "👩\u{200d}🚀 Ann",
            "Ann ❤\u{fe0f}\u{200d}🔥",
        ] {
            assert!(Profile::person(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_profile_keeps_its_name_out_of_logs() {
        let profile = Profile::person("Annabel").expect("a good name");
        assert!(!format!("{profile:?}").contains("Annabel"));
    }
}
