//! The log: taking in entries in order, and getting one's own into it (R5, R6, R24).

use core::time::Duration;

use super::commits::{InFlight, Own, cover_at};
use super::judge::{Before, judge};
use super::knock::Answer;
use super::message::{EndReason, Event, Lane, SkipReason};
use super::policy::Policy;
use super::roster::{self, Cause};
use super::{Call, HandleError};
use crate::group::{CommitSummary, EngineError, EntryFault, Leaf, LogEntry, OwnCommit, Plan, Processed};
use crate::id::ParticipantId;
use crate::time::Time;

/// Bytes of the longest entry that is looked at; a commit that admits a thousand takes a third of it.
const MAX_ENTRY_LEN: usize = 1 << 20;
/// How long to wait after the engine failed to build a commit.
const BACK_OFF: Duration = Duration::from_secs(1);

impl Call {
    pub(super) fn handle_entry(&mut self, position: u64, bytes: &[u8]) -> Result<(), HandleError> {
        if position < self.next {
            return Ok(()); // handed in again
        }
        if position > self.next {
            return Err(HandleError::Gap { expected: self.next });
        }
        self.next += 1;
        let applied = match self.in_flight.take() {
            // R6: own entries are recognised by their bytes, and count once they are read back.
            Some(own) if own.position == position && own.bytes == bytes => self.confirmed(own.what),
            own => self.lost(own.is_some()).and_then(|()| self.entry_of_others(position, bytes)),
        };
        // Half an epoch is no state to go on from.
        applied.inspect_err(|_| self.end(EndReason::EngineFailed))?;
        Ok(())
    }

    /// Somebody else's entry stands where the own one was meant to: it is made again if it still applies (R24).
    fn lost(&mut self, there_was_one: bool) -> Result<(), EngineError> {
        if there_was_one { self.group.drop_own() } else { Ok(()) }
    }

    fn entry_of_others(&mut self, position: u64, bytes: &[u8]) -> Result<(), EngineError> {
        let entry = match bytes.len() {
            ..=MAX_ENTRY_LEN => LogEntry::decode(bytes, self.id, self.group.epoch(), position),
            _ => Err(EntryFault::Undecodable),
        };
        match entry.and_then(|entry| self.group.process(entry)) {
            Err(fault) => self.skip(position, SkipReason::Entry(fault)),
            Ok(Processed::Leave { leaf }) => self.leave_logged(leaf),
            Ok(Processed::Commit { summary, staged }) => {
                let leaves = self.group.leaves();
                match self.judge(&leaves, &summary) {
                    Ok(policy) => {
                        let stays = self.group.accept(staged)?;
                        self.applied(&leaves, &summary, policy, stays)?;
                    }
                    Err(violation) => {
                        self.group.refuse(staged);
                        let by = self.id_at(&leaves, summary.committer);
                        self.skip(position, SkipReason::Policy { by, violation });
                    }
                }
            }
        }
        Ok(())
    }

    fn skip(&mut self, position: u64, reason: SkipReason) {
        self.event(Event::Skipped { position, reason });
    }

    fn judge(&self, leaves: &[Leaf], summary: &CommitSummary) -> Result<Policy, super::Violation> {
        let before = Before {
            policy: &self.policy,
            leaves,
            departed: &self.departed,
            leaving: &self.group.logged_leaves(),
            invite_psk_id: &self.invite().psk_id(),
        };
        judge(&before, summary)
    }

    fn id_at(&self, leaves: &[Leaf], index: u32) -> ParticipantId {
        let key = leaves.iter().find(|leaf| leaf.index == index).map_or(&[][..], |leaf| &leaf.signature_key);
        roster::participant_id(self.id, key)
    }

    fn confirmed(&mut self, own: Own) -> Result<(), EngineError> {
        match own {
            Own::Leave => {
                if self.group.own_leave_is_logged() {
                    self.leave_logged(self.group.own_leaf());
                }
                Ok(())
            }
            Own::Commit { welcome, admitted } => {
                let leaves = self.group.leaves();
                let summary = self.group.own_summary().ok_or(EngineError("the own commit is gone"))?;
                let policy = self
                    .judge(&leaves, &summary)
                    .map_err(|_| EngineError("an own commit breaks the policy"))?;
                self.group.merge_own()?;
                self.applied(&leaves, &summary, policy, true)?;
                // R6: only now do guests get their Welcome.
                self.release(welcome, &admitted)
            }
        }
    }

