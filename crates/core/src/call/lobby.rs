//! The waiting room, as a host has it (R10).

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::identity::Credential;
use super::invite::Invite;
use super::knock::{self, Answer, AnswerKey, AnswerNonce};
use super::message::{Knock, Lane, Message, VouchRequest};
use super::presence::KnockHash;
use super::roster::{Fingerprint, participant_id};
use crate::crypto::hpke::PrivateKey;
use crate::group::{Group, VerifiedKeyPackage};
use crate::id::{Epoch, MailboxId, ParticipantId};
use crate::time::Time;

/// Guests that may wait at once; further knocks are refused until somebody is answered.
pub(super) const MAX_WAITING: usize = 2048;
/// Knocks that are remembered over an invite's life, so that a replayed one is nothing.
pub(super) const MAX_REMEMBERED: usize = 65_536;
/// Knocks that are opened per second in the long run, and at once after a pause. Opening one costs some 0.2 ms whether it is
/// genuine or not, so a flood takes a fiftieth of a processor and no more.
const KNOCKS_PER_SECOND: u32 = 100;
const KNOCKS_AT_ONCE: u32 = 2048;
/// R4: how long a guest waits, on the host's clock, before he has to knock anew; his key package itself never expires.
const WAITS_FOR: Duration = Duration::from_secs(4 * 3600);

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
    /// More knocks than are looked at in this time. Nothing was remembered of this one: hand it in again later.
    #[error("too many knocks in a short time")]
    TooFast,
}

/// Whether a verifier of the app has spoken for a guest.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Vouching {
    /// Nobody asks for it.
    NotNeeded,
    /// The question is out.
    Asked,
    Vouched(String),
}

/// A guest who waits.
pub(super) struct Waiting {
    pub(super) key_package: VerifiedKeyPackage,
    pub(super) answer: AnswerKey,
    /// Named by the invite that he knocked with, which may not be the current one any more.
    pub(super) mailbox: MailboxId,
    pub(super) vouching: Vouching,
    knock: Knock,
    since: Time,
}

impl Waiting {
    /// What a verifier is asked.
    fn request(&self) -> Option<VouchRequest> {
        let Credential { profile, proof, .. } = Credential::decode(&self.key_package.leaf.credential)?;
        Some(VouchRequest {
            id: self.knock.id,
            name: profile.name().to_owned(),
            kind: profile.kind(),
            signature_key: self.key_package.leaf.signature_key.as_slice().try_into().ok()?,
            fingerprint: self.knock.fingerprint,
            proof,
        })
    }

    /// Returns how other hosts know the knock.
    pub(super) fn short_hash(&self) -> KnockHash {
        short(self.answer.knock())
    }
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
    seen: BTreeSet<KnockHash>,
    /// Those that other hosts answered.
    answered: BTreeSet<KnockHash>,
    seen_ids: BTreeSet<ParticipantId>,
    seen_hpke_keys: BTreeSet<Vec<u8>>,
    /// HPKE keys of the tree in an epoch, so that a flood of knocks does not read them out each time.
    tree_keys: Option<(Epoch, BTreeSet<Vec<u8>>)>,
    allowance: Allowance,
    /// For words of guests who go away.
    pub(super) withdrawals: Allowance,
}

/// How many messages may still be opened: so many at once, and so many a second in the long run.
pub(super) struct Allowance {
    at_once: u32,
    per_second: u32,
    /// In thousandths of a message, and since when.
    left: u64,
    counted_at: Time,
}

impl Allowance {
    pub(super) fn new(at_once: u32, per_second: u32) -> Self {
        Self { at_once, per_second, left: u64::from(at_once) * 1000, counted_at: Time::ZERO }
    }

    pub(super) fn spend(&mut self, now: Time) -> Result<(), KnockFault> {
        let earned = (now - self.counted_at).as_micros().saturating_mul(u128::from(self.per_second)) / 1000;
        let full = u64::from(self.at_once) * 1000;
        self.left = self.left.saturating_add(u64::try_from(earned).unwrap_or(full)).min(full);
        self.counted_at = now;
        self.left = self.left.checked_sub(1000).ok_or(KnockFault::TooFast)?;
        Ok(())
    }
}

/// What a knock is told apart by, here and among hosts: the first half of its hash.
pub(super) fn short(hash: &[u8; 32]) -> KnockHash {
    *hash.first_chunk().expect("32 bytes have 16 first ones")
}

