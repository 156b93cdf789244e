//! The group as one member has it: own commits and proposals, and those of others.

use openmls::extensions::{Extension, Extensions, UnknownExtension};
use openmls::group::{GroupId, MlsGroup, StageCommitError};
use openmls::prelude::PURE_CIPHERTEXT_WIRE_FORMAT_POLICY;
use openmls::prelude::{
    ApplyUpdatePathError, BasicCredential, CredentialWithKey, KeyPackage, KeyPackageIn, LeafNodeIndex,
    Lifetime, ParentNode, PreSharedKeyProposal, PrivateMessageIn, ProcessMessageError,
    ProcessedMessageContent, Proposal, ProtocolMessage, ProtocolVersion, QueuedProposal, Sender,
    SenderRatchetConfiguration, StagedCommit,
};
use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};
use openmls_traits::storage::StorageProvider as _;
use std::collections::BTreeSet;
use std::sync::Arc;

use tls_codec::{Serialize as _, VLBytes};
use zeroize::Zeroizing;

use super::blanks::{Block, Blocks};
use super::entry::{EntryFault, LogEntry, enclose};
use super::provider::{CIPHERSUITE, Provider, SignatureKey};
use super::reread::{note_path_keys, reread};
use super::summary::{AddedLeaf, CommitSummary, Leaf, basic, policy_of};
use super::wire::{read, read_exact};
use super::{
    EngineError, MAX_OWN_MESSAGES, PADDING, POSITION_EXTENSION, SENDER_RATCHET, capabilities,
    context_extensions,
};
use crate::crypto::Random;
use crate::id::{CallId, Epoch};

/// A key package whose signature and form were checked; nothing else can be added to a group.
pub(crate) struct VerifiedKeyPackage {
    pub(crate) leaf: AddedLeaf,
    key_package: KeyPackage,
}

#[cfg(test)]
impl VerifiedKeyPackage {
    pub(super) fn for_forging(&self) -> &KeyPackage {
        &self.key_package
    }
}

/// What an own commit is to do.
#[derive(Default)]
pub(crate) struct Plan<'a> {
    pub(crate) adds: Vec<&'a VerifiedKeyPackage>,
    pub(crate) removes: Vec<u32>,
    pub(crate) policy: Option<Vec<u8>>,
    /// The external PSK that adds must carry.
    pub(crate) psk_id: &'a [u8],
}

/// An own commit that waits for the log.
pub(crate) struct OwnCommit {
    pub(crate) commit: Vec<u8>,
    pub(crate) welcome: Option<Vec<u8>>,
}

/// What a log entry of somebody else turned out to be.
pub(crate) enum Processed {
    /// A member wants to leave; noted until a commit covers it or the epoch ends.
    Leave { leaf: u32 },
    /// An authentic commit that the engine did not take; nothing was changed. `private` says whether that hangs on this member's
    /// private keys (R7), so that others may well have applied it.
    Failed { summary: CommitSummary, private: bool },
    /// A commit, not applied yet: to be handed to `accept` or `refuse`.
    Commit { summary: CommitSummary, staged: Staged },
}

/// A commit of somebody else that was decrypted and verified; the one there is (R24).
pub(crate) struct Staged(Box<StagedCommit>);

/// One member's view of the MLS group.
pub(crate) struct Group {
    pub(super) provider: Provider,
    pub(super) mls: MlsGroup,
    pub(super) signer: SignatureKey,
    /// R24: self-removals logged in this epoch, kept outside of the engine until the commit that covers them.
    pub(super) logged: Vec<(u32, QueuedProposal)>,
    own_leave: Option<QueuedProposal>,
    /// Who sits where in this epoch: read out of the tree once, as everything about an epoch asks for it.
    leaves: Arc<[Leaf]>,
    /// Own handshake messages made in this epoch, whether or not they made it into the log.
    own_messages: u32,
    /// A refused entry could not be undone: memory and storage differ.
    broken: bool,
}

