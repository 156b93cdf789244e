//! What hosts do of their own accord: remove whoever is silent (R13, R21), rotate the invite (R12), hand on the lobby's key.
//!
//! The host with the lowest leaf does it; if he does not, the others step in, one after the other.

use core::time::Duration;
use std::collections::BTreeSet;

use super::super::commits::STAGGER;
use super::super::identity::Credential;
use super::super::lobby::Lobby;
use super::super::message::Event;
use super::talk::{Handover, KnockHash, Talk};
use super::{Call, Time};
use crate::crypto::hpke::{self, PrivateKey, Setup};
use crate::id::ParticipantId;

/// How long a host waits for the lobby's key while nobody says that he has it, before he makes another one.
const KEYLESS_FOR: Duration = Duration::from_secs(60);
/// Hashes of answered knocks that go with a handover.
const MAX_SETTLED: usize = 2048;

impl Call {
    /// How long this host waits for those before it; `None` if it has no part in it. `may` says who has.
    pub(in crate::call) fn grace(&self, may: impl Fn(&super::roster::Member) -> bool) -> Option<Duration> {
        let limits = self.limits();
        let silent = self.presence.watch.silent(self.now, &limits, Duration::ZERO);
        let leaving = self.group.logged_leaves();
        let hosts =
            self.roster.members.iter().filter(|member| {
                may(member) && !silent.contains(&member.id) && !leaving.contains(&member.leaf)
            });
        let rank = hosts.map(|member| member.is_me).position(|is_me| is_me)?;
        let lot = STAGGER.mul_f64(self.presence.place / 4.0);
        Some(if rank == 0 { Duration::ZERO } else { STAGGER.saturating_mul(u32::try_from(rank).ok()?) + lot })
    }

    pub(super) fn do_duties(&mut self) {
        if !self.presence.hosting || self.wanted.leave {
            return;
        }
        if let Some(grace) = self.grace(|member| member.is_host) {
            let leaving = self.group.logged_leaves();
            let stays =
                |id: &ParticipantId| self.roster.member(*id).is_some_and(|m| !leaving.contains(&m.leaf));
            let (watch, limits) = (&self.presence.watch, self.limits());
            let silent = watch.silent(self.now, &limits, grace).into_iter().filter(stays);
            let silent = silent.collect::<BTreeSet<_>>();
            // Whoever is heard again before his removal stands in the log stays.
            let before = core::mem::take(&mut self.wanted.remove_silent);
            let still = before.iter().copied().filter(|id| watch.is_overdue(*id, self.now, &limits));
            self.wanted.remove_silent = still.chain(silent.iter().copied()).collect();
            for id in silent.difference(&before) {
                self.event(Event::Silent(*id));
            }
        }
        let is_keyless = self.lobby.is_none()
            && self.policy.may_admit(&self.group.own_signature_key())
            && !self.presence.somebody_holds_lobby_key();
        match is_keyless {
            true => _ = self.keyless_since.get_or_insert(self.now),
            false => self.keyless_since = None,
        }
        if self.rotation_due_at() <= self.now {
            self.wanted.rotate = true;
        }
    }

    fn rotation_due_at(&self) -> Time {
        let lost = self.keyless_since.map(|since| since + KEYLESS_FOR);
        let due = self.rotation_due_since.into_iter().chain(lost).min();
        match (due, self.grace(|member| member.may_admit)) {
            (Some(due), Some(grace)) if !self.wanted.rotate => due + grace,
            _ => Time::NEVER,
        }
    }

    pub(super) fn next_duty_at(&self) -> Time {
        if !self.presence.hosting || self.wanted.leave {
            return Time::NEVER;
        }
        let grace = self.grace(|member| member.is_host).unwrap_or(Duration::ZERO);
        self.presence.watch.next_silent_at(self.now, &self.limits(), grace).min(self.rotation_due_at())
    }

