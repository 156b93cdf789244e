//! The waiting room, as a host has it (R10).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::invite::Invite;
use super::knock::{self, Answer, AnswerKey, AnswerNonce};
use super::message::{Knock, Lane, Message};
use super::profile::Profile;
use super::roster::participant_id;
use crate::crypto::hpke::PrivateKey;
use crate::group::{Group, VerifiedKeyPackage};
use crate::id::{MailboxId, ParticipantId};

/// Guests that may wait at once; further knocks are refused until somebody is answered.
pub(super) const MAX_WAITING: usize = 2048;
/// Knocks that are remembered over an invite's life, so that a replayed one is nothing.
pub(super) const MAX_REMEMBERED: usize = 65_536;

/// A message in the lobby's mailbox was not a knock that can be answered. Nothing was kept of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum KnockFault {
    /// Longer than any knock.
    #[error("longer than any knock")]
    TooLong,
    /// Not sealed by somebody with the invite, or damaged.
    #[error("not sealed with the invite, or damaged")]
    Unauthentic,
    /// Seen before.
    #[error("a knock that was seen before")]
    Replayed,
    /// The key package or the name in it is not one that a call takes.
    #[error("not a key package that a call takes")]
    Unsuitable,
    /// One of its keys was used in this call before.
    #[error("one of its keys was used before")]
    KeyReused,
    /// Too many guests wait, or too many have knocked with this invite.
    #[error("the waiting room is full")]
    Full,
}

/// A guest who waits.
pub(super) struct Waiting {
    pub(super) key_package: VerifiedKeyPackage,
    pub(super) answer: AnswerKey,
    /// Named by the invite that he knocked with, which may not be the current one any more.
    pub(super) mailbox: MailboxId,
}

/// A guest who was let in and has not been answered yet.
pub(super) struct Admitted {
    pub(super) waiting: Waiting,
    pub(super) answer: Arc<Answer>,
    pub(super) nonce: AnswerNonce,
}

impl Admitted {
    pub(super) fn seal(self) -> Message {
        let sealed = self.waiting.answer.seal(&self.answer, self.nonce);
        Message { lane: Lane::Mailbox(self.waiting.mailbox), payload: Bytes::from(sealed) }
    }
}

pub(super) struct Lobby {
    private_key: PrivateKey,
    waiting: BTreeMap<ParticipantId, Waiting>,
    /// R10: hashes of knocks, and the participations they asked for, for the invite's life.
    seen: BTreeSet<[u8; 32]>,
    seen_ids: BTreeSet<ParticipantId>,
    seen_hpke_keys: BTreeSet<Vec<u8>>,
}

impl Lobby {
    pub(super) fn new(private_key: PrivateKey) -> Self {
        Self {
            private_key,
            waiting: BTreeMap::new(),
            seen: BTreeSet::new(),
            seen_ids: BTreeSet::new(),
            seen_hpke_keys: BTreeSet::new(),
        }
    }

    /// Takes in a knock: everything is checked before anything is kept.
    pub(super) fn knock(
        &mut self,
        invite: &Invite,
        group: &Group,
        known: impl Fn(&[u8]) -> bool,
        bytes: &[u8],
    ) -> Result<Knock, KnockFault> {
        if bytes.len() > knock::MAX_KNOCK_LEN {
            return Err(KnockFault::TooLong);
        }
        let hash = knock::hash_of(bytes);
        if self.seen.contains(&hash) {
            return Err(KnockFault::Replayed);
        }
        if self.waiting.len() >= MAX_WAITING || self.seen.len() >= MAX_REMEMBERED {
            return Err(KnockFault::Full);
        }
        let (key_package, answer) =
            knock::open(invite, &self.private_key, bytes).map_err(|_| KnockFault::Unauthentic)?;
        let key_package = group.verify_key_package(&key_package).ok_or(KnockFault::Unsuitable)?;
        let profile = Profile::from_credential(&key_package.leaf.credential).ok_or(KnockFault::Unsuitable)?;
        if !key_package.leaf.is_standard {
            return Err(KnockFault::Unsuitable);
        }
        let id = participant_id(invite.call(), &key_package.leaf.signature_key);
        // MLS takes no key twice, so two guests who share one could not be admitted together.
        let [leaf_key, init_key] = &key_package.leaf.hpke_keys;
        let in_tree = |key: &Vec<u8>| group.leaves().iter().any(|leaf| leaf.encryption_key == *key);
        let reused = |key: &Vec<u8>| self.seen_hpke_keys.contains(key) || in_tree(key);
        let id_reused = known(&key_package.leaf.signature_key) || self.seen_ids.contains(&id);
        if id_reused || leaf_key == init_key || reused(leaf_key) || reused(init_key) {
            return Err(KnockFault::KeyReused);
        }
        self.seen_hpke_keys.extend(key_package.leaf.hpke_keys.iter().cloned());
        self.seen_ids.insert(id);
        self.seen.insert(hash);
        let mailbox = invite.answer_mailbox(answer.knock());
        self.waiting.insert(id, Waiting { key_package, answer, mailbox });
        Ok(Knock { id, name: profile.name().to_owned(), kind: profile.kind() })
    }

    pub(super) fn waiting(&self, id: ParticipantId) -> Option<&Waiting> {
        self.waiting.get(&id)
    }

    pub(super) fn take(&mut self, id: ParticipantId) -> Option<Waiting> {
        self.waiting.remove(&id)
    }
}