impl Group {
    /// Founds a group of one.
    pub(crate) fn create(
        random: Random,
        call: CallId,
        signer: SignatureKey,
        credential: Vec<u8>,
        policy: Vec<u8>,
    ) -> Result<Self, EngineError> {
        let provider = Provider::new(random);
        let public = signer.public();
        let extensions =
            Extensions::from_vec(context_extensions(policy).into()).map_err(|_| EngineError("extensions"))?;
        let mls = MlsGroup::builder()
            .with_group_id(GroupId::from_slice(&call.0))
            .ciphersuite(CIPHERSUITE)
            .with_wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .padding_size(PADDING)
            .max_past_epochs(0)
            .number_of_resumption_psks(0)
            .use_ratchet_tree_extension(true)
            .sender_ratchet_configuration(SenderRatchetConfiguration::new(SENDER_RATCHET.0, SENDER_RATCHET.1))
            .lifetime(Lifetime::init(0, u64::MAX))
            .with_group_context_extensions(extensions)
            .with_capabilities(capabilities())
            .build(&provider, &signer, credential_with_key(credential, &public))
            .map_err(|_| EngineError("founding the group"))?;
        Ok(Self::new(provider, mls, signer))
    }

    pub(super) fn new(provider: Provider, mls: MlsGroup, signer: SignatureKey) -> Self {
        let leaves = read_leaves(&mls);
        let (logged, own_leave) = (Vec::new(), None);
        Self { provider, mls, signer, logged, own_leave, leaves, own_messages: 0, broken: false }
    }

