//! What a commit would have done that this member cannot apply (R7).
//!
//! The engine says that a path or a confirmation tag is wrong, but neither who made the commit nor what it proposes. Whether
//! to skip it or to be stranded hangs on that: a commit that breaks the policy means nothing, also to those for whom it does not
//! decrypt. So the provider notes what it decrypts while an entry is processed, and this module reads it again: RFC 9420 §6.3.2
//! (sender data), §6.3.1 (PrivateMessageContent), §12.4 (Commit).

use openmls::extensions::Extensions;
use openmls::group::Member;
use openmls::prelude::{
    Capabilities, GroupContext, KeyPackageIn, ProposalOrRefIn, ProtocolVersion, QueuedProposal,
};
use openmls::schedule::{PreSharedKeyId, Psk};
use tls_codec::{Serialize as _, VLBytes};

use super::capabilities;
use super::provider::{Crypto, Noted};
use super::summary::{AddedLeaf, CommitSummary, policy_of};
use super::wire::{read, read_exact};
use crate::crypto::hpke;

const ADD: u16 = 1;
const REMOVE: u16 = 3;
const PRE_SHARED_KEY: u16 = 4;
const GROUP_CONTEXT_EXTENSIONS: u16 = 7;
const BASIC_CREDENTIAL: u16 = 1;
const LEAF_NODE_SOURCE_COMMIT: u8 = 3;

/// Reads what was noted while a commit was processed; `None` if it was not authentic, or no commit.
pub(super) fn reread(
    crypto: &Crypto,
    noted: &Noted,
    logged: &[(u32, QueuedProposal)],
    member_at: impl Fn(u32) -> Option<Member>,
) -> Option<CommitSummary> {
    let [_, content, ..] = noted.opened.as_slice() else { return None };
    if !noted.signature_held {
        return None;
    }
    let committer = noted.sender()?;
    let (proposals, rest) = opaque(content)?;
    let mut summary = CommitSummary { committer, ..CommitSummary::default() };
    let mut proposals = proposals.as_slice();
    while !proposals.is_empty() {
        let (_, after) = read::<ProposalOrRefIn>(proposals)?;
        let one = proposals.get(..proposals.len() - after.len())?;
        count(&mut summary, crypto, one, logged)?;
        proposals = after;
    }
    if let [1, path @ ..] = rest {
        let current = member_at(committer);
        summary.changes_identity = current.is_none_or(|member| keeps_identity(path, &member) != Some(true));
        note_path_keys(&mut summary, noted);
    }
    Some(summary)
}

/// RFC 9420 §2.1.2: bytes with their number in front; and what comes behind.
fn opaque(bytes: &[u8]) -> Option<(VLBytes, &[u8])> {
    read(bytes)
}

/// Notes the keys of a commit's path, which the engine does not tell. A path that cannot be read is not one of a committer who keeps
/// his identity.
pub(super) fn note_path_keys(summary: &mut CommitSummary, noted: &Noted) {
    match noted.opened.get(1).and_then(|content| path_keys(content)) {
        Some(keys) => summary.path_keys = keys,
        None => summary.changes_identity = true,
    }
}

/// RFC 9420 §7.6: the keys of an UpdatePath, its leaf's first; none if the commit has no path.
fn path_keys(content: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (_proposals, rest) = opaque(content)?;
    let [1, path @ ..] = rest else { return Some(Vec::new()) };
    let field = |bytes| opaque(bytes);
    let (leaf_key, rest) = field(path)?;
    let (_signature_key, rest) = field(rest)?;
    let (_credential_type, rest) = read::<u16>(rest)?;
    let (_credential, rest) = field(rest)?;
    let (_capabilities, rest) = read::<Capabilities>(rest)?;
    let [LEAF_NODE_SOURCE_COMMIT, rest @ ..] = rest else { return None };
    let (_parent_hash, rest) = field(rest)?;
    let (_extensions, rest) = field(rest)?;
    let (_signature, rest) = field(rest)?;
    let (nodes, _) = field(rest)?;
    let (mut keys, mut nodes) = (vec![leaf_key.into()], nodes.as_slice());
    while !nodes.is_empty() {
        let (key, rest) = field(nodes)?;
        let (_sealed_path_secrets, rest) = field(rest)?;
        keys.push(key.into());
        nodes = rest;
    }
    Some(keys)
}

