//! What the members said, held against each other and against what the call promises.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use subrosa::{
    Call, CallConfig, Cause, CodeInput, EndReason, Epoch, Invite, Member, ParticipantId, Roster, SkipReason,
    Time,
};

use super::service::Place;

/// A promise of the call that a room keeps an eye on, whatever happens in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Promise {
    /// Whoever has read the same log has the same roster, epoch, policy and code (R4, R23).
    OneHistory,
    /// A roster says of its members what is true of them (R14).
    TrueRoster,
    /// Who is not on an epoch's roster opens nothing of it.
    RosterIsAll,
    /// Nothing is sealed or opened under an epoch whose roster was not taken (R14).
    RosterFirst,
    /// No key seals two frames with one counter (R15).
    OneUse,
    /// No frame opens twice (R17).
    OpensOnce,
    /// What opens is what was sealed, by whom it says (R16).
    Unchanged,
    /// A sender switches at the deadline (R20).
    SwitchesInTime,
    /// Before the deadline a sender switches only if all others have the new key (R20).
    NotTooEarly,
    /// Nobody seals or opens while he is cut off from the hosts (R21, R22).
    SilentWhenCutOff,
    /// Whoever is not cut off, and has taken the rosters he was shown, seals and opens (make before break).
    NotSilentOtherwise,
    /// Nothing opens under an epoch whose time is over (R19).
    ClosesInTime,
    /// Nobody seals under an epoch for longer than the liveness window after one of its hosts left it (R21).
    NotLeftBehind,
    /// No frame is lost for want of a key within the guarantee (R18, R19).
    NothingLost,
    /// Nobody is stranded but by a host who means harm (R7).
    NotStranded,
    /// What the app may do in an honest room works: deadlines go away when they are met, engines do not fail, answers of hosts are
    /// accepted.
    Works,
}

/// A promise was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// When, on the room's clock.
    pub at: Time,
    /// With whom.
    pub name: String,
    /// Which one.
    pub promise: Promise,
    /// How.
    pub how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, name, promise, how } = self;
        write!(f, "after {:?}, {promise:?}, {name}: {how}", at.elapsed())
    }
}

/// An epoch, as whoever was first in it told.
#[derive(Debug)]
pub struct EpochRecord {
    /// Its number. After a split log two epochs have it.
    pub epoch: Epoch,
    /// Where the commit stands that made it; `None` for the first one.
    pub place: Option<Place>,
    /// What brought it about.
    pub cause: Cause,
    /// Who had asked to leave before that, in the log.
    pub asked_to_leave: Vec<ParticipantId>,
    /// Who is in it.
    pub members: Vec<Member>,
    /// Whether it is locked.
    pub is_locked: bool,
    /// Its invite.
    pub invite: Invite,
    /// Its configuration.
    pub config: CallConfig,
    /// What its safety code is computed from.
    pub code: CodeInput,
    /// When the commit was written to the log.
    pub written_at: Time,
    /// When the first participant was in it.
    pub began_at: Time,
}

impl EpochRecord {
    /// Returns whether a participant is on its roster.
    pub fn has(&self, id: ParticipantId) -> bool {
        self.member(id).is_some()
    }

    /// Returns a participant.
    pub fn member(&self, id: ParticipantId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Says what another account of the same epoch has different.
    fn differs_from(&self, call: &Call, roster: &Roster) -> Option<&'static str> {
        let public = |m: &Member| {
            (m.id, m.name.clone(), m.kind, m.fingerprint, m.proof.clone(), m.is_host, m.may_admit)
        };
        let by_commit = |cause: &Cause| matches!(cause, Cause::Commit { .. });
        let checks = [
            (self.epoch == roster.epoch, "another epoch"),
            (self.members.iter().map(public).eq(roster.members.iter().map(public)), "another roster"),
            (
                !by_commit(&self.cause) || !by_commit(&roster.cause) || self.cause == roster.cause,
                "another cause",
            ),
            (self.is_locked == call.is_locked(), "another lock"),
            (self.invite == call.invite(), "another invite"),
            (self.config == call.config(), "another configuration"),
            (self.code == call.code(), "another code"),
        ];
        checks.into_iter().find(|(same, _)| !same).map(|(_, what)| what)
    }
}

/// What an entry meant to a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    Epoch(Epoch),
    Leave(Vec<ParticipantId>),
    Skipped(SkipReason),
    Nothing,
}

