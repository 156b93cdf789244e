//! The group's entry points for fuzzers: [`crate::fuzzing`].

use openmls::group::Member;
use openmls::prelude::{BasicCredential, LeafNodeIndex};

use super::entry::enclose;
use super::member::Group;
use super::provider::{Crypto, Noted};
use super::reread;
use crate::crypto::Random;

/// Reads the content of a commit as a member can write it, who has the keys: nothing comes of what is none.
pub fn commit_content(content: &[u8]) {
    let crypto = Crypto::new(Random::seeded([1; 32]));
    let noted = Noted::for_tests([&[0, 0, 0, 1], content]);
    let ann = || Member {
        index: LeafNodeIndex::new(1),
        credential: BasicCredential::new(b"Ann".to_vec()).into(),
        encryption_key: vec![1; 32],
        signature_key: vec![2; 32],
    };
    let if_nobody_is_there = reread::reread(&crypto, &noted, &[], |_| None);
    let if_ann_is = reread::reread(&crypto, &noted, &[], |_| Some(ann()));
    assert_eq!(if_nobody_is_there.is_some(), if_ann_is.is_some());
    let (Some(one), Some(other)) = (if_nobody_is_there, if_ann_is) else { return };
    assert_eq!(one.committer, 1);
    assert!(one.path_keys.is_empty() || one.changes_identity, "nobody sits at that leaf");
    assert!(one.removes.len() * 4 <= content.len() && one.adds.len() * 100 <= content.len());
    assert!(!other.changes_identity || one.changes_identity);
    assert_eq!((one.path_keys, one.others, one.policy), (other.path_keys, other.others, other.policy));
}

impl Group {
    /// Signs any bytes as a log entry.
    pub(crate) fn enter_anything(&self, content: &[u8]) -> Vec<u8> {
        enclose(content.to_vec(), |message| self.sign(message))
    }
}
