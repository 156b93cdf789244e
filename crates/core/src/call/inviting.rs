//! The next policy of a host, and what a policy change does to the invite (R12).

use super::invite::Invite;
use super::knock::Answer;
use super::lobby::Lobby;
use super::message::Event;
use super::policy::{HostEntry, Policy};
use super::{Call, roster};
use crate::crypto::hpke::{KeyPair, PrivateKey};
use crate::group::EngineError;
use crate::time::Time;

impl Call {
    /// Returns the policy as this host wants it, and the private key of the lobby if the invite is rotated.
    pub(super) fn next_policy(&self) -> Result<(Policy, Option<PrivateKey>), EngineError> {
        let wanted = &self.wanted;
        let mut policy = self.policy.clone();
        if let Some(config) = &wanted.config {
            policy = policy.with_config(config).map_err(|_| EngineError("an impossible configuration"))?;
        }
        policy.lock(wanted.lock.unwrap_or(policy.is_locked()));
        let leaves = self.group.leaves();
        let id = |key: &[u8]| roster::participant_id(self.id, key);
        // Who is gone does not come back (R3), so the list need not remember him.
        policy.hosts.retain(|host| {
            leaves.iter().any(|leaf| leaf.signature_key == host.key)
                && !wanted.unmake_host.contains(&id(&host.key))
                && !wanted.make_host.contains_key(&id(&host.key))
        });
        for leaf in leaves.iter() {
            let Ok(key) = <[u8; 32]>::try_from(leaf.signature_key.as_slice()) else { continue };
            if let Some(may_admit) = wanted.make_host.get(&id(&key)) {
                policy.hosts.push(HostEntry::new(key, *may_admit));
            }
        }
        // Whoever steps down leaves it to the others: the new lobby's key would be his alone, and he may not hand it on.
        let stays = policy.may_admit(&self.group.own_signature_key());
        if !wanted.rotate || !stays {
            return Ok((policy, None));
        }
        let no_randomness = |_| EngineError("no randomness");
        let (random, old) = (self.group.random(), self.policy.invite(self.id));
        let lobby = KeyPair::generate(random).map_err(no_randomness)?;
        let secret = random.secret().map_err(no_randomness)?;
        let number = old.number.checked_add(1).ok_or(EngineError("too many invites"))?;
        policy.set_invite(&Invite { call: self.id, number, secret, lobby_key: lobby.public });
        Ok((policy, Some(lobby.private)))
    }

    /// The policy may have changed: whom the lobby's key belongs to, and which invite counts.
    pub(super) fn invite_after(
        &mut self,
        before: &Policy,
        new_lobby: Option<PrivateKey>,
        rotate_from: Time,
    ) -> Result<(), EngineError> {
        let rotated = before.invite_number() != self.policy.invite_number();
        let may_admit = self.policy.may_admit(&self.group.own_signature_key());
        if rotated {
            let invite = self.invite();
            self.group.forget_psk(&before.invite(self.id).psk_id())?;
            self.group.store_psk(&invite.psk_id(), &invite.psk()[..])?;
            self.rotation_due_since = None;
            self.wanted.rotate = false;
        }
        if rotated || !may_admit {
            // Whoever rotates the invite tells the guests; unless he has never heard them.
            let by = match self.roster.cause {
                roster::Cause::Commit { by, .. } => Some(by),
                _ => None,
            };
            let tells = new_lobby.is_some() || by.is_some_and(|by| !self.presence.holds_lobby_key(by));
            let told = Answer::LinkExpired;
            let old = self.close_lobby((rotated && tells).then_some(&told))?;
            if let (true, Some(lobby)) = (rotated, old) {
                self.retire(before.invite(self.id), lobby);
            }
        }
        if !may_admit {
            self.retired.clear();
        }
        if before.vouching() != self.policy.vouching() {
            self.vouching_changed();
        }
        if let (true, Some(private_key)) = (may_admit, new_lobby) {
            self.lobby = Some(Lobby::new(private_key, []));
        }
        if rotated {
            self.event(Event::InviteRotated);
        }
        // Whoever held the lobby's key and may not any more: removed, gone, or made an ordinary participant.
        let leaves = self.group.leaves();
        let still =
            |key: &[u8]| self.policy.may_admit(key) && leaves.iter().any(|leaf| leaf.signature_key == key);
        if !rotated && before.hosts.iter().any(|host| host.may_admit() && !still(&host.key)) {
            let due = self.rotation_due_since.map_or(rotate_from, |due| due.min(rotate_from));
            self.rotation_due_since = Some(due);
        }
        // The committer hands the key to whoever needs it; should he fail, their heartbeats ask for it.
        let by_me = matches!(&self.roster.cause, roster::Cause::Commit { by, .. } if *by == self.me());
        if by_me && self.lobby.is_some() {
            let needs = |member: &&roster::Member| {
                let key = leaves
                    .iter()
                    .find(|leaf| leaf.index == member.leaf)
                    .map(|leaf| leaf.signature_key.as_slice());
                member.may_admit
                    && !member.is_me
                    && (rotated || !key.is_some_and(|key| before.may_admit(key)))
            };
            for id in self.roster.members.iter().filter(needs).map(|member| member.id).collect::<Vec<_>>() {
                self.hand_over(id);
            }
        }
        Ok(())
    }
}
