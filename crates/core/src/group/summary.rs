//! What a commit would do, as plain data for the judgement.

use openmls::extensions::Extensions;
use openmls::group::Member;
use openmls::prelude::{
    Credential, GroupContext, KeyPackage, LeafNode, Proposal, ProposalOrRefType, QueuedProposal, Sender,
    StagedCommit,
};
use openmls::schedule::{PreSharedKeyId, Psk};
use tls_codec::{Serialize as _, VLBytes};

use crate::crypto::hpke;

use super::wire::read_exact;
use super::{POLICY_EXTENSION, capabilities, context_extensions};

/// One occupied leaf of the tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Leaf {
    pub(crate) index: u32,
    pub(crate) signature_key: Vec<u8>,
    /// The content of its basic credential; empty if the credential is of another type.
    pub(crate) credential: Vec<u8>,
    pub(crate) encryption_key: Vec<u8>,
}

/// A leaf that a commit adds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AddedLeaf {
    pub(crate) signature_key: Vec<u8>,
    pub(crate) credential: Vec<u8>,
    /// Of its leaf, and of its key package.
    pub(crate) hpke_keys: [Vec<u8>; 2],
    /// It has the capabilities, extensions and lifetime that every leaf of a call has, and keys that one can seal to.
    pub(crate) is_standard: bool,
}

/// All that a commit would do. Whatever has no place of its own here is counted in `others`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct CommitSummary {
    pub(crate) committer: u32,
    pub(crate) adds: Vec<AddedLeaf>,
    /// Leaves that the committer removes of his own.
    pub(crate) removes: Vec<u32>,
    /// Self-removals of others that the commit covers.
    pub(crate) covered_leaves: Vec<u32>,
    /// Identifiers of external PSKs.
    pub(crate) psks: Vec<Vec<u8>>,
    /// The new policy's bytes, if the group context changes.
    pub(crate) policy: Option<Vec<u8>>,
    /// The update path gives the committer's leaf another credential, signature key, capabilities or extensions, or a key that
    /// nobody can seal to.
    pub(crate) changes_identity: bool,
    /// Public HPKE keys that the update path brings into the tree: of the committer's leaf, then upwards. Not told of own commits.
    pub(crate) path_keys: Vec<Vec<u8>>,
    /// Proposals of any other kind or form.
    pub(crate) others: usize,
}

impl CommitSummary {
    pub(super) fn of(committer: u32, current: Option<&Member>, staged: &StagedCommit) -> Self {
        let mut summary = Self { committer, ..Self::default() };
        for queued in staged.queued_proposals() {
            summary.count(queued);
        }
        summary.changes_identity = match (staged.update_path_leaf_node(), current) {
            (Some(new), Some(old)) => !same_identity(new, old),
            (Some(_), None) => true,
            (None, _) => false,
        };
        summary
    }

    fn count(&mut self, queued: &QueuedProposal) {
        let inline = matches!(queued.proposal_or_ref_type(), ProposalOrRefType::Proposal);
        match queued.proposal() {
            Proposal::Add(add) if inline => self.adds.push(AddedLeaf::of(add.key_package())),
            Proposal::Remove(remove) if inline => self.removes.push(remove.removed().u32()),
            Proposal::Remove(remove) if *queued.sender() == Sender::Member(remove.removed()) => {
                self.covered_leaves.push(remove.removed().u32());
            }
            Proposal::PreSharedKey(_) if inline => match external_psk_id(queued.proposal()) {
                Some(id) => self.psks.push(id),
                None => self.others += 1,
            },
            Proposal::GroupContextExtensions(change) if inline && self.policy.is_none() => {
                match policy_of(change.extensions()) {
                    Some(policy) => self.policy = Some(policy),
                    None => self.others += 1,
                }
            }
            _ => self.others += 1,
        }
    }
}

impl AddedLeaf {
    pub(super) fn of(key_package: &KeyPackage) -> Self {
        let leaf = key_package.leaf_node();
        let hpke_keys = [encryption_key(leaf), key_package.hpke_init_key().as_slice().to_vec()];
        let lifetime = key_package.life_time();
        Self {
            signature_key: leaf.signature_key().as_slice().to_vec(),
            credential: basic(leaf.credential()),
            // R4: an unlimited lifetime is the same to every clock.
            is_standard: lifetime.not_before() == 0
                && lifetime.not_after() == u64::MAX
                && *leaf.capabilities() == capabilities()
                && leaf.extensions().iter().next().is_none()
                && key_package.extensions().iter().next().is_none()
                // The engine does not look: with one bad key in the tree no later commit could have a path.
                && hpke_keys.iter().all(|key| hpke::is_usable(key)),
            hpke_keys,
        }
    }
}

pub(super) fn basic(credential: &Credential) -> Vec<u8> {
    match credential.credential_type() {
        openmls::prelude::CredentialType::Basic => credential.serialized_content().to_vec(),
        _ => Vec::new(),
    }
}

/// Every leaf has the standard capabilities and no extensions from its first day on, so those are what must stay.
fn same_identity(new: &LeafNode, old: &Member) -> bool {
    *new.credential() == old.credential
        && new.signature_key().as_slice() == old.signature_key
        && *new.capabilities() == capabilities()
        && new.extensions().iter().next().is_none()
        && hpke::is_usable(&encryption_key(new))
}

/// openmls has no accessor for its bytes: the key is written out and read back. Empty if that fails, which no key is.
fn encryption_key(leaf: &LeafNode) -> Vec<u8> {
    let written = leaf.encryption_key().tls_serialize_detached().unwrap_or_default();
    read_exact::<VLBytes>(&written).map(Vec::from).unwrap_or_default()
}

/// openmls has no accessor for a PSK proposal's identifier: it is written out and read back.
fn external_psk_id(proposal: &Proposal) -> Option<Vec<u8>> {
    let Proposal::PreSharedKey(psk) = proposal else { return None };
    let bytes = psk.tls_serialize_detached().ok()?;
    match read_exact::<PreSharedKeyId>(&bytes)?.psk() {
        Psk::External(external) => Some(external.psk_id().to_vec()),
        _ => None,
    }
}

/// Returns the policy of extensions that are exactly those of a call.
pub(super) fn policy_of(extensions: &Extensions<GroupContext>) -> Option<Vec<u8>> {
    let policy = extensions.unknown(POLICY_EXTENSION)?.0.clone();
    let expected = context_extensions(policy.clone());
    let same = extensions.iter().count() == expected.len()
        && expected.iter().all(|e| extensions.iter().any(|x| x == e));
    same.then_some(policy)
}
