//! The log: taking in entries in order, and getting one's own into it (R5, R6, R24).

use core::time::Duration;
use std::collections::BTreeSet;

use super::commits::{BACK_OFF, InFlight, MAX_ADMITTED_AT_ONCE, Own, STARVED, Wanted, wait_after_garbage};
use super::epochs::Change;
use super::judge::{Attempt, Before, Violation, judge};
use super::knock::Answer;
use super::message::{EndReason, Event, Lane, SkipReason};
use super::policy::{Policy, PolicyChange};
use super::roster::{self, Cause, Member};
use super::{Call, HandleError, Offered, Stranded};
use crate::crypto::hpke::PrivateKey;
use crate::group::{CommitSummary, EngineError, EntryFault, Leaf, LogEntry, OwnCommit, Plan, Processed};
use crate::id::ParticipantId;
use crate::time::Time;

/// Bytes of the longest entry that is looked at; a commit that admits a thousand takes a third of it.
const MAX_ENTRY_LEN: usize = 1 << 20;
/// Bytes of the longest Welcome that is sent, with the departed keys beside it: padded and sealed it stays below a mebibyte, which is what
/// a delivery service takes.
const MAX_ANSWER_LEN: usize = (1 << 20) - 8192;
/// What a leaf takes of a Welcome beside its credential, with the parent above it; and what each of the guests does. Measured, rounded up.
const LEAF_LEN: usize = 340 + CAME_LEN;
const GROUP_SECRETS_LEN: usize = 170;
/// What a newcomer is told beside the Welcome of each who is there, and of each who was.
const CAME_LEN: usize = 28;
const DEPARTED_LEN: usize = 32;
const UNDO_FAILED: EngineError = EngineError("undoing a refused entry");

/// How long the invite stays after a host was removed who said that he is stranded.
const STRANDED_KNOCK_WITHIN: Duration = Duration::from_secs(30);

/// Of a guest's key package, without his credential.
const KEY_PACKAGE_LEN: usize = 400;

/// An own commit, whom it admits, and the key of the lobby that it opens.
type Staged = (OwnCommit, Vec<ParticipantId>, Option<PrivateKey>);

/// What is known of an own commit when it is read back.
struct Confirmed {
    launched_at: Time,
    /// R12: the private key of the lobby that it opens.
    lobby: Option<PrivateKey>,
}

impl Call {
    pub(super) fn handle_entry(&mut self, position: u64, bytes: &[u8]) -> Result<(), HandleError> {
        if self.stranded.is_some() {
            return Ok(()); // R7: this side of the call has stopped
        }
        if position < self.next {
            return Ok(()); // handed in again
        }
        if position > self.next {
            return Err(HandleError::Gap { expected: self.next });
        }
        self.next += 1;
        let applied = match self.in_flight.take() {
            // R6: own entries are recognised by their bytes, and count once they are read back.
            Some(own) if own.position == position && own.bytes == bytes => {
                self.confirmed(own.what, own.launched_at)
            }
            own => self.beaten(own.is_some(), position, bytes),
        };
        // Half an epoch is no state to go on from.
        applied.inspect_err(|_| self.end(EndReason::EngineFailed))?;
        Ok(())
    }

    /// Somebody else's entry stands at this position. If an own one was meant to stand there, it is dropped, and made again if
    /// what it was for still applies (R24).
    fn beaten(&mut self, own_one: bool, position: u64, bytes: &[u8]) -> Result<(), EngineError> {
        if own_one {
            self.group.drop_own()?;
        }
        let meant_something = self.entry_of_others(position, bytes)?;
        if own_one && !meant_something {
            self.lost_to_garbage += 1;
            self.not_before = self.now + wait_after_garbage(self.lost_to_garbage);
            if self.lost_to_garbage == STARVED || !self.group.may_send() {
                self.event(Event::LogStarved);
            }
        }
        Ok(())
    }

