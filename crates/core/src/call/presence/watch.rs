//! What a host does for the others' liveness, and sees of it: his own beats, and who is silent (R13, R21).

use core::ops::Bound;
use core::time::Duration;
use std::collections::BTreeMap;

use super::talk::Challenge;
use crate::id::ParticipantId;
use crate::time::Time;

/// Challenges echoed in one beat, at most: 8 kB of a beat that goes to everybody. The rest waits for the next one.
const MAX_ECHOES: usize = 1024;

/// How long each kind of participant may be silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Limits {
    pub(super) cadence: Duration,
    pub(super) newcomer: Duration,
    pub(super) host: Duration,
    pub(super) new_host: Duration,
    pub(super) member: Duration,
}

impl Limits {
    fn of(&self, heard: &Heard) -> Duration {
        match heard {
            Heard { shown: false, .. } => self.newcomer,
            Heard { is_host: true, .. } => self.host,
            _ => self.member,
        }
    }
}

struct Heard {
    at: Time,
    /// Not silent before this, whatever the limits have become.
    not_before: Time,
    /// R13: he has shown that he is in. A founder's first companions are newcomers, those whom a new host finds are not.
    shown: bool,
    /// R13: he came with a commit of this host, who gets his acknowledgement; nothing else will do.
    owes_acknowledgement: bool,
    is_host: bool,
    /// R7: he said that he cannot follow.
    lost: bool,
}

/// A host's watch over the others.
#[derive(Default)]
pub(super) struct Watch {
    others: BTreeMap<ParticipantId, Heard>,
    /// One for each participant, so that a member cannot crowd out the others.
    echoes: BTreeMap<ParticipantId, Challenge>,
    /// Whose challenge was the last to be echoed.
    echoed_up_to: Option<ParticipantId>,
    /// Rises for as long as the call lasts, also when the host is none for a while.
    next_number: u64,
    next_beat_at: Time,
    /// Hash of the last own beat, to know it when the talk lane brings it back.
    last_beat: Option<[u8; 32]>,
    /// What others last had to reckon with.
    limits: Option<Limits>,
    /// When the talk lane last brought an own beat back: until then others could be heard.
    lane_worked_at: Time,
}

impl Watch {
    /// A new roster. `newcomers` says who came with it; `is_own` that it is of an own commit.
    pub(super) fn begin_epoch(
        &mut self,
        others: &[(ParticipantId, bool)],
        newcomers: impl Fn(ParticipantId) -> bool,
        is_own: bool,
        limits: Limits,
        now: Time,
    ) {
        if let Some(before) = self.limits.replace(limits).filter(|before| *before != limits) {
            // Whoever was quiet enough for the old limits shall not be too quiet for the new ones at once; and nobody who is gone shall
            // have more time with each change (the limits of a large call change with every member). So when he was heard stays.
            for heard in self.others.values_mut() {
                let (old, new) = (before.of(heard), limits.of(heard));
                if new < old {
                    heard.not_before = heard.not_before.max(heard.at + old).min(now + new);
                }
            }
            self.next_beat_at = self.next_beat_at.min(now + limits.cadence);
        }
        // Another host gets his acknowledgement now, and this one perhaps none: from now on whatever he says will do.
        if !is_own {
            self.others.values_mut().for_each(|heard| heard.owes_acknowledgement = false);
        }
        let there = others.iter().map(|(id, _)| *id).collect::<std::collections::BTreeSet<_>>();
        self.others.retain(|id, _| there.contains(id));
        self.echoes.retain(|id, _| there.contains(id));
        for (id, is_host) in others {
            let heard = self.others.entry(*id).or_insert(Heard {
                at: now,
                not_before: Time::ZERO,
                shown: !newcomers(*id),
                owes_acknowledgement: is_own && newcomers(*id),
                is_host: *is_host,
                lost: false,
            });
            if *is_host && !heard.is_host {
                // He has not had time to beat; but members wait no longer for his first beat than for the last one of those before him.
                heard.at = now.earlier_by(limits.host.saturating_sub(limits.new_host));
            }
            heard.is_host = *is_host;
        }
    }

    /// This participant is not a host any more, or not yet.
    pub(super) fn stand_down(&mut self) {
        *self = Self { next_number: self.next_number, next_beat_at: self.next_beat_at, ..Self::default() };
    }

    /// This participant has become a host.
    pub(super) fn stand_up(&mut self, now: Time, first_beat_at: Time) {
        self.lane_worked_at = now;
        self.next_beat_at = self.next_beat_at.max(first_beat_at);
    }

    /// Somebody was heard. For a host only a beat counts that keeps the members going: it is what they wait for.
    pub(super) fn heard(&mut self, id: ParticipantId, is_fresh_beat: bool, now: Time) {
        if let Some(heard) = self.others.get_mut(&id) {
            if is_fresh_beat || !(heard.is_host || heard.owes_acknowledgement) {
                heard.at = now;
            }
            heard.shown |= !heard.owes_acknowledgement;
        }
    }

