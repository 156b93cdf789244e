//! What a host's call does with those who knock: hears them, answers them, forgets them (R10 to R12).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use subtle::ConstantTimeEq as _;

use super::invite::Invite;
use super::knock::{self, Answer, AnswerKey, Told};
use super::lobby::{self, Admitted, Allowance, Heard, Lobby, Waiting};
use super::message::{Event, Knock, Lane};
use super::presence::KnockHash;
use super::{Call, HandleError, KnockFault, roster};
use crate::crypto::hpke::PrivateKey;
use crate::group::EngineError;
use crate::id::{MailboxId, ParticipantId};
use crate::time::Time;

/// Invites that were rotated, whose users still learn that: the latest ones.
const RETIRED: usize = 4;
/// To users of old links, who are few: so many answers at once, and so many a second.
const OLD_LINKS_AT_ONCE: u32 = 64;
const OLD_LINKS_PER_SECOND: u32 = 10;

/// The lobby of an invite that was rotated (R12): whoever knocks there learns that his link is an old one.
pub(super) struct Retired {
    invite: Invite,
    private_key: PrivateKey,
    /// Those that came while it was open, and those that were answered since: a key answers once.
    knocks: BTreeSet<KnockHash>,
    allowance: Allowance,
}

impl Retired {
    fn answer_key(&mut self, bytes: &[u8], now: Time) -> Result<AnswerKey, KnockFault> {
        if bytes.len() > knock::MAX_KNOCK_LEN {
            return Err(KnockFault::TooLong);
        }
        let hash = lobby::short(&knock::hash_of(bytes));
        if self.knocks.contains(&hash) {
            return Err(KnockFault::Replayed);
        }
        if self.knocks.len() >= 2 * lobby::MAX_REMEMBERED {
            return Err(KnockFault::Full);
        }
        self.allowance.spend(now)?;
        let (_, answer) =
            knock::open(&self.invite, &self.private_key, bytes).map_err(|_| KnockFault::Unauthentic)?;
        self.knocks.insert(hash);
        Ok(answer)
    }
}

impl Call {
    /// Returns the guests who wait to be let in, in the order of their ids: those whom [`Event::Knock`] told of and who were not answered
    /// yet.
    pub fn waiting(&self) -> Vec<Knock> {
        self.lobby.iter().flat_map(Lobby::knocks).cloned().collect()
    }

    /// Something came into a mailbox that guests knock at.
    pub(super) fn handle_lobby(&mut self, mailbox: MailboxId, bytes: &[u8]) -> Result<(), HandleError> {
        let handled = if self.lobby.is_some() && mailbox == self.invite().lobby_mailbox() {
            if bytes.len() == knock::WITHDRAWAL_LEN { self.withdrawn(bytes) } else { self.knocked(bytes) }
        } else if let Some(at) = self.retired.iter().position(|old| old.invite.lobby_mailbox() == mailbox) {
            self.knocked_with_old_link(at, bytes)
        } else {
            return Err(HandleError::UnknownMailbox);
        };
        if matches!(handled, Err(HandleError::Knock(_))) {
            self.recorder.refused_knock();
        }
        handled
    }

    fn knocked(&mut self, bytes: &[u8]) -> Result<(), HandleError> {
        let (invite, now) = (self.invite(), self.now);
        let Some(lobby) = &mut self.lobby else { return Err(HandleError::UnknownMailbox) };
        let (roster, departed, call) = (&self.roster, &self.departed, self.id);
        let known =
            |key: &[u8]| departed.contains(key) || roster.member(roster::participant_id(call, key)).is_some();
        let vouching = self.policy.vouching();
        match lobby.knock(&invite, &self.group, known, vouching, bytes, now)? {
            Heard::Knock(knock) => self.event(Event::Knock(knock)),
            Heard::Vouch(request) => self.event(Event::Vouch(request)),
            Heard::Answered => {}
        }
        Ok(())
    }

    /// A guest does not want to wait any more. Who is being admitted already comes in, and is removed when he does not show up (R13).
    fn withdrawn(&mut self, bytes: &[u8]) -> Result<(), HandleError> {
        let now = self.now;
        let Some(lobby) = &mut self.lobby else { return Err(HandleError::UnknownMailbox) };
        lobby.withdrawals.spend(now)?;
        let is_his = |waiting: &Waiting| bool::from(waiting.answer.withdrawal()[..].ct_eq(bytes));
        let guest = lobby.find(is_his).ok_or(KnockFault::Unauthentic)?;
        self.forget_guest(guest);
        self.event(Event::KnockGone(guest));
        Ok(())
    }