/// What an entry meant, as far as it is known.
#[derive(Default)]
struct Meaning {
    reading: Option<Reading>,
    /// Who asked to leave with it, by the word of those for whom the call ended then.
    last_word: Vec<ParticipantId>,
    /// For whom the call ended with it, and why.
    ended: BTreeMap<ParticipantId, EndReason>,
}

/// The truth, as far as the members know it among them.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) epochs: Vec<EpochRecord>,
    by_place: BTreeMap<Option<Place>, usize>,
    /// Who has taken which epoch, and when its committer was in it.
    taken: BTreeSet<(usize, ParticipantId)>,
    committed_at: BTreeMap<usize, Time>,
    /// When hosts left each epoch, by its place here, for the next one.
    left: BTreeMap<usize, Vec<(ParticipantId, Time)>>,
    meanings: BTreeMap<Place, Meaning>,
    /// Whoever made a commit with a wrong path.
    pub(super) spoilers: BTreeSet<ParticipantId>,
    /// The last counter of each key: epoch, KID.
    counters: BTreeMap<(usize, u64), u64>,
    pub(super) broken: Vec<Broken>,
}

impl Ledger {
    /// Somebody is in an epoch. Returns its number here.
    pub(super) fn entered(
        &mut self,
        call: &Call,
        roster: &Roster,
        place: Option<Place>,
        [written_at, now]: [Time; 2],
    ) -> Result<usize, String> {
        let known = match roster.cause {
            // A newcomer's log may be another one than that of the host who let him in: what he joined says which epoch it is.
            Cause::Joined { .. } => {
                let code = call.code();
                let found = self.epochs.iter().rposition(|record| record.code == code);
                Some(found.ok_or_else(|| format!("joined epoch {}, which nobody else has", roster.epoch))?)
            }
            _ => self.by_place.get(&place).copied(),
        };
        if let Some(number) = known {
            let differs = self.epochs[number].differs_from(call, roster);
            return match differs {
                Some(what) => Err(format!("{what} in epoch {} than the others", roster.epoch)),
                None => Ok(number),
            };
        }
        let number = self.epochs.len();
        let asked_to_leave = place.map_or_else(Vec::new, |place| self.asked_to_leave_before(place));
        self.epochs.push(EpochRecord {
            epoch: roster.epoch,
            place,
            cause: roster.cause.clone(),
            asked_to_leave,
            members: roster.members.clone(),
            is_locked: call.is_locked(),
            invite: call.invite(),
            config: call.config(),
            code: call.code(),
            written_at,
            began_at: now,
        });
        self.by_place.insert(place, number);
        Ok(number)
    }

    /// Returns who asked to leave between the commit before this one and this one. Whoever is the first to apply a commit has read
    /// all that stands before it.
    fn asked_to_leave_before(&self, commit: Place) -> Vec<ParticipantId> {
        let mut asked = Vec::new();
        for position in (0..commit.position).rev() {
            let here = self.meanings.get(&Place { position, ..commit });
            // Before a split there is one log, number 0.
            let meaning = here.or_else(|| self.meanings.get(&Place { log: 0, position }));
            match meaning.and_then(|meaning| meaning.reading.as_ref()) {
                Some(Reading::Epoch(_)) => break,
                Some(Reading::Leave(who)) => asked.extend(who),
                _ => {}
            }
        }
        asked
    }

    /// Somebody has taken an epoch's roster.
    pub(super) fn took(&mut self, epoch: usize, id: ParticipantId) {
        self.taken.insert((epoch, id));
    }

    /// The committer of an epoch is in it.
    pub(super) fn committed(&mut self, epoch: usize, now: Time) {
        self.committed_at.entry(epoch).or_insert(now);
    }

    /// R20: returns who has not got an epoch yet, and stops its committer from announcing it. His deadline ends that, as does that
    /// somebody is gone; clocks differ by a hundredth at most.
    pub(super) fn missing(&self, epoch: usize, now: Time) -> Option<ParticipantId> {
        let record = &self.epochs[epoch];
        let Cause::Commit { by, .. } = record.cause else { return None };
        let deadline = record.config.switch_deadline.mul_f64(0.98);
        if self.committed_at.get(&epoch).is_some_and(|at| *at + deadline <= now) {
            return None;
        }
        let later = || self.epochs[epoch + 1..].iter().filter(|later| later.epoch > record.epoch);
        let is_gone = |id: ParticipantId| later().any(|later| !later.has(id));
        let mut others = record.members.iter().map(|member| member.id).filter(|id| *id != by);
        others.find(|id| !self.taken.contains(&(epoch, *id)) && !is_gone(*id))
    }