    /// Takes in an entry of somebody else; says whether it meant anything.
    fn entry_of_others(&mut self, position: u64, bytes: &[u8]) -> Result<bool, EngineError> {
        let entry = match bytes.len() {
            ..=MAX_ENTRY_LEN => LogEntry::decode(bytes, self.id, self.group.epoch(), position),
            _ => Err(EntryFault::Undecodable),
        };
        match entry.and_then(|entry| self.group.process(entry)) {
            Err(fault) => {
                self.skip(position, fault);
                if self.group.is_broken() { Err(UNDO_FAILED) } else { Ok(false) }
            }
            Ok(Processed::Leave { leaf }) => {
                self.leave_logged(leaf);
                Ok(true)
            }
            Ok(Processed::Failed { summary, private }) => Ok(self.commit_failed(position, &summary, private)),
            Ok(Processed::Commit { summary, staged }) => {
                let leaves = self.group.leaves();
                match self.judge(&leaves, &summary) {
                    Ok(policy) => {
                        let stays = self.group.accept(staged)?;
                        self.applied(&leaves, &summary, policy, stays, None)?;
                        Ok(true)
                    }
                    Err(violation) => {
                        self.group.refuse(staged);
                        self.violated(position, &leaves, &summary, violation);
                        if self.group.is_broken() { Err(UNDO_FAILED) } else { Ok(false) }
                    }
                }
            }
        }
    }

    /// An authentic commit that the engine did not take. If it breaks the policy it means nothing, to anybody. If it is valid and
    /// only this member's keys do not fit it, others have applied it (R7).
    fn commit_failed(&mut self, position: u64, summary: &CommitSummary, private: bool) -> bool {
        let leaves = self.group.leaves();
        match self.judge(&leaves, summary) {
            Err(violation) => self.violated(position, &leaves, summary, violation),
            Ok(_) if !private => self.skip(position, EntryFault::Invalid),
            Ok(_) => {
                let by = self.id_at(&leaves, summary.committer);
                self.say_stranded(position);
                self.wanted = Wanted::default();
                self.stranded = Some(Stranded { by, end_at: self.now + self.policy.switch_deadline() });
                self.event(Event::Stranded { position, by });
                return true;
            }
        }
        false
    }

    fn violated(&mut self, position: u64, leaves: &[Leaf], summary: &CommitSummary, violation: Violation) {
        let by = self.id_at(leaves, summary.committer);
        self.recorder.violation(by);
        let tried = Attempt::of(summary, &self.policy);
        self.event(Event::Skipped { position, reason: SkipReason::Policy { by, violation, tried } });
    }

    fn skip(&mut self, position: u64, fault: EntryFault) {
        self.recorder.skipped();
        self.event(Event::Skipped { position, reason: SkipReason::Entry(fault) });
    }