fn count(
    summary: &mut CommitSummary,
    crypto: &Crypto,
    one: &[u8],
    logged: &[(u32, QueuedProposal)],
) -> Option<()> {
    let (by_value, rest) = one.split_first()?;
    if *by_value != 1 {
        let covered = logged.iter().find(|(_, proposal)| {
            proposal.proposal_reference_ref().tls_serialize_detached().is_ok_and(|written| written == rest)
        });
        match covered {
            Some((leaf, _)) => summary.covered_leaves.push(*leaf),
            None => summary.others += 1,
        }
        return Some(());
    }
    let (kind, body) = read::<u16>(rest)?;
    match kind {
        ADD => match read_exact::<KeyPackageIn>(body)?.validate(crypto, ProtocolVersion::Mls10) {
            Ok(key_package) => summary.adds.push(AddedLeaf::of(&key_package)),
            Err(_) => summary.others += 1,
        },
        REMOVE => summary.removes.push(read_exact::<u32>(body)?),
        PRE_SHARED_KEY => match read_exact::<PreSharedKeyId>(body)?.psk() {
            Psk::External(external) => summary.psks.push(external.psk_id().to_vec()),
            _ => summary.others += 1,
        },
        GROUP_CONTEXT_EXTENSIONS if summary.policy.is_none() => {
            match read_exact::<Extensions<GroupContext>>(body).and_then(|e| policy_of(&e)) {
                Some(policy) => summary.policy = Some(policy),
                None => summary.others += 1,
            }
        }
        _ => summary.others += 1,
    }
    Some(())
}

/// RFC 9420 §7.2: the LeafNode with which an UpdatePath begins, held against the committer's leaf.
fn keeps_identity(path: &[u8], member: &Member) -> Option<bool> {
    let (encryption_key, rest) = opaque(path)?;
    let (signature_key, rest) = opaque(rest)?;
    let (credential_type, rest) = read::<u16>(rest)?;
    let (credential, rest) = opaque(rest)?;
    let (its_capabilities, rest) = read::<Capabilities>(rest)?;
    let [LEAF_NODE_SOURCE_COMMIT, rest @ ..] = rest else { return Some(false) };
    let (_parent_hash, rest) = opaque(rest)?;
    let (extensions, _) = opaque(rest)?;
    Some(
        credential_type == BASIC_CREDENTIAL
            && credential.as_slice() == member.credential.serialized_content()
            && signature_key.as_slice() == member.signature_key
            && its_capabilities == capabilities()
            && extensions.as_slice().is_empty()
            && hpke::is_usable(encryption_key.as_slice()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Random;
    use crate::group::provider::Provider;

    fn reread_commit(proposals: &[&[u8]]) -> Option<CommitSummary> {
        let provider = Provider::new(Random::seeded([1; 32]));
        let list = proposals.concat().tls_serialize_detached().expect("it is short");
        let sender_data = [0, 0, 0, 7, 0, 0, 0, 0, 1, 2, 3, 4];
        let noted = Noted::for_tests([&sender_data[..], &[&list[..], &[0]].concat()]);
        reread(&provider.crypto, &noted, &[], |_| None)
    }

    /// R2.
    #[test]
    fn what_has_no_place_in_a_call_is_counted_as_such() {
        let remove: &[u8] = &[1, 0, 3, 0, 0, 0, 2];
        let reinit: &[u8] = &[1, 0, 5, 2, 9, 9, 0, 1, 0, 1, 0];
        let external_init: &[u8] = &[1, 0, 6, 2, 1, 2];
        let unknown_reference: &[u8] = &[2, 4, 1, 2, 3, 4];
        let resumption_psk: &[u8] = &[1, 0, 4, 2, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 1, 1, 5];
        for odd in [reinit, external_init, unknown_reference, resumption_psk] {
            let summary = reread_commit(&[remove, odd]).expect("it is well formed");
            assert_eq!(
                (summary.committer, &summary.removes[..], summary.others),
                (7, &[2][..], 1),
                "{odd:?}"
            );
        }
        let plain = reread_commit(&[remove]).expect("it is well formed");
        assert_eq!(plain.others, 0);
        assert_eq!(reread_commit(&[&remove[..5]]), None, "cut off");
    }

    /// Found by fuzzing: where bytes are missing, the library's slices panic in a debug build.
    #[test]
    fn a_commit_that_ends_too_early_is_none() {
        let provider = Provider::new(Random::seeded([1; 32]));
        let content: &[u8] =
            &[&[7, 1, 0, 3, 0, 0, 0, 2, 1, 32][..], &[1; 32], &[32], &[2; 32], &[0, 1, 3]].concat();
        let leaf_key_at = 9;
        for len in 0..content.len() {
            let noted = Noted::for_tests([&[0, 0, 0, 7], &content[..len]]);
            let summary = reread(&provider.crypto, &noted, &[], |_| None);
            assert_eq!(summary.is_some(), len >= leaf_key_at - 1, "{len} bytes");
            assert!(summary.is_none_or(|summary| summary.path_keys.is_empty()));
        }
    }
}