    /// R12: seals the lobby's private key to a host's contact key.
    pub(in crate::call) fn hand_over(&mut self, to: ParticipantId) {
        let Some(lobby) = &self.lobby else { return };
        let leaves = self.group.leaves();
        let leaf = leaves
            .iter()
            .find(|leaf| super::roster::participant_id(self.id, &leaf.signature_key) == to)
            .and_then(|leaf| Credential::decode(&leaf.credential));
        let Some(credential) = leaf else { return };
        let info = handover_info(&self.id.0, self.policy.invite_number(), to);
        let settled = lobby.settled_knocks(MAX_SETTLED);
        let sealed = hpke::sender(self.group.random(), &credential.contact, Setup::base(&info)).and_then(
            |(encapsulated, mut context)| {
                let sealed = context
                    .seal(lobby.private_key().as_bytes(), &settled.concat())
                    .map_err(|_| hpke::HpkeError)?;
                Ok((encapsulated, sealed))
            },
        );
        let Ok((encapsulated, sealed)) = sealed else { return };
        let handover =
            Handover { to: to.0, invite_number: self.policy.invite_number(), encapsulated, sealed, settled };
        self.say(&Talk::Handover(handover));
    }

    /// A host who may admit has no lobby key: the lowest host who has it hands it on; should he not, any other does. Once in a
    /// cadence at most, as a handover is long.
    pub(super) fn hand_over_if_ours_to_do(&mut self, to: ParticipantId) {
        let (times, handed_at) = self.presence.keyless.get(&to).copied().unwrap_or((0, Time::ZERO));
        self.presence.keyless.insert(to, (times.saturating_add(1), handed_at));
        if times > 0 && self.now - handed_at < self.policy.heartbeat() * 3 / 4 {
            return;
        }
        let others = &self.presence.keyholders;
        let before_me = self.roster.members.iter().take_while(|member| !member.is_me);
        let somebody_else =
            before_me.filter(|m| m.may_admit && m.id != to).any(|m| others.get(&m.id) == Some(&true));
        if !somebody_else || times >= 2 {
            self.presence.keyless.insert(to, (times + 1, self.now));
            self.hand_over(to);
        }
    }

    /// R12: takes in the lobby's private key. It is genuine if the policy's public key is its own, whoever sent it.
    pub(super) fn handed_over(&mut self, handover: &Handover) {
        let me = self.me();
        let wanted = handover.to == me.0
            && self.lobby.is_none()
            && self.policy.may_admit(&self.group.own_signature_key())
            && handover.invite_number == self.policy.invite_number();
        if !wanted {
            return;
        }
        let info = handover_info(&self.id.0, handover.invite_number, me);
        let opened = hpke::receiver(&self.contact.0, &handover.encapsulated, Setup::base(&info))
            .and_then(|mut context| {
                context
                    .open(handover.sealed.as_slice(), &handover.settled.concat())
                    .map_err(|_| hpke::HpkeError)
            })
            .map(zeroize::Zeroizing::new)
            .and_then(|bytes| PrivateKey::from_bytes(&bytes));
        let Ok(private_key) = opened else { return };
        if private_key.public().is_ok_and(|public| public == *self.policy.lobby_key()) {
            self.lobby = Some(Lobby::new(private_key, handover.settled.iter().copied()));
        }
    }

    /// Tells the other hosts that knocks were answered.
    pub(in crate::call) fn tell_settled(&mut self, knocks: Vec<KnockHash>) {
        let others = self.roster.members.iter().any(|member| member.may_admit && !member.is_me);
        if others && !knocks.is_empty() {
            self.say(&Talk::Settled(knocks));
        }
    }

    pub(super) fn knocks_settled(&mut self, knocks: &[KnockHash]) {
        let gone = self.lobby.as_mut().map_or_else(Vec::new, |lobby| lobby.settle(knocks));
        for id in gone {
            self.wanted.admit.remove(&id);
            self.event(Event::KnockGone(id));
        }
    }

    /// R7: says that this member cannot follow, in the epoch in which the others can still hear it.
    pub(in crate::call) fn say_stranded(&mut self, position: u64) {
        self.say(&Talk::Stranded(position));
    }

    pub(super) fn somebody_is_stranded(&mut self, id: ParticipantId, position: u64) {
        if self.roster.member(id).is_none() {
            return;
        }
        if self.presence.stranded.insert(id) {
            self.event(Event::MemberStranded { id, position });
        }
        self.presence.watch.give_up(id);
    }
}

fn handover_info(call: &[u8; 16], invite: u32, to: ParticipantId) -> Vec<u8> {
    [b"subrosa handover 1", &call[..], &invite.to_be_bytes(), &to.0].concat()
}
