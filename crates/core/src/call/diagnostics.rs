//! What goes wrong in a call, counted and told: numbers and participant ids, no names, no secrets.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::id::{Epoch, ParticipantId};
use crate::keyring::{FaultKind, Survey};
use crate::time::Time;

/// No user reads more events than that; what they do not say is in [`Diagnostics`].
const EVENTS_PER_SECOND: usize = 4;
const SECOND: Duration = Duration::from_secs(1);
/// How often one thing that keeps going wrong is told again.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// Everybody is an epoch behind for a moment after each commit, and a heartbeat that was sent in that moment is corrected by the
/// next, 10 s later (R21).
const LAG: Duration = Duration::from_secs(15);

/// What went wrong in a call so far, for a support page or a log: numbers and participant ids, no names, no secrets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Diagnostics {
    /// By participant, of those on the roster of whom there is something to tell.
    pub participants: BTreeMap<ParticipantId, ParticipantDiagnostics>,
    /// Frames refused of which could not be read whose they claim to be, by what is wrong with them.
    pub unclaimed: BTreeMap<FaultKind, u64>,
    /// Frames that wait for their epoch now.
    pub held_frames: usize,
    /// How many bytes those take.
    pub held_bytes: usize,
    /// Members' commits that broke the policy, also of members who left since.
    pub policy_violations: u64,
    /// Log entries that meant nothing: garbage, replays, what was late.
    pub skipped_entries: u64,
    /// Knocks that were refused unseen: garbage, replays, other invites.
    pub refused_knocks: u64,
    /// Talk messages that were refused, but for those of epochs that are closed: these are late, or of somebody who is behind.
    pub refused_talk: u64,
}

/// What went wrong with one participant so far.
///
/// Whoever is on the way can send garbage in anybody's name: faults say that frames which claim to be his do not open, not that
/// they are his.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ParticipantDiagnostics {
    /// Frames refused that claim to be his, by what is wrong with them.
    pub faults: BTreeMap<FaultKind, u64>,
    /// His commits that broke the policy. These are his: he signed them.
    pub policy_violations: u64,
    /// Since when all of his frames fail, if they do: from the first second in which some failed and none opened, until one opens.
    pub undecryptable_since: Option<Time>,
    /// How many epochs he was behind when last heard of, by his talk or by what he did not acknowledge; `None` before that.
    pub epochs_behind: Option<u64>,
}

/// Something goes wrong, or keeps going wrong.
///
/// At most four come in any second, whatever arrives, and at most one in ten seconds on the same participant and kind. Small counts
/// of most faults are what networks do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Trouble {
    /// With whom, if it is known. For faults of frames: whom these claim to be from.
    pub participant: Option<ParticipantId>,
    /// What it is.
    pub kind: TroubleKind,
    /// How often, or how many frames, since it was told last; for [`TroubleKind::Behind`], how many epochs.
    pub count: u64,
}

/// What goes wrong.
// In the order in which they are told when several wait.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum TroubleKind {
    /// Frames come in the participant's name and none of them opens: he is neither seen nor heard. The two ends state different
    /// metadata, or somebody garbles his media, or sends garbage in his name while he is silent.
    Undecryptable,
    /// A participant has not got to the newest epoch for some time: he will not open what is sealed under it.
    Behind,
    /// A member made a commit that breaks the policy; all honest members skip it.
    PolicyViolation,
    /// Log entries meant nothing.
    SkippedEntries,
    /// Knocks were refused unseen.
    RefusedKnocks,
    /// Talk messages were refused.
    RefusedTalk,
    /// Frames were refused.
    Faults(FaultKind),
}

type Topic = (Option<ParticipantId>, TroubleKind);

/// What is to be told of one topic.
#[derive(Default)]
struct Pending {
    /// Since it was told last.
    count: u64,
    told: Option<Time>,
}

/// Keeps a call's [`Diagnostics`], and says what of it is worth an event.
///
/// Its memory is bounded by the roster times the kinds there are, whatever arrives.
#[derive(Default)]
pub(super) struct Recorder {
    so_far: Diagnostics,
    /// What was told in the last ten seconds, and what waits for its turn.
    pending: BTreeMap<Topic, Pending>,
    /// The newest epoch that each was heard in.
    reached: BTreeMap<ParticipantId, Epoch>,
    /// Since when somebody is behind.
    lagging: BTreeMap<ParticipantId, Time>,
    /// When the last few events were handed out, for the limit.
    handed_out: Vec<Time>,
}