/// What comes of a knock.
pub(super) enum Heard {
    Knock(Knock),
    /// First a verifier of the app has to speak for the guest.
    Vouch(VouchRequest),
    /// Another host answered it.
    Answered,
}

impl Lobby {
    /// A waiting room; `answered` are knocks that another host answered before.
    pub(super) fn new(private_key: PrivateKey, answered: impl IntoIterator<Item = KnockHash>) -> Self {
        Self {
            private_key,
            waiting: BTreeMap::new(),
            seen: BTreeSet::new(),
            answered: answered.into_iter().take(MAX_REMEMBERED).collect(),
            seen_ids: BTreeSet::new(),
            seen_hpke_keys: BTreeSet::new(),
            tree_keys: None,
            allowance: Allowance::new(KNOCKS_AT_ONCE, KNOCKS_PER_SECOND),
            withdrawals: Allowance::new(KNOCKS_AT_ONCE, KNOCKS_PER_SECOND),
        }
    }

    pub(super) fn private_key(&self) -> &PrivateKey {
        &self.private_key
    }

    /// Closes the room for good: returns its key, and the knocks that came.
    pub(super) fn close(mut self) -> (PrivateKey, BTreeSet<KnockHash>) {
        let mut knocks = core::mem::take(&mut self.seen);
        knocks.append(&mut self.answered);
        (self.private_key, knocks)
    }

    /// Returns the guests who wait and whom hosts have been told of.
    pub(super) fn knocks(&self) -> impl Iterator<Item = &Knock> {
        self.waiting
            .values()
            .filter(|waiting| waiting.vouching != Vouching::Asked)
            .map(|waiting| &waiting.knock)
    }

    pub(super) fn find(&self, is: impl Fn(&Waiting) -> bool) -> Option<ParticipantId> {
        self.waiting.iter().find(|(_, waiting)| is(waiting)).map(|(id, _)| *id)
    }

    pub(super) fn expired(&self, now: Time) -> impl Iterator<Item = ParticipantId> {
        let is_over = move |waiting: &Waiting| now - waiting.since >= WAITS_FOR;
        self.waiting.iter().filter(move |(_, waiting)| is_over(waiting)).map(|(id, _)| *id)
    }

    /// The policy asks for a verifier since now, or not any more: returns whom it has to be asked about, or who is shown now.
    pub(super) fn require_vouching(&mut self, required: bool) -> Vec<Heard> {
        let mut heard = Vec::new();
        for waiting in self.waiting.values_mut() {
            match (&waiting.vouching, required) {
                (Vouching::NotNeeded, true) => {
                    waiting.vouching = Vouching::Asked;
                    heard.extend(waiting.request().map(Heard::Vouch));
                }
                (Vouching::Asked, false) => {
                    waiting.vouching = Vouching::NotNeeded;
                    heard.push(Heard::Knock(waiting.knock.clone()));
                }
                _ => {}
            }
        }
        heard
    }

    /// Returns hashes of knocks that were answered, some `max` of them.
    pub(super) fn settled_knocks(&self, max: usize) -> Vec<KnockHash> {
        let waiting = self.waiting.values().map(Waiting::short_hash).collect::<BTreeSet<_>>();
        let here = self.seen.iter().filter(|hash| !waiting.contains(*hash));
        self.answered.iter().chain(here).take(max).copied().collect()
    }

    /// Another host answered these; returns the guests who waited here.
    pub(super) fn settle(&mut self, knocks: &[KnockHash]) -> Vec<ParticipantId> {
        let room = MAX_REMEMBERED.saturating_sub(self.answered.len());
        self.answered.extend(knocks.iter().take(room));
        let knocks = knocks.iter().collect::<BTreeSet<_>>();
        let gone = self.waiting.iter().filter(|(_, waiting)| knocks.contains(&waiting.short_hash()));
        let gone = gone.map(|(id, _)| *id).collect::<Vec<_>>();
        gone.iter().for_each(|id| drop(self.waiting.remove(id)));
        gone
    }

    /// Empties the room.
    pub(super) fn take_all(&mut self) -> Vec<(ParticipantId, Waiting)> {
        core::mem::take(&mut self.waiting).into_iter().collect()
    }