    pub(crate) fn random(&self) -> &Random {
        &self.provider.crypto.random
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.mls.epoch().as_u64())
    }

    pub(crate) fn own_leaf(&self) -> u32 {
        self.mls.own_leaf_index().u32()
    }

    pub(crate) fn own_signature_key(&self) -> [u8; 32] {
        self.signer.public()
    }

    /// Returns the public HPKE keys of the tree's parent nodes.
    pub(crate) fn parent_keys(&self) -> BTreeSet<Vec<u8>> {
        // openmls has no accessor: a node is written out, and its key, which comes first (RFC 9420 §7.1), read back.
        let key = |parent: &ParentNode| {
            let written = parent.tls_serialize_detached().ok()?;
            read::<VLBytes>(&written).map(|(key, _)| key.into())
        };
        self.mls.treesync().full_parents().filter_map(|(_, parent)| key(parent)).collect()
    }

    /// Returns the occupied leaves of this epoch's tree, in order.
    pub(crate) fn leaves(&self) -> Arc<[Leaf]> {
        Arc::clone(&self.leaves)
    }

    /// Returns the parts of the tree that make commits long, the neediest first.
    pub(crate) fn blocks_in_need(&self) -> Vec<Block> {
        Blocks::of(self.mls.treesync()).in_need()
    }

    /// Says whether a leaf is in such a part.
    pub(crate) fn needs_care_at(&self, leaf: u32) -> bool {
        Blocks::of(self.mls.treesync()).need_care_at(leaf)
    }

    /// Returns the policy in the group context, if the context is that of a call.
    pub(crate) fn policy(&self) -> Option<Vec<u8>> {
        policy_of(self.mls.extensions())
    }

    /// Returns what all members of this epoch, and only they, agree on (RFC 9420 §8.7); their safety code is made of it.
    pub(crate) fn authenticator(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.mls.epoch_authenticator().as_slice().to_vec())
    }

    /// Signs something that is not MLS, under a label of the caller's.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signer.sign_bytes(message)
    }

    /// Exports a secret of this epoch (RFC 9420 §8.5).
    pub(crate) fn export(&self, label: &str, len: usize) -> Result<Zeroizing<Vec<u8>>, EngineError> {
        self.mls
            .export_secret(&self.provider.crypto, label, &[], len)
            .map(Zeroizing::new)
            .map_err(|_| EngineError("exporting a secret"))
    }

    /// Makes the current invite's PSK known to the engine.
    pub(crate) fn store_psk(&self, id: &[u8], secret: &[u8]) -> Result<(), EngineError> {
        self.psk(id)?.store(&self.provider, secret).map_err(|_| EngineError("storing a psk"))
    }

    /// Forgets the PSK of an invite that was rotated.
    pub(crate) fn forget_psk(&self, id: &[u8]) -> Result<(), EngineError> {
        let psk = Psk::External(ExternalPsk::new(id.to_vec()));
        self.provider.storage.delete_psk(&psk).map_err(|_| EngineError("forgetting a psk"))
    }

    pub(super) fn psk(&self, id: &[u8]) -> Result<PreSharedKeyId, EngineError> {
        let psk = Psk::External(ExternalPsk::new(id.to_vec()));
        PreSharedKeyId::new(CIPHERSUITE, &self.provider.crypto, psk).map_err(|_| EngineError("no randomness"))
    }

    /// Checks a guest's key package: signatures, version, ciphersuite.
    pub(crate) fn verify_key_package(&self, bytes: &[u8]) -> Option<VerifiedKeyPackage> {
        let key_package = read_exact::<KeyPackageIn>(bytes)?
            .validate(&self.provider.crypto, ProtocolVersion::Mls10)
            .ok()?;
        let leaf = AddedLeaf::of(&key_package);
        (key_package.ciphersuite() == CIPHERSUITE).then_some(VerifiedKeyPackage { leaf, key_package })
    }

    /// Builds an own commit for a log position; it stays pending until `merge_own` or `drop_own`.
    ///
    /// It covers all self-removals logged in this epoch (R2), and carries no path unless it removes somebody, changes the
    /// policy, or is empty.
    pub(crate) fn stage_own(&mut self, plan: Plan<'_>, position: u64) -> Result<OwnCommit, EngineError> {
        self.drop_own()?;
        if !self.may_send() {
            return Err(EngineError("too many own messages in this epoch"));
        }
        let staged = self.try_stage_own(plan, position);
        if staged.is_err() {
            self.drop_own()?;
        }
        staged
    }

    fn try_stage_own(&mut self, plan: Plan<'_>, position: u64) -> Result<OwnCommit, EngineError> {
        let failed = |_| EngineError("building a commit");
        let psk = match plan.adds.is_empty() {
            true => None,
            false => {
                Some(Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(self.psk(plan.psk_id)?))))
            }
        };
        self.store_logged()?;
        self.mls.set_aad(position.to_be_bytes().to_vec());
        let mut builder = self
            .mls
            .commit_builder()
            .consume_proposal_store(true)
            .propose_adds(plan.adds.iter().map(|verified| verified.key_package.clone()))
            .propose_removals(plan.removes.iter().map(|leaf| LeafNodeIndex::new(*leaf)))
            .add_proposals(psk);
        if let Some(policy) = plan.policy {
            let extensions = Extensions::from_vec(context_extensions(policy).into())
                .map_err(|_| EngineError("extensions"))?;
            builder = builder.propose_group_context_extensions(extensions).map_err(failed)?;
        }
        let position =
            Extension::Unknown(POSITION_EXTENSION, UnknownExtension(position.to_be_bytes().to_vec()));
        let built = builder
            .load_psks(&self.provider.storage)
            .map_err(failed)?
            .create_group_info_with_extensions([position])
            .map_err(|_| EngineError("extensions"))?
            .build(&self.provider.crypto, &self.provider.crypto, &self.signer, |_| true)
            .map_err(failed)?;
        self.own_messages += 1; // staging encrypts: the generation is used up, whatever becomes of it
        let messages = built.stage_commit(&self.provider).map_err(|_| EngineError("staging a commit"))?;
        let written = |_| EngineError("writing a message");
        let welcome =
            messages.to_welcome_msg().map(|welcome| welcome.to_bytes()).transpose().map_err(written)?;
        let commit = messages.into_commit().to_bytes().map_err(written)?;
        Ok(OwnCommit { commit: self.enclose(commit), welcome })
    }

    /// What a tampered client could send: a commit of whose path some learn a wrong secret (R7).
    #[cfg(any(test, feature = "tampered"))]
    pub(crate) fn forge_path(
        &mut self,
        plan: Plan<'_>,
        spoils: super::Spoils,
        position: u64,
    ) -> Result<Vec<u8>, EngineError> {
        let set = |crypto: &super::provider::Crypto, spoils| {
            *crypto.spoils.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = spoils;
        };
        set(&self.provider.crypto, Some(spoils));
        let forged = self.stage_own(plan, position);
        set(&self.provider.crypto, None);
        self.drop_own()?;
        forged.map(|own| own.commit)
    }

    /// Forgets an own commit or leave that did not make it into the log. Leaves nothing behind, but for the generation of
    /// the own sending ratchet, which is used up for good (R5).
    pub(crate) fn drop_own(&mut self) -> Result<(), EngineError> {
        self.own_leave = None;
        self.mls.set_aad(Vec::new());
        let storage = &self.provider.storage;
        self.mls.clear_pending_commit(storage).map_err(|_| EngineError("storage"))?;
        if self.mls.has_pending_proposals() {
            self.mls.clear_pending_proposals(storage).map_err(|_| EngineError("storage"))?;
        }
        Ok(())
    }

    /// Says what the pending own commit would do, to be judged like everybody else's.
    pub(crate) fn own_summary(&self) -> Option<CommitSummary> {
        let own = self.mls.own_leaf_index();
        let current = self.mls.member_at(own);
        Some(CommitSummary::of(own.u32(), current.as_ref(), self.mls.pending_commit()?))
    }

    /// Applies the own commit, once it is known to stand in the log (R6).
    pub(crate) fn merge_own(&mut self) -> Result<(), EngineError> {
        self.mls.merge_pending_commit(&self.provider).map_err(|_| EngineError("merging an own commit"))?;
        self.leaves = read_leaves(&self.mls);
        self.forget_epoch();
        Ok(())
    }

    /// Says whether the others could still hear an own message made in this epoch.
    pub(crate) fn may_send(&self) -> bool {
        self.own_messages < MAX_OWN_MESSAGES
    }

    /// Makes the proposal to remove oneself; it counts once `own_leave_is_logged`.
    pub(crate) fn propose_leave(&mut self, position: u64) -> Result<Vec<u8>, EngineError> {
        self.drop_own()?;
        if !self.may_send() {
            return Err(EngineError("too many own messages in this epoch"));
        }
        self.own_messages += 1;
        self.mls.set_aad(position.to_be_bytes().to_vec());
        let message = self
            .mls
            .leave_group(&self.provider, &self.signer)
            .map_err(|_| EngineError("proposing to leave"))?;
        let own = self.mls.pending_proposals().next().cloned();
        self.drop_own()?;
        self.own_leave = own;
        let message = message.to_bytes().map_err(|_| EngineError("writing a message"))?;
        Ok(self.enclose(message))
    }

    /// R6: signs the very bytes.
    pub(crate) fn enclose(&self, message: Vec<u8>) -> Vec<u8> {
        enclose(message, |bytes| self.signer.sign_bytes(bytes))
    }

    /// Notes that the own leave stands in the log. `false` if there is none.
    pub(crate) fn own_leave_is_logged(&mut self) -> bool {
        let own = self.own_leave.take();
        let there = own.is_some();
        self.logged.extend(own.map(|proposal| (self.own_leaf(), proposal)));
        there
    }

    /// Returns the leaves whose self-removals were logged in this epoch.
    pub(crate) fn logged_leaves(&self) -> Vec<u32> {
        self.logged.iter().map(|(leaf, _)| *leaf).collect()
    }

    fn store_logged(&mut self) -> Result<(), EngineError> {
        for (_, proposal) in &self.logged {
            self.mls
                .store_pending_proposal(&self.provider.storage, proposal.clone())
                .map_err(|_| EngineError("storage"))?;
        }
        Ok(())
    }

    /// Takes in a log entry of somebody else, inside a transaction: a fault leaves everything as it was (R5).
    ///
    /// A commit must then be accepted or refused before anything else is done with the group.
    pub(crate) fn process(&mut self, entry: LogEntry) -> Result<Processed, EntryFault> {
        self.provider.storage.begin();
        self.provider.crypto.note();
        let LogEntry { message, is_commit, seal } = entry;
        let logged = self.logged.len();
        let mut processed = self.try_process(message, is_commit);
        let noted = self.provider.crypto.take_noted();
        let maker = noted.sender().and_then(|leaf| self.mls.member_at(LeafNodeIndex::new(leaf)));
        let is_sealed = maker.is_some_and(|maker| seal.holds(&maker.signature_key));
        if !is_sealed && processed.is_ok() {
            self.logged.truncate(logged);
            processed = Err(EntryFault::Invalid);
        }
        if let Ok(Processed::Commit { summary, .. }) = &mut processed {
            note_path_keys(summary, &noted);
            #[cfg(test)]
            self.hold_against(summary, &noted);
        }
        match processed {
            Ok(Processed::Leave { .. }) => self.provider.storage.commit(),
            Ok(_) => {}
            Err(_) => self.undo(),
        }
        let fault = match processed {
            Ok(processed) => return Ok(processed),
            Err(fault) => fault,
        };
        let member_at = |leaf| self.mls.member_at(LeafNodeIndex::new(leaf));
        match reread(&self.provider.crypto, &noted, &self.logged, member_at)
            .filter(|_| is_commit && is_sealed)
        {
            Some(summary) => Ok(Processed::Failed { summary, private: fault == EntryFault::Unappliable }),
            None => Err(fault),
        }
    }

    fn try_process(&mut self, message: PrivateMessageIn, is_commit: bool) -> Result<Processed, EntryFault> {
        if is_commit {
            self.store_logged().map_err(|_| EntryFault::Unappliable)?;
        }
        let message = ProtocolMessage::PrivateMessage(message);
        let processed = self.mls.process_message(&self.provider, message).map_err(fault)?;
        let Sender::Member(sender) = *processed.sender() else { return Err(EntryFault::Invalid) };
        match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                let current = self.mls.member_at(sender);
                let summary = CommitSummary::of(sender.u32(), current.as_ref(), &staged);
                Ok(Processed::Commit { summary, staged: Staged(staged) })
            }
            ProcessedMessageContent::ProposalMessage(proposal) => {
                let leaf = sender.u32();
                // R1: a member's only proposal is to remove himself; and once is enough.
                let is_leave = matches!(proposal.proposal(), Proposal::Remove(r) if r.removed() == sender);
                if !is_leave || self.logged.iter().any(|(logged, _)| *logged == leaf) {
                    return Err(EntryFault::Invalid);
                }
                self.logged.push((leaf, *proposal));
                Ok(Processed::Leave { leaf })
            }
            ProcessedMessageContent::OwnPrivateMessage | ProcessedMessageContent::OwnPendingCommit => {
                Err(EntryFault::NotOurs)
            }
            _ => Err(EntryFault::Invalid),
        }
    }

    /// What is read again of commits that fail must be what the engine says of those that do not.
    #[cfg(test)]
    fn hold_against(&self, summary: &CommitSummary, noted: &super::provider::Noted) {
        let member_at = |leaf| self.mls.member_at(LeafNodeIndex::new(leaf));
        let again = reread(&self.provider.crypto, noted, &self.logged, member_at);
        assert_eq!(again.as_ref(), Some(summary), "read again");
    }

    /// Applies a commit that was judged allowed. Says whether this member is still in the group.
    pub(crate) fn accept(&mut self, staged: Staged) -> Result<bool, EngineError> {
        let stays = !staged.0.self_removed();
        self.provider.storage.commit();
        self.mls
            .merge_staged_commit(&self.provider, *staged.0)
            .map_err(|_| EngineError("merging a commit"))?;
        self.leaves = read_leaves(&self.mls);
        self.forget_epoch();
        Ok(stays)
    }

    /// Drops a commit that was judged not allowed: the secret tree and the proposal store are as before (R5).
    pub(crate) fn refuse(&mut self, staged: Staged) {
        drop(staged);
        self.undo();
    }

    fn undo(&mut self) {
        // The engine changes nothing before it has authenticated a message; only then does the state have to be read back.
        // Its own sending ratchet is written out whenever it moves, so it cannot go back here.
        if !self.provider.storage.roll_back() {
            return;
        }
        match self.read_back() {
            Some(before) => self.mls = before,
            None => self.broken = true,
        }
    }

    fn read_back(&self) -> Option<MlsGroup> {
        let (storage, id) = (&self.provider.storage, self.mls.group_id());
        storage.keep_tree(id, self.mls.treesync()).ok()?;
        let before = MlsGroup::load(storage, id).ok()?;
        storage.delete_tree(id).ok()?;
        before
    }

    /// Says whether undoing an entry failed: there is no state to go on from.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Wipes what is stored. The group is of no use afterwards.
    pub(crate) fn wipe(&mut self) {
        self.forget_epoch();
        self.provider.storage.wipe();
    }

    fn forget_epoch(&mut self) {
        self.logged.clear();
        self.own_leave = None;
        self.own_messages = 0;
    }

    #[cfg(test)]
    pub(crate) fn has_something_stored(&self) -> bool {
        self.provider.storage.digest() != super::storage::Storage::default().digest()
    }

    #[cfg(test)]
    pub(crate) fn digest(&self) -> [u8; 32] {
        let tree = self.mls.export_ratchet_tree().tls_serialize_detached().expect("a tree");
        crate::crypto::hash::labelled("group", &[&self.provider.storage.digest(), &tree])
    }
}