impl Recorder {
    /// Takes in what openers refused. A survey may name members who left: let [`members`](Self::members) follow.
    pub(super) fn survey(&mut self, survey: Survey, now: Time) {
        let mut failing = BTreeMap::<_, u64>::new();
        for (claimed, kind, count) in survey.faults {
            let counts = match claimed {
                Some(id) => &mut self.so_far.participants.entry(id).or_default().faults,
                None => &mut self.so_far.unclaimed,
            };
            add(counts.entry(kind).or_default(), count);
            self.raise(claimed, TroubleKind::Faults(kind), count);
            if let Some(id) = claimed.filter(|_| tells_of_keys(kind)) {
                add(failing.entry(id).or_default(), count);
            }
        }
        for id in survey.heard {
            failing.remove(&id);
            if let Some(participant) = self.so_far.participants.get_mut(&id) {
                participant.undecryptable_since = None;
            }
            // What was not told while it lasted is not told afterwards.
            self.pending
                .entry((Some(id), TroubleKind::Undecryptable))
                .and_modify(|pending| pending.count = 0);
        }
        for (id, count) in failing {
            self.so_far.participants.entry(id).or_default().undecryptable_since.get_or_insert(now);
            self.raise(Some(id), TroubleKind::Undecryptable, count);
        }
    }

    /// Returns whom the next survey must look for: those of whom nothing opens.
    pub(super) fn watched(&self) -> Vec<ParticipantId> {
        let silent = |participant: &ParticipantDiagnostics| participant.undecryptable_since.is_some();
        self.so_far.participants.iter().filter(|(_, about)| silent(about)).map(|(id, _)| *id).collect()
    }

    /// A member's commit broke the policy.
    pub(super) fn violation(&mut self, by: ParticipantId) {
        add(&mut self.so_far.policy_violations, 1);
        add(&mut self.so_far.participants.entry(by).or_default().policy_violations, 1);
        self.raise(Some(by), TroubleKind::PolicyViolation, 1);
    }

    /// A log entry meant nothing.
    pub(super) fn skipped(&mut self) {
        add(&mut self.so_far.skipped_entries, 1);
        self.raise(None, TroubleKind::SkippedEntries, 1);
    }

    /// A knock was refused.
    pub(super) fn refused_knock(&mut self) {
        add(&mut self.so_far.refused_knocks, 1);
        self.raise(None, TroubleKind::RefusedKnocks, 1);
    }

    /// A talk message was refused.
    pub(super) fn refused_talk(&mut self) {
        add(&mut self.so_far.refused_talk, 1);
        self.raise(None, TroubleKind::RefusedTalk, 1);
    }

    /// A participant said something in an epoch, authentically. Of that it is an old one makes much only who will soon say more:
    /// a host, with his next beat.
    pub(super) fn heard_in(&mut self, id: ParticipantId, epoch: Epoch, newest: Epoch, is_beat: bool) {
        let reached = self.reached.entry(id).or_insert(epoch);
        *reached = (*reached).max(epoch);
        let behind = newest.0.saturating_sub(reached.0);
        let known = &mut self.so_far.participants.entry(id).or_default().epochs_behind;
        if is_beat || behind == 0 || known.is_some_and(|known| known > 0) {
            *known = Some(behind);
        }
    }

    /// A participant has not acknowledged the newest epoch by its deadline.
    pub(super) fn has_not_acknowledged(&mut self, id: ParticipantId, newest: Epoch) {
        let before = Epoch(newest.0.saturating_sub(1));
        let reached = self.reached.get(&id).copied().unwrap_or(before);
        self.heard_in(id, reached, newest, true);
    }

    /// Somebody else has committed, and gets the acknowledgements now: who was behind may not be so any more.
    pub(super) fn acknowledged_elsewhere(&mut self) {
        for about in self.so_far.participants.values_mut() {
            about.epochs_behind.take_if(|behind| *behind > 0);
        }
    }

    /// Forgets those who left. To be called when the roster changes and after each survey.
    pub(super) fn members(&mut self, still_here: impl Fn(ParticipantId) -> bool) {
        self.so_far.participants.retain(|id, _| still_here(*id));
        self.lagging.retain(|id, _| still_here(*id));
        self.reached.retain(|id, _| still_here(*id));
        self.pending.retain(|(id, _), _| id.is_none_or(&still_here));
    }