    fn knocked_with_old_link(&mut self, at: usize, bytes: &[u8]) -> Result<(), HandleError> {
        let now = self.now;
        let Some(old) = self.retired.get_mut(at) else { return Err(HandleError::UnknownMailbox) };
        let key = old.answer_key(bytes, now)?;
        let mailbox = old.invite.answer_mailbox(key.knock());
        let _ = self.answer(&key, mailbox, &Answer::LinkExpired); // without randomness he learns nothing
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        key: &AnswerKey,
        mailbox: MailboxId,
        answer: &Answer,
    ) -> Result<(), EngineError> {
        let nonce = knock::nonce(self.group.random()).map_err(|_| EngineError("no randomness"))?;
        self.send(Lane::Mailbox(mailbox), Bytes::from(key.seal(answer, nonce)));
        Ok(())
    }

    /// R11: seals the Welcome to each guest under the key of his knock.
    pub(super) fn release(
        &mut self,
        welcome: Option<Vec<u8>>,
        admitted: &[ParticipantId],
    ) -> Result<(), EngineError> {
        let Some(welcome) = welcome else { return Ok(()) };
        let departed = self.departed.iter().filter_map(|key| key.as_slice().try_into().ok()).collect();
        let told = Told { departed, came: self.roster.came() };
        let answer = Arc::new(Answer::Admitted { welcome, told });
        let mut settled = Vec::new();
        for guest in admitted {
            let Some(waiting) = self.forget_guest(*guest) else { continue };
            let nonce = knock::nonce(self.group.random()).map_err(|_| EngineError("no randomness"))?;
            settled.push(waiting.short_hash());
            self.admissions.push_back(Admitted { waiting, answer: Arc::clone(&answer), nonce });
        }
        self.tell_settled(settled);
        Ok(())
    }

    /// Turns a guest away.
    pub(super) fn turn_away(&mut self, guest: ParticipantId) -> Result<(), EngineError> {
        let Some(waiting) = self.forget_guest(guest) else { return Ok(()) };
        self.answer(&waiting.answer, waiting.mailbox, &Answer::Denied)?;
        self.tell_settled(vec![waiting.short_hash()]);
        Ok(())
    }

    pub(super) fn forget_guest(&mut self, guest: ParticipantId) -> Option<Waiting> {
        self.wanted.admit.remove(&guest);
        self.lobby.as_mut().and_then(|lobby| lobby.take(guest))
    }

    /// Nobody waits here any more; they are told so, or another host does that.
    pub(super) fn close_lobby(&mut self, told: Option<&Answer>) -> Result<Option<Lobby>, EngineError> {
        let Some(mut lobby) = self.lobby.take() else { return Ok(None) };
        self.wanted.admit.clear();
        for (guest, waiting) in lobby.take_all() {
            if let Some(answer) = told {
                self.answer(&waiting.answer, waiting.mailbox, answer)?;
            }
            self.event(Event::KnockGone(guest));
        }
        Ok(Some(lobby))
    }

    /// R12: the invite was rotated; whoever still uses the old link is to learn it.
    pub(super) fn retire(&mut self, invite: Invite, lobby: Lobby) {
        let (private_key, knocks) = lobby.close();
        if self.retired.len() == RETIRED {
            self.retired.pop_front();
        }
        let allowance = Allowance::new(OLD_LINKS_AT_ONCE, OLD_LINKS_PER_SECOND);
        self.retired.push_back(Retired { invite, private_key, knocks, allowance });
    }

    pub(super) fn lobby_mailboxes(&self) -> impl Iterator<Item = MailboxId> {
        let current = self.lobby.as_ref().map(|_| self.invite().lobby_mailbox());
        current.into_iter().chain(self.retired.iter().map(|old| old.invite.lobby_mailbox()))
    }

    /// Guests who have waited for too long are forgotten; they may knock anew.
    pub(super) fn tick_lobby(&mut self) {
        let under_way = |guest| self.in_flight.as_ref().is_some_and(|own| own.admits(guest));
        let expired = self.lobby.iter().flat_map(|lobby| lobby.expired(self.now));
        for guest in expired.filter(|guest| !under_way(*guest)).collect::<Vec<_>>() {
            self.forget_guest(guest);
            self.event(Event::KnockGone(guest));
        }
    }

    /// The policy may ask for a verifier since now, or not any more.
    pub(super) fn vouching_changed(&mut self) {
        let required = self.policy.vouching();
        let heard = self.lobby.as_mut().map(|lobby| lobby.require_vouching(required)).unwrap_or_default();
        for heard in heard {
            match heard {
                Heard::Knock(knock) => self.event(Event::Knock(knock)),
                Heard::Vouch(request) => {
                    self.wanted.admit.remove(&request.id);
                    self.event(Event::Vouch(request));
                }
                Heard::Answered => {}
            }
        }
    }
}