    /// Somebody has acknowledged an epoch.
    pub(super) fn acknowledged(&mut self, id: ParticipantId, now: Time) {
        if let Some(heard) = self.others.get_mut(&id).filter(|heard| heard.owes_acknowledgement) {
            (heard.owes_acknowledgement, heard.shown, heard.at) = (false, true, now);
        }
    }

    /// Somebody said that he cannot follow any more: nobody need wait for him.
    pub(super) fn give_up(&mut self, id: ParticipantId) {
        self.others.entry(id).and_modify(|heard| heard.lost = true);
    }

    pub(super) fn challenged_by(&mut self, id: ParticipantId, challenge: Challenge) {
        if self.others.contains_key(&id) {
            self.echoes.insert(id, challenge);
        }
    }

    /// Says whether own beats have not come back for some cadences. Who hears nothing cannot echo, so he should not pass for a host who
    /// is there, and cannot tell who is silent. One beat may get lost.
    pub(super) fn is_deaf(&self, now: Time, cadence: Duration) -> bool {
        now - self.lane_worked_at > cadence * 5 / 2
    }

    pub(super) fn beat_due_at(&self) -> Time {
        self.next_beat_at
    }

    /// Takes the number and the echoes of the beat that goes out now; the next one is due a cadence later, never sooner (R21).
    pub(super) fn take_beat(&mut self, now: Time, cadence: Duration) -> (u64, Vec<Challenge>) {
        // Each in his turn, so that in a very large call nobody waits for ever.
        let from = self.echoed_up_to.map_or(Bound::Unbounded, Bound::Excluded);
        let up_to = self.echoed_up_to.map_or(Bound::Excluded(ParticipantId([0; 16])), Bound::Included);
        let turns =
            self.echoes.range((from, Bound::Unbounded)).chain(self.echoes.range((Bound::Unbounded, up_to)));
        let echoed = turns.map(|(id, _)| *id).take(MAX_ECHOES).collect::<Vec<_>>();
        self.echoed_up_to = echoed.last().copied();
        let echoes = echoed.iter().filter_map(|id| self.echoes.remove(id)).collect();
        let number = self.next_number;
        self.next_number += 1;
        self.next_beat_at = now + cadence;
        (number, echoes)
    }

    pub(super) fn sent(&mut self, beat: [u8; 32]) {
        self.last_beat = Some(beat);
    }

    /// Takes in a message that claims to be our own; says whether it is the last beat.
    pub(super) fn own_came_back(&mut self, hash: [u8; 32], now: Time, cadence: Duration) -> bool {
        if self.last_beat != Some(hash) {
            return false;
        }
        self.last_beat = None;
        // While the lane was down nobody could be heard: that is nobody's silence.
        let outage = (now - self.lane_worked_at).saturating_sub(cadence);
        for heard in self.others.values_mut() {
            heard.at = (heard.at + outage).min(now);
            if let (true, Some(limits)) = (heard.not_before > Time::ZERO, self.limits) {
                heard.not_before = (heard.not_before + outage).min(now + limits.of(heard));
            }
        }
        self.lane_worked_at = now;
        true
    }

    fn silent_at(&self, heard: &Heard, limits: &Limits) -> Time {
        if heard.lost { Time::ZERO } else { (heard.at + limits.of(heard)).max(heard.not_before) }
    }

    /// Says whether somebody has not been heard for too long, whoever's fault that is.
    pub(super) fn is_overdue(&self, id: ParticipantId, now: Time, limits: &Limits) -> bool {
        self.others.get(&id).is_some_and(|heard| self.silent_at(heard, limits) <= now)
    }

    /// Returns who has been silent for too long, given `grace` more, as far as the talk lane was there to tell.
    pub(super) fn silent(&self, now: Time, limits: &Limits, grace: Duration) -> Vec<ParticipantId> {
        // As soon as the next own beat is overdue the lane may be down. Others beat as often, and two beats have to be missing (R21), so an
        // outage never makes somebody silent before that.
        if now - self.lane_worked_at > limits.cadence * 11 / 10 {
            return Vec::new();
        }
        let silent = |heard: &&Heard| self.silent_at(heard, limits) + grace <= now;
        self.others.iter().filter(|(_, heard)| silent(heard)).map(|(id, _)| *id).collect()
    }