    /// Returns the events that are due: at most four in any second.
    pub(super) fn due(&mut self, now: Time) -> Vec<Trouble> {
        self.find_who_lags(now);
        self.handed_out.retain(|at| now - *at < SECOND);
        let room = EVENTS_PER_SECOND.saturating_sub(self.handed_out.len());
        if room == 0 {
            return Vec::new();
        }
        let is_recent = |told: Time| now - told < TOLD_EVERY;
        self.pending.retain(|_, pending| pending.count > 0 || pending.told.is_some_and(is_recent));
        let mut waiting: Vec<_> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.count > 0 && !pending.told.is_some_and(is_recent))
            .map(|((id, kind), pending)| (pending.told, *kind, *id))
            .collect();
        // What was never told first, then what was not told for longest: however many topics there are, each has its turn.
        waiting.sort_unstable();
        waiting.truncate(room);
        self.handed_out.extend(waiting.iter().map(|_| now));
        let tell = |(_, kind, participant)| {
            let pending = self.pending.entry((participant, kind)).or_default();
            pending.told = Some(now);
            Trouble { participant, kind, count: core::mem::take(&mut pending.count) }
        };
        waiting.into_iter().map(tell).collect()
    }

    /// Returns what went wrong so far; `held` is what waits now, frames and bytes.
    pub(super) fn snapshot(&self, held: (usize, usize)) -> Diagnostics {
        Diagnostics { held_frames: held.0, held_bytes: held.1, ..self.so_far.clone() }
    }

    fn raise(&mut self, participant: Option<ParticipantId>, kind: TroubleKind, count: u64) {
        add(&mut self.pending.entry((participant, kind)).or_default().count, count);
    }

    fn find_who_lags(&mut self, now: Time) {
        for (id, about) in &self.so_far.participants {
            let behind = about.epochs_behind.unwrap_or(0);
            let count = if behind == 0 {
                self.lagging.remove(id);
                0
            } else {
                let since = *self.lagging.entry(*id).or_insert(now);
                if now - since < LAG { 0 } else { behind }
            };
            let topic = (Some(*id), TroubleKind::Behind);
            if count > 0 {
                self.pending.entry(topic).or_default().count = count;
            } else if let Some(pending) = self.pending.get_mut(&topic) {
                pending.count = 0;
            }
        }
    }
}

/// Says whether frames with this fault, and no others, mean that a participant cannot be seen or heard. Replays are frames that
/// opened once, and one's own frames open for the others.
fn tells_of_keys(kind: FaultKind) -> bool {
    !matches!(kind, FaultKind::Replayed | FaultKind::Reflected)
}

fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: ParticipantId = ParticipantId([1; 16]);
    const BOB: ParticipantId = ParticipantId([2; 16]);
    const FORGED: FaultKind = FaultKind::Unauthentic;

    fn at(millis: u64) -> Time {
        Time::since_origin(Duration::from_millis(millis))
    }

    fn numbered(number: u32) -> ParticipantId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        ParticipantId(id)
    }

    fn faults(of: Option<ParticipantId>, kind: FaultKind, count: u64) -> Survey {
        Survey { faults: vec![(of, kind, count)], heard: vec![] }
    }

    fn heard(of: ParticipantId) -> Survey {
        Survey { faults: vec![], heard: vec![of] }
    }

    fn undecryptable(recorder: &Recorder, id: ParticipantId) -> Option<Time> {
        recorder.snapshot((0, 0)).participants.get(&id).and_then(|about| about.undecryptable_since)
    }

    /// In the names of 1,000 members, with a survey every 100 ms for ten seconds.
    #[test]
    fn a_flood_gives_four_events_a_second_and_its_counts_are_exact() {
        let mut recorder = Recorder::default();
        let mut told: BTreeMap<Topic, u64> = BTreeMap::new();
        let mut when = Vec::new();
        let mut total = 0;
        for round in 0..100_u32 {
            let now = at(u64::from(round) * 100);
            let kinds = [FORGED, FaultKind::Replayed, FaultKind::EpochClosed];
            let claimed = (0..1000).map(|who| (Some(numbered(who)), kinds[(who + round) as usize % 3], 100));
            let survey =
                Survey { faults: claimed.chain([(None, FaultKind::Malformed, 7)]).collect(), heard: vec![] };
            total += 100_007;
            recorder.survey(survey, now);
            for trouble in recorder.due(now) {
                *told.entry((trouble.participant, trouble.kind)).or_default() += trouble.count;
                when.push(now);
            }
        }
        assert!(when.windows(5).all(|five| five[4] - five[0] >= SECOND), "five in a second");
        assert_eq!(when.len(), 40, "and not fewer than may be");
        let snapshot = recorder.snapshot((0, 0));
        let claimed = snapshot.participants.values().flat_map(|about| about.faults.values());
        assert_eq!(claimed.chain(snapshot.unclaimed.values()).sum::<u64>(), total);
        assert!(recorder.pending.len() <= 1000 * 4 + 1 && recorder.handed_out.len() <= 4);
        // What is still to be told and what was told are all there was.
        for ((id, kind), pending) in &recorder.pending {
            let TroubleKind::Faults(fault) = kind else { continue };
            let counted = match id {
                Some(id) => snapshot.participants[id].faults[fault],
                None => snapshot.unclaimed[fault],
            };
            assert_eq!(told.get(&(*id, *kind)).unwrap_or(&0) + pending.count, counted);
        }
    }

    #[test]
    fn one_thing_is_told_every_ten_seconds_with_the_count_since() {
        let mut recorder = Recorder::default();
        let mut told = Vec::new();
        for second in 0..=25 {
            recorder.survey(faults(None, FaultKind::Malformed, 100_000), at(second * 1000));
            told.extend(recorder.due(at(second * 1000)).into_iter().map(|trouble| (second, trouble.count)));
        }
        assert_eq!(told, [(0, 100_000), (10, 1_000_000), (20, 1_000_000)]);
        assert_eq!(recorder.due(at(30_000)).len(), 1, "the rest");
        assert!(recorder.due(at(60_000)).is_empty() && recorder.pending.is_empty(), "and that was it");
    }

    #[test]
    fn each_of_many_has_its_turn_and_the_worst_first() {
        let mut recorder = Recorder::default();
        for who in 0..40 {
            recorder.survey(faults(Some(numbered(who)), FaultKind::Replayed, 1), at(0));
        }
        recorder.survey(faults(Some(ANN), FORGED, 1), at(0));
        recorder.violation(BOB);
        let kinds = |troubles: Vec<Trouble>| troubles.iter().map(|t| t.kind).collect::<Vec<_>>();
        let replayed = TroubleKind::Faults(FaultKind::Replayed);
        assert_eq!(
            kinds(recorder.due(at(0))),
            [TroubleKind::Undecryptable, TroubleKind::PolicyViolation, replayed, replayed]
        );
        assert!(recorder.due(at(999)).is_empty());
        let rest: usize = (1..=20).map(|second| recorder.due(at(second * 1000)).len()).sum();
        assert_eq!(rest, 43 - 4);
    }

    #[test]
    fn who_is_not_heard_while_his_frames_fail_is_undecryptable_until_he_is() {
        let mut recorder = Recorder::default();
        let both = Survey { heard: vec![ANN], ..faults(Some(ANN), FORGED, 9) };
        recorder.survey(both, at(1000));
        assert_eq!(undecryptable(&recorder, ANN), None, "some of them open");
        recorder.survey(faults(Some(ANN), FaultKind::Replayed, 9), at(2000));
        recorder.survey(faults(Some(BOB), FaultKind::Reflected, 9), at(2000));
        assert_eq!(recorder.watched(), [], "no frame that was new");
        recorder.due(at(2000));

        recorder.survey(faults(Some(ANN), FORGED, 9), at(3000));
        recorder.survey(faults(Some(ANN), FaultKind::EpochClosed, 2), at(4000));
        assert_eq!(undecryptable(&recorder, ANN), Some(at(3000)));
        assert_eq!(recorder.watched(), [ANN]);
        let trouble = Trouble { participant: Some(ANN), kind: TroubleKind::Undecryptable, count: 11 };
        assert_eq!(recorder.due(at(4000))[0], trouble);

        recorder.survey(faults(Some(ANN), FORGED, 1), at(5000));
        recorder.survey(heard(ANN), at(6000));
        assert_eq!(undecryptable(&recorder, ANN), None);
        assert_eq!(recorder.watched(), []);
        let later = recorder.due(at(20_000));
        assert!(later.iter().all(|told| told.kind != TroubleKind::Undecryptable), "it is over: {later:?}");
        assert_eq!(recorder.snapshot((0, 0)).participants[&ANN].faults[&FORGED], 9 + 9 + 1);
    }

    #[test]
    fn who_stays_behind_is_told_and_who_catches_up_is_not() {
        let mut recorder = Recorder::default();
        recorder.heard_in(ANN, Epoch(8), Epoch(9), true);
        recorder.heard_in(BOB, Epoch(7), Epoch(9), true);
        assert!(recorder.due(at(0)).is_empty() && recorder.due(at(14_999)).is_empty(), "a moment");
        recorder.heard_in(ANN, Epoch(10), Epoch(10), true);
        recorder.heard_in(ANN, Epoch(8), Epoch(10), true); // late
        recorder.has_not_acknowledged(BOB, Epoch(10));
        let behind = Trouble { participant: Some(BOB), kind: TroubleKind::Behind, count: 3 };
        assert_eq!(recorder.due(at(15_000)), [behind]);
        assert!(recorder.due(at(24_999)).is_empty());
        assert_eq!(recorder.due(at(25_000)), [behind], "he still is");
        recorder.heard_in(BOB, Epoch(10), Epoch(10), true);
        assert!(recorder.due(at(60_000)).is_empty());
        let snapshot = recorder.snapshot((0, 0));
        assert_eq!(snapshot.participants[&ANN].epochs_behind, Some(0));
        recorder.has_not_acknowledged(numbered(7), Epoch(11));
        let behind = |id| recorder.snapshot((0, 0)).participants[&id].epochs_behind;
        assert_eq!(behind(numbered(7)), Some(1), "at least");
    }

    #[test]
    fn who_left_is_forgotten() {
        let mut recorder = Recorder::default();
        for id in [ANN, BOB] {
            recorder.survey(faults(Some(id), FORGED, 1), at(0));
            recorder.violation(id);
            recorder.heard_in(id, Epoch(8), Epoch(9), true);
        }
        recorder.skipped();
        recorder.due(at(0));
        recorder.members(|id| id == BOB);
        let snapshot = recorder.snapshot((0, 0));
        assert_eq!(snapshot.participants.keys().collect::<Vec<_>>(), [&BOB]);
        assert_eq!(
            (snapshot.policy_violations, snapshot.skipped_entries),
            (2, 1),
            "the call's own sums stay"
        );
        assert!(recorder.lagging.keys().eq([&BOB]));
        assert!(recorder.pending.keys().all(|(id, _)| *id != Some(ANN)));
        assert!(recorder.due(at(30_000)).iter().all(|trouble| trouble.participant != Some(ANN)));
    }

    #[test]
    fn what_is_told_and_shown_holds_numbers_and_ids_alone() {
        let mut recorder = Recorder::default();
        recorder.survey(faults(Some(ANN), FORGED, 3), at(1000));
        recorder.survey(faults(None, FaultKind::HoldFull, 2), at(1000));
        recorder.violation(ANN);
        recorder.skipped();
        recorder.refused_knock();
        recorder.refused_talk();
        recorder.refused_talk();
        recorder.heard_in(ANN, Epoch(7), Epoch(9), true);
        let snapshot = recorder.snapshot((5, 600));
        assert_eq!((snapshot.held_frames, snapshot.held_bytes), (5, 600));
        assert_eq!((snapshot.skipped_entries, snapshot.refused_knocks, snapshot.refused_talk), (1, 1, 2));
        assert_eq!(snapshot.unclaimed, BTreeMap::from([(FaultKind::HoldFull, 2)]));
        // All of it, word for word: who adds a field thinks of this.
        assert_eq!(
            format!("{snapshot:?}"),
            "Diagnostics { participants: {ParticipantId(01010101010101010101010101010101): \
             ParticipantDiagnostics { faults: {Unauthentic: 3}, policy_violations: 1, \
             undecryptable_since: Some(Time(1s)), epochs_behind: Some(2) }}, unclaimed: {HoldFull: 2}, \
             held_frames: 5, held_bytes: 600, policy_violations: 1, skipped_entries: 1, refused_knocks: 1, \
             refused_talk: 2 }"
        );
        assert_eq!(
            format!("{:?}", recorder.due(at(1000))[0]),
            "Trouble { participant: Some(ParticipantId(01010101010101010101010101010101)), \
             kind: Undecryptable, count: 3 }"
        );
    }
}