    /// Notes that somebody has gone from one epoch to the next.
    pub(super) fn left(&mut self, epoch: usize, id: ParticipantId, now: Time) {
        if self.epochs[epoch].member(id).is_some_and(|member| member.is_host) {
            self.left.entry(epoch).or_default().push((id, now));
        }
    }

    /// Returns when the first host of an epoch left it, but for one.
    pub(super) fn left_at(&self, epoch: usize, but: ParticipantId) -> Option<Time> {
        let others = self.left.get(&epoch)?.iter().filter(|(id, _)| *id != but);
        others.map(|(_, at)| *at).min()
    }

    /// Somebody has read an entry.
    pub(super) fn read(&mut self, place: Place, reading: Reading) -> Result<(), String> {
        let meaning = self.meanings.entry(place).or_default();
        match &meaning.reading {
            Some(known) if *known != reading => {
                Err(format!("reads entry {} as {reading:?}, the others as {known:?}", place.position))
            }
            _ => {
                meaning.reading = Some(reading);
                Ok(())
            }
        }
    }

    /// For somebody the call ended with an entry.
    pub(super) fn ended(&mut self, place: Place, id: ParticipantId, reason: EndReason, reading: Reading) {
        let meaning = self.meanings.entry(place).or_default();
        meaning.ended.insert(id, reason);
        if let Reading::Leave(who) = reading {
            meaning.last_word = who;
        }
    }

    /// Returns for whom the call ended although the others still have him, or ended otherwise than they say.
    pub(super) fn wrongly_ended(&self) -> Vec<(ParticipantId, EndReason)> {
        let mut wrongly = Vec::new();
        for (place, meaning) in &self.meanings {
            let record = self.by_place.get(&Some(*place)).map(|number| &self.epochs[*number]);
            for (id, reason) in &meaning.ended {
                let (removed, left) = match record.map(|record| &record.cause) {
                    Some(Cause::Commit { removed, left, .. }) => (removed.contains(id), left.contains(id)),
                    _ => (false, false),
                };
                let fits = match (reason, &meaning.reading) {
                    (EndReason::Removed { .. }, Some(Reading::Epoch(_))) => removed,
                    (EndReason::Left, Some(Reading::Epoch(_))) => left,
                    (EndReason::Left, Some(Reading::Leave(who))) => who.contains(id),
                    // R3: nobody has read it for whom the call goes on, or means harm.
                    (EndReason::LastHostLeft, Some(Reading::Leave(who))) => {
                        !who.contains(id) && self.all_hosts_left(*place, meaning)
                    }
                    (EndReason::LastHostLeft, None) => self.all_hosts_left(*place, meaning),
                    (EndReason::Removed { .. } | EndReason::Left, None) => true,
                    _ => false,
                };
                if !fits {
                    wrongly.push((*id, *reason));
                }
            }
        }
        wrongly
    }

    /// Returns whether all hosts of the epoch in which an entry stands have asked to leave, with it or before.
    fn all_hosts_left(&self, entry: Place, meaning: &Meaning) -> bool {
        let is_before = |record: &&EpochRecord| {
            record.place.is_none_or(|place| {
                place.position < entry.position && (place.log == entry.log || place.log == 0)
            })
        };
        let Some(epoch) = self.epochs.iter().filter(is_before).max_by_key(|record| record.place) else {
            return false;
        };
        let mut asked = self.asked_to_leave_before(entry);
        match &meaning.reading {
            Some(Reading::Leave(who)) => asked.extend(who),
            _ => asked.extend(&meaning.last_word),
        }
        epoch.members.iter().filter(|member| member.is_host).all(|host| asked.contains(&host.id))
    }

    /// Notes a key's use; says whether it is the first with that counter.
    pub(super) fn sealed(&mut self, epoch: usize, kid: u64, counter: u64) -> bool {
        let last = self.counters.insert((epoch, kid), counter);
        last.is_none_or(|last| last < counter)
    }
}
