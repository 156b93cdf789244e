//! The group's entry points for fuzzers: [`crate::fuzzing`].

use super::entry::enclose;
use super::member::Group;
use super::provider::{Crypto, Noted};
use super::reread;
use crate::crypto::Random;

/// Reads the content of a commit as a member can write it, who has the keys: nothing comes of what is none.
pub fn commit_content(content: &[u8]) {
    let crypto = Crypto::new(Random::seeded([1; 32]));
    let noted = Noted::for_tests([&[0, 0, 0, 1], content]);
    if let Some(summary) = reread::reread(&crypto, &noted, &[], |_| None) {
        assert_eq!(summary.committer, 1);
        assert!(summary.path_keys.is_empty() || summary.changes_identity, "nobody sits at that leaf");
        assert!(summary.removes.len() * 4 <= content.len() && summary.adds.len() * 100 <= content.len());
    }
}

impl Group {
    /// Signs any bytes as a log entry.
    pub(crate) fn enter_anything(&self, content: &[u8]) -> Vec<u8> {
        enclose(content.to_vec(), |message| self.sign(message))
    }
}
