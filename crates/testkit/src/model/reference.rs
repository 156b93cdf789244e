//! The reference model: what a call is, in as few words as possible.
//!
//! It is told what each commit is reported to have done, does the same to sets of names, and judges by itself whether that was
//! allowed (R1 to R3). It knows nothing of keys, messages or time.

use std::collections::BTreeSet;

use crate::room::{EpochRecord, Place};
use subrosa::{CallConfig, Cause, Invite, ParticipantId};

type Ids = BTreeSet<ParticipantId>;

/// A call in one epoch.
#[derive(Clone)]
pub(super) struct State {
    number: u64,
    place: Option<Place>,
    pub members: Ids,
    /// Everybody who was ever in.
    seen: Ids,
    pub hosts: Ids,
    /// Hosts who may also let guests in.
    pub admitters: Ids,
    pub is_locked: bool,
    /// How often the invite was rotated.
    pub rotations: u32,
    /// A host who held the lobby's key is gone, or may not admit any more, and the invite was not rotated since (R12).
    pub owes_rotation: bool,
    invite: Invite,
    config: CallConfig,
}

/// All epochs of a call, in the order of the room's records.
#[derive(Default)]
pub(super) struct Model {
    states: Vec<State>,
}

impl Model {
    /// Takes in the epochs that are new.
    pub(super) fn follow(&mut self, records: &[EpochRecord]) -> Result<(), String> {
        for record in &records[self.states.len()..] {
            let state = self.next(record).map_err(|how| format!("epoch {}: {how}", record.epoch))?;
            self.states.push(state);
        }
        Ok(())
    }

    /// Returns the call as it was in an epoch, by its place among the records.
    pub(super) fn state(&self, number: usize) -> &State {
        &self.states[number]
    }

    fn next(&self, record: &EpochRecord) -> Result<State, String> {
        let reported = State::reported(record);
        let Cause::Commit { by, admitted, removed, left, policy } = &record.cause else {
            return if self.states.is_empty() {
                Ok(reported)
            } else {
                Err("founded a second time".to_owned())
            };
        };
        let before = self.before(record).ok_or("it follows no epoch")?;
        let set = |ids: &[ParticipantId]| ids.iter().copied().collect::<Ids>();
        let (admitted, removed, left) = (set(admitted), set(removed), set(left));

        let may = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        may(before.hosts.contains(by), "the committer is not a host")?; // R1
        may(admitted.is_empty() || !before.is_locked, "somebody was let into a locked call")?;
        may(admitted.is_empty() || before.admitters.contains(by), "the host may not admit")?;
        may(admitted.is_disjoint(&before.seen), "somebody is back under his old key")?; // R3
        may(removed.is_subset(&before.members), "somebody was removed who was not in")?;
        may(left == set(&record.asked_to_leave), "not those left who had asked to")?; // R2
        may(removed.is_disjoint(&left), "somebody was removed and left")?;
        may(policy.is_none() || admitted.is_empty() && removed.is_empty(), "a policy change was not alone")?; // R2

        let mut after = State { number: record.epoch.0, place: record.place, ..before.clone() };
        after.members =
            before.members.iter().copied().filter(|id| !removed.contains(id) && !left.contains(id)).collect();
        after.members.extend(&admitted);
        after.seen.extend(&admitted);
        let is_here = |ids: &Ids| ids.intersection(&after.members).copied().collect::<Ids>();
        (after.hosts, after.admitters) = (is_here(&before.hosts), is_here(&before.admitters));
        let most = before.config.max_participants as usize;
        may(admitted.is_empty() || after.members.len() <= most, "more participants than allowed")?;

        if let Some(change) = policy {
            may(reported.hosts.is_subset(&after.members), "a host who is not in the call")?; // R3
            let is_entitled = before.admitters.contains(by);
            let gives_rights = !reported.admitters.is_subset(&before.admitters);
            may(!gives_rights || is_entitled, "a host gave away a right that he has not got")?;
            may(reported.invite == before.invite || is_entitled, "a host rotated the invite who may not")?;
            let fixed = |config: &CallConfig| (config.suite, config.epoch_bits);
            may(fixed(&reported.config) == fixed(&before.config), "what is fixed was changed")?; // R8
            after.rotations += u32::from(reported.invite != before.invite);
            let changed = [reported.is_locked != before.is_locked, reported.invite != before.invite];
            may(
                [change.locked.is_some(), change.invite] == changed
                    && change.locked.is_none_or(|locked| locked == reported.is_locked)
                    && change.config == (reported.config != before.config),
                "the roster does not say what changed",
            )?;
            (after.hosts, after.admitters) = (reported.hosts.clone(), reported.admitters.clone());
            (after.is_locked, after.config) = (reported.is_locked, reported.config.clone());
            after.invite = reported.invite.clone();
        }
        may(!after.hosts.is_empty(), "no host is left")?; // R3
        let lost_a_key = !before.admitters.is_subset(&after.admitters);
        after.owes_rotation = (before.owes_rotation || lost_a_key) && after.rotations == before.rotations; // R12
        after.must_be(&reported)?;
        Ok(after)
    }

    /// Returns the epoch before one, in the same log or in what it has in common with the other.
    fn before(&self, record: &EpochRecord) -> Option<State> {
        let place = record.place?;
        let is_before = |state: &&State| {
            let earlier = state.place.is_none_or(|it| {
                it.position < place.position && (it.log == place.log || place.log == 1 && it.log == 0)
            });
            state.number + 1 == record.epoch.0 && earlier
        };
        // Of two, the one in the same log is the one.
        let of_log = |log| {
            self.states.iter().rev().filter(is_before).find(move |s| s.place.is_none_or(|p| p.log == log))
        };
        of_log(place.log).or_else(|| of_log(0)).cloned()
    }
}

impl State {
    fn reported(record: &EpochRecord) -> Self {
        let ids = |is: fn(&subrosa::Member) -> bool| {
            record.members.iter().filter(|member| is(member)).map(|member| member.id).collect::<Ids>()
        };
        Self {
            number: record.epoch.0,
            place: record.place,
            members: ids(|_| true),
            seen: ids(|_| true),
            hosts: ids(|member| member.is_host),
            admitters: ids(|member| member.may_admit),
            is_locked: record.is_locked,
            rotations: 0,
            owes_rotation: false,
            invite: record.invite.clone(),
            config: record.config.clone(),
        }
    }

    /// The model's state and what the call reports must be the same.
    fn must_be(&self, reported: &Self) -> Result<(), String> {
        let same = [
            (self.members == reported.members, "other members than what happened explains"),
            (self.hosts == reported.hosts, "other hosts than what happened explains"),
            (self.admitters == reported.admitters, "others may admit than what happened explains"),
            (self.is_locked == reported.is_locked, "the lock changed without a policy change"),
            (self.invite == reported.invite, "the invite changed without a policy change"),
            (self.config == reported.config, "the configuration changed without a policy change"),
        ];
        same.into_iter().find(|(same, _)| !same).map_or(Ok(()), |(_, what)| Err(what.to_owned()))
    }
}