    fn judge(&self, leaves: &[Leaf], summary: &CommitSummary) -> Result<Policy, Violation> {
        let brings_keys = !(summary.adds.is_empty() && summary.path_keys.is_empty());
        let before = Before {
            call: self.id,
            policy: &self.policy,
            leaves,
            committer_may_repair: self.policy.members_repair() && self.group.needs_care_at(summary.committer),
            participants: &self.roster.members.iter().map(|member| member.id).collect(),
            parent_keys: &if brings_keys { self.group.parent_keys() } else { BTreeSet::new() },
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

    fn confirmed(&mut self, own: Own, launched_at: Time) -> Result<(), EngineError> {
        match own {
            Own::Leave => {
                if self.group.own_leave_is_logged() {
                    self.leave_logged(self.group.own_leaf());
                }
                Ok(())
            }
            Own::Commit { welcome, admitted, lobby } => {
                let leaves = self.group.leaves();
                let summary = self.group.own_summary().ok_or(EngineError("the own commit is gone"))?;
                let policy = self
                    .judge(&leaves, &summary)
                    .map_err(|_| EngineError("an own commit breaks the policy"))?;
                self.group.merge_own()?;
                self.applied(&leaves, &summary, policy, true, Some(Confirmed { launched_at, lobby }))?;
                // R6: only now do guests get their Welcome.
                self.release(welcome, &admitted)
            }
        }
    }

    /// A commit was merged: the group is in its new epoch, `leaves` are those before it.
    fn applied(
        &mut self,
        leaves: &[Leaf],
        summary: &CommitSummary,
        policy: Policy,
        stays: bool,
        own: Option<Confirmed>,
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
        let (now, removals) = (self.now, !removed.is_empty());
        let change = summary.policy.is_some().then(|| PolicyChange::between(&self.policy, &policy));
        let somebody_removed = removals && self.can_admit();
        // R7: a host who is stranded knocks with the invite that he has; he gets a moment for that before it is rotated.
        let is_stranded = |id: &ParticipantId| self.presence.is_stranded(*id);
        let rotate_from = if removed.iter().any(is_stranded) { now + STRANDED_KNOCK_WITHIN } else { now };
        let cause = Cause::Commit { by, admitted, removed, left, policy: change };
        let before = core::mem::replace(&mut self.policy, policy);
        self.leave_seen_at = None;
        let (after, own_leaf) = (self.group.leaves(), self.group.own_leaf());
        let (id, epoch) = (self.id, self.group.epoch());
        self.roster = roster::build(id, epoch, cause, &after, own_leaf, &self.policy, Some(&self.roster))
            .ok_or(EngineError("a leaf that was judged is not a participant's"))?;
        let offered_at = self.offered.as_ref().map(|offered| offered.at);
        let roster = &self.roster;
        Offered::retain(&mut self.offered, |id| roster.member(id).is_some_and(|member| !member.is_host));
        self.lost_to_garbage = 0;
        self.begin_epoch(Change {
            switch_at: now + self.policy.switch_deadline(),
            close_older_at: now + self.policy.retention(removals),
            newcomers: !summary.adds.is_empty(),
            removals,
            since: own.as_ref().map_or(now, |own| offered_at.unwrap_or(own.launched_at)),
        })?;
        if own.is_some() && removals {
            self.pace.removed_at(now);
        }
        self.invite_after(&before, own.and_then(|own| own.lobby), rotate_from)?;
        self.hear_what_was_early();
        if somebody_removed && self.rotation_due_since.is_none() {
            self.event(Event::RotationAdvised);
        }
        Ok(())
    }

    /// A self-removal stands in the log.
    fn leave_logged(&mut self, leaf: u32) {
        self.leave_seen_at.get_or_insert(self.now);
        if let Some(id) = self.roster.at_leaf(leaf).map(|member| member.id) {
            self.event(Event::Leaving(id));
        }
        // R3: the last host's own leaving ends the call.
        if self.staying_hosts().is_empty() {
            // Nobody is here any more who could let them in. (Without randomness they do not learn it.)
            let _ = self.close_lobby(Some(&Answer::CallOver));
            self.end(if leaf == self.group.own_leaf() { EndReason::Left } else { EndReason::LastHostLeft });
        }
    }

    /// Leaves of the hosts who have not asked to leave, in order.
    fn staying_hosts(&self) -> Vec<u32> {
        let leaving = self.group.logged_leaves();
        let staying = self.roster.members.iter().filter(|m| m.is_host && !leaving.contains(&m.leaf));
        staying.map(|member| member.leaf).collect()
    }

    fn staying_hosts_but(&self, unmade: &BTreeSet<ParticipantId>) -> Vec<u32> {
        let mut hosts = self.staying_hosts();
        hosts.retain(|leaf| !self.roster.at_leaf(*leaf).is_some_and(|member| unmade.contains(&member.id)));
        hosts
    }

    /// Returns when the next own entry may and should go out.
    pub(super) fn next_launch_at(&self) -> Time {
        if self.ended.is_some() || self.in_flight.is_some() || !self.group.may_send() {
            return Time::NEVER;
        }
        if self.stranded.is_some() {
            return Time::NEVER;
        }
        let due = match self.wanted.leave {
            true if self.group.logged_leaves().contains(&self.group.own_leaf()) => Time::NEVER,
            true => Time::ZERO,
            false => self.next_commit_at().min(self.next_repair_at()),
        };
        due.max(self.not_before)
    }

    fn next_commit_at(&self) -> Time {
        // The host with the lowest leaf commits departures; the others step in, one after the other.
        let Some(grace) = self.grace(|member| member.is_host) else { return Time::NEVER };
        // R8 paces all but removals. (Whoever leaves has stopped to speak, and can wait for a moment.)
        let (bits, retention) = (self.policy.epoch_bits(), self.policy.longest_retention());
        let paced = self.pace.may_commit_at(bits, retention, self.now);
        let cover_at = self.leave_seen_at.map_or(Time::NEVER, |seen| (seen + grace).max(paced));
        let urgent_at = match self.wanted.is_urgent() {
            true => self.pace.may_remove_at(bits, retention),
            false => Time::NEVER,
        };
        // A removal goes out with whichever comes first.
        let wanted_at = if self.wanted.any_commit() { paced } else { Time::NEVER };
        urgent_at.min(cover_at).min(wanted_at)
    }

    /// Works towards what is wanted, one entry at a time.
    pub(super) fn pursue(&mut self) {
        self.forget_what_no_longer_applies();
        if self.next_launch_at() > self.now {
            return;
        }
        let launched = if self.wanted.leave {
            self.send_leave()
        } else if self.next_commit_at() <= self.now {
            self.send_commit()
        } else {
            self.send_repair()
        };
        if let Err(error) = launched {
            self.not_before = self.now + BACK_OFF;
            self.event(Event::CommitFailed(error));
        }
    }

    fn forget_what_no_longer_applies(&mut self) {
        let (roster, lobby) = (&self.roster, &self.lobby);
        let leaving = self.group.logged_leaves();
        let stays =
            |id: &ParticipantId| roster.member(*id).is_some_and(|member| !leaving.contains(&member.leaf));
        self.wanted.remove.retain(stays);
        self.wanted.remove_silent.retain(stays);
        let is = |id: &ParticipantId, fits: &dyn Fn(&Member) -> bool| roster.member(*id).is_some_and(fits);
        self.wanted
            .make_host
            .retain(|id, may_admit| is(id, &|member| !member.is_host || member.may_admit != *may_admit));
        self.wanted.unmake_host.retain(|id| is(id, &|member| member.is_host));
        // R3: what leaves no host is not possible; everything else still is.
        if self.staying_hosts_but(&self.wanted.unmake_host).is_empty() {
            self.wanted.unmake_host.clear();
        }
        self.wanted.lock.take_if(|locked| *locked == self.policy.is_locked());
        self.wanted.config.take_if(|config| *config == self.policy.config());
        if !self.policy.may_admit(&self.group.own_signature_key()) {
            self.wanted.rotate = false;
            self.wanted.make_host.retain(|_, may_admit| !*may_admit);
        }
        if self.policy.is_locked() && self.wanted.lock != Some(false) {
            self.wanted.admit.clear();
        }
        self.wanted.admit.retain(|id| lobby.as_ref().is_some_and(|lobby| lobby.waiting(*id).is_some()));
        // Somebody else has admitted a guest, or has used his key otherwise: it cannot come again (R3).
        let used = |id: &&ParticipantId| {
            let waiting = lobby.as_ref().and_then(|lobby| lobby.waiting(**id));
            let key = waiting.map(|waiting| waiting.key_package.leaf.signature_key.as_slice());
            key.is_some_and(|key| {
                roster.member(**id).is_some() || self.departed.contains(key) || self.policy.is_host(key)
            })
        };
        for guest in self.wanted.admit.iter().filter(used).copied().collect::<Vec<_>>() {
            self.wanted.admit.remove(&guest);
            self.lobby.as_mut().map(|lobby| lobby.take(guest));
            self.event(Event::KnockGone(guest));
        }
        // Where somebody else was faster and the call is full now, guests wait to be admitted anew.
        let members = self.roster.members.len();
        let room =
            (self.policy.max_participants as usize + self.wanted.removes().len()).saturating_sub(members);
        while self.wanted.admit.len() > room {
            self.wanted.admit.pop_last();
        }
    }

    fn send_leave(&mut self) -> Result<(), EngineError> {
        let bytes = self.group.propose_leave(self.next)?;
        self.launch(bytes, Own::Leave);
        Ok(())
    }

    fn send_commit(&mut self) -> Result<(), EngineError> {
        let (own, admitted, lobby) = self.stage_wanted()?;
        self.launch(own.commit, Own::Commit { welcome: own.welcome, admitted, lobby });
        Ok(())
    }

    /// Builds one commit of what is wanted: removals first, with admissions; a policy change alone (R2); then admissions.
    fn stage_wanted(&mut self) -> Result<Staged, EngineError> {
        if !self.wanted.is_urgent() && self.wanted.any_policy() {
            return self.stage_policy().inspect_err(|_| self.wanted.forget_policy());
        }
        let admitted = self.next_guests();
        let all = self.stage(true, &admitted);
        let (Err(error), Some(first)) = (&all, admitted.first()) else { return Ok((all?, admitted, None)) };
        let error = *error;
        if self.wanted.is_urgent() || self.leave_seen_at.is_some() {
            // A guest may be what the engine or the judge chokes on: who goes shall not have to wait for that.
            return Ok((self.stage(true, &[])?, Vec::new(), None));
        }
        match self.stage(false, &[*first]) {
            Ok(own) => Ok((own, vec![*first], None)),
            Err(_) => {
                self.turn_out(*first)?;
                Err(error)
            }
        }
    }

    /// Says whether the answer to these guests would not be too long; about, before there is one.
    pub(super) fn answer_fits(&self, guests: &BTreeSet<ParticipantId>) -> bool {
        let credential = |id: &ParticipantId| {
            let waiting = self.lobby.as_ref().and_then(|lobby| lobby.waiting(*id));
            waiting.map_or(0, |waiting| waiting.key_package.leaf.credential.len())
        };
        let members = self.roster.members.iter().map(|member| member.name.len() + member.proof.len());
        let leaves = members.chain(guests.iter().map(credential)).map(|len| len + LEAF_LEN);
        let secrets = GROUP_SECRETS_LEN * guests.len().min(MAX_ADMITTED_AT_ONCE);
        leaves.sum::<usize>() + secrets + DEPARTED_LEN * self.departed.len() <= MAX_ANSWER_LEN
    }

    /// As many of the guests to be admitted as fit into one entry.
    fn next_guests(&self) -> Vec<ParticipantId> {
        let mut room = MAX_ENTRY_LEN / 2;
        let fits = |id: &ParticipantId| {
            let waiting = self.lobby.as_ref().and_then(|lobby| lobby.waiting(*id));
            let len =
                waiting.map_or(0, |waiting| waiting.key_package.leaf.credential.len() + KEY_PACKAGE_LEN);
            room = room.saturating_sub(len);
            room > 0
        };
        self.wanted.admit.iter().copied().take(MAX_ADMITTED_AT_ONCE).take_while(fits).collect()
    }

    fn stage(&mut self, removals: bool, admitted: &[ParticipantId]) -> Result<OwnCommit, EngineError> {
        let psk_id = self.invite().psk_id();
        let lobby = self.lobby.as_ref();
        let leaf_of = |id: &ParticipantId| self.roster.member(*id).map(|member| member.leaf);
        let plan = Plan {
            adds: admitted.iter().filter_map(|id| Some(&lobby?.waiting(*id)?.key_package)).collect(),
            removes: self.wanted.removes().iter().filter(|_| removals).filter_map(leaf_of).collect(),
            policy: None,
            psk_id: &psk_id,
        };
        let own = self.group.stage_own(plan, self.next)?;
        self.judge_own(own)
    }

    fn stage_policy(&mut self) -> Result<Staged, EngineError> {
        let (policy, lobby) = self.next_policy()?;
        let plan = Plan { policy: Some(policy.encode()), ..Plan::default() };
        let own = self.group.stage_own(plan, self.next)?;
        Ok((self.judge_own(own)?, Vec::new(), lobby))
    }

    /// What the others would skip is not sent.
    pub(super) fn judge_own(&mut self, own: OwnCommit) -> Result<OwnCommit, EngineError> {
        let leaves = self.group.leaves();
        let allowed = self.group.own_summary().is_some_and(|own| self.judge(&leaves, &own).is_ok());
        let told = DEPARTED_LEN * self.departed.len() + CAME_LEN * self.roster.members.len();
        let answer = own.welcome.as_ref().map_or(0, |welcome| welcome.len() + told);
        let fits = own.commit.len() <= MAX_ENTRY_LEN && answer <= MAX_ANSWER_LEN;
        if allowed && fits {
            return Ok(own);
        }
        self.group.drop_own()?;
        let why =
            if allowed { "longer than a delivery service takes" } else { "an own commit breaks the policy" };
        Err(EngineError(why))
    }

    fn turn_out(&mut self, guest: ParticipantId) -> Result<(), EngineError> {
        self.event(Event::GuestUnusable(guest));
        self.turn_away(guest)
    }

    /// Sends an own entry to the log and waits to read it back.
    pub(super) fn launch(&mut self, bytes: Vec<u8>, what: Own) {
        let makes_hosts = matches!(&what, Own::Commit { .. }) && !self.wanted.is_urgent();
        if makes_hosts && !self.wanted.make_host.is_empty() {
            let (at, epoch) = (self.now, self.epoch());
            let offered =
                self.offered.get_or_insert(Offered { at, epoch, hosts: BTreeSet::new(), slept: false });
            offered.hosts.extend(self.wanted.make_host.keys());
        }
        let own = InFlight::new(self.next, bytes, what, self.now);
        self.send(Lane::Log { position: own.position }, own.bytes.clone());
        self.in_flight = Some(own);
    }
}