    /// R11: seals the Welcome to each guest under the key of his knock.
    fn release(&mut self, welcome: Option<Vec<u8>>, admitted: &[ParticipantId]) -> Result<(), EngineError> {
        let Some(welcome) = welcome else { return Ok(()) };
        let departed = self.departed.iter().filter_map(|key| key.as_slice().try_into().ok()).collect();
        let answer = Answer::Admitted { welcome, departed };
        for guest in admitted {
            self.wanted.admit.remove(guest);
            let Some(waiting) = self.lobby.as_mut().and_then(|lobby| lobby.take(*guest)) else { continue };
            let sealed = waiting
                .answer
                .seal(&answer, self.group.random())
                .map_err(|_| EngineError("no randomness"))?;
            self.send_answer(waiting.answer.knock(), sealed);
        }
        Ok(())
    }

    /// A commit was merged: the group is in its new epoch, `leaves` are those before it.
    fn applied(
        &mut self,
        leaves: &[Leaf],
        summary: &CommitSummary,
        policy: Policy,
        stays: bool,
    ) -> Result<(), EngineError> {
        let by = self.id_at(leaves, summary.committer);
        let ids =
            |indices: &[u32]| indices.iter().map(|index| self.id_at(leaves, *index)).collect::<Vec<_>>();
        let (removed, left) = (ids(&summary.removes), ids(&summary.covered_leaves));
        let admitted =
            summary.adds.iter().map(|add| roster::participant_id(self.id, &add.signature_key)).collect();
        if !stays {
            let of_own = left.contains(&self.me());
            self.end(if of_own { EndReason::Left } else { EndReason::Removed { by } });
            return Ok(());
        }
        let gone = |leaf: &&Leaf| {
            summary.removes.contains(&leaf.index) || summary.covered_leaves.contains(&leaf.index)
        };
        self.departed.extend(leaves.iter().filter(gone).map(|leaf| leaf.signature_key.clone()));
        let (now, somebody_removed) = (self.now, !removed.is_empty());
        let policy_changed = summary.policy.is_some();
        let cause = Cause::Commit { by, admitted, removed, left, policy_changed };
        self.policy = policy;
        self.leave_seen_at = None;
        let (after, own) = (self.group.leaves(), self.group.own_leaf());
        let (id, epoch) = (self.id, self.group.epoch());
        self.roster = roster::build(id, epoch, cause, &after, own, &self.policy, Some(&self.roster))
            .ok_or(EngineError("a leaf that was judged is not a participant's"))?;
        let switch_at = now + self.policy.switch_deadline();
        let close_at = now + self.policy.retention(somebody_removed);
        self.begin_epoch(switch_at, close_at, !summary.adds.is_empty())
    }

    /// A self-removal stands in the log.
    fn leave_logged(&mut self, leaf: u32) {
        self.leave_seen_at.get_or_insert(self.now);
        if let Some(id) = self.roster.at_leaf(leaf).map(|member| member.id) {
            self.event(Event::Leaving(id));
        }
        // R3: the last host's own leaving ends the call.
        if self.staying_hosts().is_empty() {
            self.end(if leaf == self.group.own_leaf() { EndReason::Left } else { EndReason::LastHostLeft });
        }
    }

    /// Leaves of the hosts who have not asked to leave, in order.
    fn staying_hosts(&self) -> Vec<u32> {
        let leaving = self.group.logged_leaves();
        let staying = self.roster.members.iter().filter(|m| m.is_host && !leaving.contains(&m.leaf));
        staying.map(|member| member.leaf).collect()
    }

    /// Returns when the next own commit may and should go out.
    pub(super) fn next_commit_at(&self) -> Time {
        let hosts = self.staying_hosts();
        let Some(rank) = hosts.iter().position(|leaf| *leaf == self.group.own_leaf()) else {
            return Time::NEVER;
        };
        if self.in_flight.is_some() || self.wanted.leave {
            return Time::NEVER;
        }
        let wanted_at = match self.leave_seen_at {
            _ if self.wanted.any_commit() => Time::ZERO,
            // The host with the lowest leaf commits departures; the others step in, one after the other.
            Some(seen) => cover_at(seen, rank),
            None => return Time::NEVER,
        };
        let paced = self.pace.may_commit_at(self.policy.epoch_bits(), self.policy.retention(false)); // R8
        wanted_at.max(paced).max(self.commit_not_before)
    }