    /// Takes in a knock: everything is checked before anything is kept.
    pub(super) fn knock(
        &mut self,
        invite: &Invite,
        group: &Group,
        known: impl Fn(&[u8]) -> bool,
        to_be_vouched: bool,
        bytes: &[u8],
        now: Time,
    ) -> Result<Heard, KnockFault> {
        if bytes.len() > knock::MAX_KNOCK_LEN {
            return Err(KnockFault::TooLong);
        }
        let hash = short(&knock::hash_of(bytes));
        if self.answered.contains(&hash) {
            return Ok(Heard::Answered);
        }
        if self.seen.contains(&hash) {
            return Err(KnockFault::Replayed);
        }
        if self.waiting.len() >= MAX_WAITING || self.seen.len() >= MAX_REMEMBERED {
            return Err(KnockFault::Full);
        }
        self.allowance.spend(now)?;
        let (key_package, answer) =
            knock::open(invite, &self.private_key, bytes).map_err(|_| KnockFault::Unauthentic)?;
        let key_package = group.verify_key_package(&key_package).ok_or(KnockFault::Unsuitable)?;
        let credential = Credential::decode(&key_package.leaf.credential).ok_or(KnockFault::Unsuitable)?;
        if !key_package.leaf.is_standard || !credential.is_usable() {
            return Err(KnockFault::Unsuitable);
        }
        let id = participant_id(invite.call(), &key_package.leaf.signature_key);
        // MLS takes no key twice, so two guests who share one could not be admitted together.
        let [leaf_key, init_key] = &key_package.leaf.hpke_keys;
        if self.tree_keys.as_ref().is_none_or(|(epoch, _)| *epoch != group.epoch()) {
            let leaves = group.leaves();
            let leaves = leaves.iter().map(|leaf| leaf.encryption_key.clone());
            self.tree_keys = Some((group.epoch(), leaves.chain(group.parent_keys()).collect()));
        }
        let in_tree = |key: &Vec<u8>| self.tree_keys.as_ref().is_some_and(|(_, keys)| keys.contains(key));
        let reused = |key: &Vec<u8>| self.seen_hpke_keys.contains(key) || in_tree(key);
        let id_reused = known(&key_package.leaf.signature_key) || self.seen_ids.contains(&id);
        if id_reused || leaf_key == init_key || reused(leaf_key) || reused(init_key) {
            return Err(KnockFault::KeyReused);
        }
        self.seen_hpke_keys.extend(key_package.leaf.hpke_keys.iter().cloned());
        self.seen_ids.insert(id);
        self.seen.insert(hash);
        let mailbox = invite.answer_mailbox(answer.knock());
        let profile = credential.profile;
        let fingerprint = Fingerprint::of(&key_package.leaf.signature_key);
        let (name, kind) = (profile.name().to_owned(), profile.kind());
        let knock = Knock { id, name, kind, fingerprint, vouched_as: None };
        let vouching = if to_be_vouched { Vouching::Asked } else { Vouching::NotNeeded };
        let waiting = Waiting { key_package, answer, mailbox, vouching, knock: knock.clone(), since: now };
        let heard = match to_be_vouched {
            true => Heard::Vouch(waiting.request().ok_or(KnockFault::Unsuitable)?),
            false => Heard::Knock(knock),
        };
        self.waiting.insert(id, waiting);
        Ok(heard)
    }

    /// A verifier of the app has spoken for a guest; `None` if it was not asked about him.
    pub(super) fn vouched(&mut self, id: ParticipantId, name: String) -> Option<Knock> {
        let waiting = self.waiting.get_mut(&id).filter(|waiting| waiting.vouching == Vouching::Asked)?;
        waiting.vouching = Vouching::Vouched(name.clone());
        waiting.knock.vouched_as = Some(name);
        Some(waiting.knock.clone())
    }

    /// Says whether a guest waits whom nobody still has to speak for.
    pub(super) fn may_be_admitted(&self, id: ParticipantId) -> bool {
        self.waiting.get(&id).is_some_and(|waiting| waiting.vouching != Vouching::Asked)
    }

    pub(super) fn waiting(&self, id: ParticipantId) -> Option<&Waiting> {
        self.waiting.get(&id)
    }

    pub(super) fn take(&mut self, id: ParticipantId) -> Option<Waiting> {
        self.waiting.remove(&id)
    }
}