fn read_leaves(mls: &MlsGroup) -> Arc<[Leaf]> {
    let leaf = |member: openmls::group::Member| Leaf {
        index: member.index.u32(),
        signature_key: member.signature_key,
        credential: basic(&member.credential),
        encryption_key: member.encryption_key,
    };
    mls.members().map(leaf).collect()
}

pub(super) fn credential_with_key(credential: Vec<u8>, public: &[u8; 32]) -> CredentialWithKey {
    CredentialWithKey {
        credential: BasicCredential::new(credential).into(),
        signature_key: public.as_slice().into(),
    }
}

/// Sorts the engine's refusals: those that hang on this member's private keys (R7), and those that everybody shares.
fn fault<E>(error: ProcessMessageError<E>) -> EntryFault {
    use ApplyUpdatePathError::{
        InconsistentSenderIndex, MissingParentHash, ParentHashMismatch, PathLengthMismatch, TreeFull,
    };
    match error {
        // What all members see alike.
        ProcessMessageError::InvalidCommit(StageCommitError::UpdatePathError(
            PathLengthMismatch | ParentHashMismatch | MissingParentHash | InconsistentSenderIndex | TreeFull,
        )) => EntryFault::Invalid,
        // Everything else about a path is between the committer and this member's keys.
        ProcessMessageError::InvalidCommit(
            StageCommitError::UpdatePathError(_) | StageCommitError::ConfirmationTagMismatch,
        ) => EntryFault::Unappliable,
        _ => EntryFault::Invalid,
    }
}