    /// Works towards what is wanted, one entry at a time.
    pub(super) fn pursue(&mut self) -> Result<(), EngineError> {
        if self.ended.is_some() || self.in_flight.is_some() {
            return Ok(());
        }
        if self.wanted.leave {
            let logged = self.group.logged_leaves().contains(&self.group.own_leaf());
            return if logged { Ok(()) } else { self.send_leave() };
        }
        self.forget_what_no_longer_applies();
        if self.next_commit_at() <= self.now { self.send_commit() } else { Ok(()) }
    }

    fn send_leave(&mut self) -> Result<(), EngineError> {
        let bytes = self.group.propose_leave(self.next)?;
        self.launch(bytes, Own::Leave);
        Ok(())
    }

    fn forget_what_no_longer_applies(&mut self) {
        let (roster, lobby) = (&self.roster, &self.lobby);
        let leaving = self.group.logged_leaves();
        self.wanted
            .remove
            .retain(|id| roster.member(*id).is_some_and(|member| !leaving.contains(&member.leaf)));
        self.wanted.make_host.retain(|id| roster.member(*id).is_some_and(|member| !member.is_host));
        self.wanted.admit.retain(|id| lobby.as_ref().is_some_and(|lobby| lobby.waiting(*id).is_some()));
        // Where somebody else was faster and the call is full now, guests go on waiting.
        let room = (self.policy.max_participants as usize + self.wanted.remove.len())
            .saturating_sub(roster.members.len());
        while self.wanted.admit.len() > room {
            self.wanted.admit.pop_last();
        }
    }

    fn send_commit(&mut self) -> Result<(), EngineError> {
        let (own, admitted) = match self.stage_wanted() {
            Ok(staged) => staged,
            Err(_) => {
                // One guest's key package may be what the engine chokes on; the others shall not wait for ever.
                self.turn_out_unusable_guests();
                self.stage_wanted().inspect_err(|_| self.commit_not_before = self.now + BACK_OFF)?
            }
        };
        let leaves = self.group.leaves();
        let allowed = self.group.own_summary().is_some_and(|own| self.judge(&leaves, &own).is_ok());
        if !allowed {
            self.commit_not_before = self.now + BACK_OFF;
            self.group.drop_own()?;
            return Err(EngineError("an own commit breaks the policy"));
        }
        self.launch(own.commit, Own::Commit { welcome: own.welcome, admitted });
        Ok(())
    }

    /// Builds one commit of all that is wanted; a policy change goes alone (R2).
    fn stage_wanted(&mut self) -> Result<(OwnCommit, Vec<ParticipantId>), EngineError> {
        let psk_id = self.invite().psk_id();
        let mut plan = Plan { psk_id: &psk_id, ..Plan::default() };
        let mut admitted = Vec::new();
        if !self.wanted.make_host.is_empty() {
            plan.policy = Some(self.policy_with_new_hosts().encode());
        } else {
            let leaf_of = |id: &ParticipantId| self.roster.member(*id).map(|member| member.leaf);
            plan.removes = self.wanted.remove.iter().filter_map(leaf_of).collect();
            admitted.extend(self.wanted.admit.iter().copied());
            let lobby = self.lobby.as_ref();
            plan.adds = admitted.iter().filter_map(|id| Some(&lobby?.waiting(*id)?.key_package)).collect();
        }
        Ok((self.group.stage_own(plan, self.next)?, admitted))
    }

    fn turn_out_unusable_guests(&mut self) {
        let psk_id = self.invite().psk_id();
        for id in self.wanted.admit.clone() {
            let Some(lobby) = &mut self.lobby else { return };
            let Some(waiting) = lobby.waiting(id) else { continue };
            let plan = Plan { adds: vec![&waiting.key_package], psk_id: &psk_id, ..Plan::default() };
            if self.group.stage_own(plan, self.next).is_err() {
                lobby.take(id);
                self.wanted.admit.remove(&id);
            }
        }
    }

    fn policy_with_new_hosts(&self) -> Policy {
        let mut policy = self.policy.clone();
        for leaf in self.group.leaves() {
            let wanted =
                self.wanted.make_host.contains(&roster::participant_id(self.id, &leaf.signature_key));
            let key = <[u8; 32]>::try_from(leaf.signature_key.as_slice());
            policy.hosts.extend(key.ok().filter(|_| wanted));
        }
        policy
    }

    /// Sends an own entry to the log and waits to read it back.
    fn launch(&mut self, bytes: Vec<u8>, what: Own) {
        let own = InFlight::new(self.next, bytes, what, self.now);
        self.send(Lane::Log { position: own.position }, own.bytes.clone());
        self.in_flight = Some(own);
    }
}