    /// Returns when the next one will have been silent for too long, unless he is heard.
    pub(super) fn next_silent_at(&self, now: Time, limits: &Limits, grace: Duration) -> Time {
        let at = self.others.values().map(|heard| self.silent_at(heard, limits) + grace);
        at.filter(|at| *at > now).min().unwrap_or(Time::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: Limits = Limits {
        cadence: Duration::from_secs(10),
        newcomer: Duration::from_secs(30),
        host: Duration::from_secs(22),
        new_host: Duration::from_secs(14),
        member: Duration::from_secs(120),
    };
    const ANN: ParticipantId = ParticipantId([1; 16]);
    const BOB: ParticipantId = ParticipantId([2; 16]);

    fn at(seconds: u32) -> Time {
        Time::ZERO + SECOND * seconds
    }

    fn watch() -> Watch {
        let mut watch = Watch::default();
        watch.begin_epoch(&[(ANN, true), (BOB, false)], |id| id == BOB, false, LIMITS, at(0));
        watch
    }

    fn beat_comes_back(watch: &mut Watch, now: Time) {
        watch.sent([1; 32]);
        assert!(watch.own_came_back([1; 32], now, LIMITS.cadence));
    }

    #[test]
    fn each_kind_has_its_own_patience() {
        let mut watch = watch();
        for second in [10, 20, 22, 30] {
            beat_comes_back(&mut watch, at(second));
        }
        assert_eq!(watch.silent(at(30), &LIMITS, Duration::ZERO), [ANN, BOB]);
        assert_eq!(watch.silent(at(30), &LIMITS, SECOND * 2), [ANN]);
        watch.heard(BOB, false, at(30));
        watch.heard(ANN, false, at(30));
        assert_eq!(watch.silent(at(31), &LIMITS, Duration::ZERO), [ANN], "only a beat counts for a host");
        watch.heard(ANN, true, at(31));
        assert_eq!(watch.silent(at(32), &LIMITS, Duration::ZERO), []);
        assert_eq!(watch.next_silent_at(at(32), &LIMITS, Duration::ZERO), at(53));
    }

    /// After an outage of the service everybody comes back; nobody shall find himself removed for it.
    #[test]
    fn an_outage_of_the_talk_lane_is_nobodys_silence() {
        let mut watch = watch();
        watch.heard(BOB, false, at(1));
        watch.heard(ANN, true, at(1));
        beat_comes_back(&mut watch, at(10));
        assert_eq!(watch.silent(at(600), &LIMITS, Duration::ZERO), [], "nothing is heard, own beats neither");
        beat_comes_back(&mut watch, at(600));
        assert_eq!(watch.silent(at(600), &LIMITS, Duration::ZERO), []);
        assert!(!watch.own_came_back([1; 32], at(601), LIMITS.cadence), "a replay proves nothing");
        for second in [610, 620] {
            beat_comes_back(&mut watch, at(second));
        }
        assert_eq!(watch.silent(at(620), &LIMITS, Duration::ZERO), [ANN], "now he has had his time");
    }

    /// A policy with shorter windows, or a call that shrinks: nobody is removed for what was allowed until now.
    #[test]
    fn new_limits_begin_to_count_when_they_are_known() {
        let mut watch = watch();
        watch.heard(ANN, true, at(1));
        watch.heard(BOB, false, at(1));
        let shorter = Limits { member: SECOND * 30, ..LIMITS };
        watch.begin_epoch(&[(ANN, true), (BOB, false)], |_| false, false, shorter, at(100));
        beat_comes_back(&mut watch, at(100));
        beat_comes_back(&mut watch, at(110));
        assert_eq!(watch.silent(at(111), &shorter, Duration::ZERO), []);
        for second in [120, 130] {
            beat_comes_back(&mut watch, at(second));
        }
        assert_eq!(watch.silent(at(131), &shorter, Duration::ZERO), [ANN, BOB]);
    }

    #[test]
    fn each_challenge_is_echoed_once_and_numbers_rise() {
        let mut watch = watch();
        watch.challenged_by(ANN, [1; 8]);
        watch.challenged_by(BOB, [2; 8]);
        watch.challenged_by(BOB, [3; 8]);
        watch.challenged_by(ParticipantId([9; 16]), [4; 8]);
        assert_eq!(watch.take_beat(at(0), LIMITS.cadence), (0, vec![[1; 8], [3; 8]]));
        assert_eq!(watch.beat_due_at(), at(10));
        watch.stand_down();
        assert_eq!(watch.take_beat(at(10), LIMITS.cadence), (1, vec![]));
    }

    /// A call grows from 400 to 1,000: challenges come every 30 to 40 s before, every 75 to 100 s after. One is lost.
    #[test]
    fn nobody_is_silent_for_one_lost_challenge_when_a_call_grows() {
        let small = Limits { member: SECOND * 120, ..LIMITS };
        let large = Limits { member: SECOND * 300, ..LIMITS };
        let mut watch = Watch::default();
        watch.stand_up(at(500), at(500));
        watch.begin_epoch(&[(BOB, false)], |_| false, false, small, at(500));
        watch.heard(BOB, false, at(500));
        // The call grows at 530; Bob's challenge at 538, the next after it at 538 + 88 = 626.
        watch.begin_epoch(&[(BOB, false)], |_| false, false, large, at(530));
        for second in [500, 510, 520, 530, 540, 550, 560, 570, 580, 590, 600, 610, 620] {
            beat_comes_back(&mut watch, at(second));
        }
        assert_eq!(watch.silent(at(625), &large, SECOND * 2), [], "he may be silent for five minutes");
    }
}
