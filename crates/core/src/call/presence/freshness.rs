//! Whether the hosts are known to be there (R21), as every member sees it.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use super::talk::{Beat, Challenge};
use crate::id::{Epoch, ParticipantId};
use crate::time::Time;

/// Challenges whose echo is waited for; an older one says too little.
const OPEN_CHALLENGES: usize = 8;

/// An anchor says when beats were made; after this long clocks may have drifted too far apart for it to say so any more. (Clocks that
/// differ by 100 millionths, which is much, do so by 60 ms then.) From half of it on another one is sought.
const ANCHOR_AGE: Duration = Duration::from_secs(600);

/// When a beat was made, at the earliest.
#[derive(Clone, Copy)]
struct Anchor {
    number: u64,
    /// When the challenge was sent that it echoes.
    sent: Time,
}

impl Anchor {
    /// Returns a moment before which the host's beat with a number was not made.
    fn made(&self, number: u64, cadence: Duration) -> Time {
        let since = u32::try_from(number.saturating_sub(self.number)).unwrap_or(u32::MAX);
        self.sent + cadence.saturating_mul(since)
    }

    fn age(&self, now: Time) -> Duration {
        now - self.sent
    }

    /// Says whether an echo in a beat with a number, of a challenge sent then, is worth less. Both hold; the later moment says more. But
    /// the older this one is, the less it is worth, however late.
    fn outweighs(&self, number: u64, sent: Time, cadence: Duration, now: Time) -> bool {
        let made = self.made(number, cadence);
        match self.age(now) {
            age if age < ANCHOR_AGE / 2 => made >= sent,
            age if age < ANCHOR_AGE * 3 / 4 => made >= sent + cadence / 3,
            _ => false,
        }
    }
}

/// What is known of one host.
struct Seen {
    /// Until then he counts as being there.
    fresh_until: Time,
    anchor: Option<Anchor>,
    /// The cadence has changed since the anchor: the first beat after it counts by the shorter one.
    changed: Option<Duration>,
    highest: Option<u64>,
}

/// The hosts on this member's roster, but for itself, and until when each is fresh.
///
/// A server can keep heartbeats back and hand them out later, to hide that a host goes on without this member. So a beat is not
/// dated by its arrival but by its number: beat `k` echoed a challenge sent at `a`, so beat `k + i` was made `i` cadences later or
/// more, and is fresh until `a + i × cadence + window` and no longer. Of several echoes the quickest says most; but not for ever, as
/// clocks drift. (A host who sleeps numbers on where he was, so that his beats seem old until he echoes again.)
#[derive(Default)]
pub(super) struct Freshness {
    hosts: BTreeMap<ParticipantId, Seen>,
    /// Sent, and perhaps echoed.
    challenges: VecDeque<(Challenge, Time)>,
    next_challenge_at: Time,
    cadence: Option<Duration>,
    /// Beats of older epochs may have been made with another cadence.
    since: Epoch,
}

impl Freshness {
    /// A new roster. Whoever is a host since now has as much time for his first echo as the hosts before him still had; where there
    /// were none, the window from `since` on. Neither he nor a change of the cadence or the window gives anybody more time: a server
    /// could withhold such changes, and hand out one after the other.
    pub(super) fn begin_epoch(
        &mut self,
        epoch: Epoch,
        others: &[ParticipantId],
        [since, now]: [Time; 2],
        [cadence, window]: [Duration; 2],
        [challenge_within, challenge_interval]: [Duration; 2],
    ) {
        let before = self.hosts.values().map(|seen| seen.fresh_until).max();
        let for_new_ones = before.unwrap_or(since + window).min(now + window);
        if let Some(before) = self.cadence.replace(cadence).filter(|before| *before != cadence) {
            self.since = epoch;
            self.next_challenge_at = self.next_challenge_at.min(now + challenge_within);
            for seen in self.hosts.values_mut() {
                seen.changed = Some(seen.changed.unwrap_or(before).min(before).min(cadence));
            }
        }
        self.next_challenge_at = self.next_challenge_at.min(now + challenge_interval);
        self.hosts.retain(|host, _| others.contains(host));
        for seen in self.hosts.values_mut() {
            seen.fresh_until = seen.fresh_until.min(now + window);
        }
        for host in others {
            self.hosts.entry(*host).or_insert_with(|| {
                self.next_challenge_at = self.next_challenge_at.min(now + challenge_within);
                Seen { fresh_until: for_new_ones, anchor: None, changed: None, highest: None }
            });
        }
    }

    /// This participant's clock may have stood still: what was sent and heard before says nothing any more.
    pub(super) fn forget(&mut self, now: Time) {
        self.challenges.clear();
        for seen in self.hosts.values_mut() {
            (seen.anchor, seen.changed) = (None, None);
            seen.fresh_until = seen.fresh_until.min(now);
        }
        self.challenge_soon(now);
    }

    /// Says whether a host is known to be there.
    pub(super) fn is_fresh(&self, host: ParticipantId, now: Time) -> bool {
        self.hosts.get(&host).is_some_and(|seen| seen.fresh_until > now)
    }

    /// Takes in a beat of a host on the roster; says whether it was news.
    pub(super) fn beat(
        &mut self,
        from: ParticipantId,
        epoch: Epoch,
        beat: &Beat,
        now: Time,
        [cadence, window]: [Duration; 2],
    ) -> bool {
        if epoch < self.since {
            return false;
        }
        let Some(seen) = self.hosts.get_mut(&from) else { return false };
        if seen.highest.is_some_and(|highest| beat.number <= highest) {
            return false;
        }
        seen.highest = Some(beat.number);
        if let (Some(shorter), Some(anchor)) = (seen.changed.take(), &mut seen.anchor) {
            let made = anchor.made(beat.number, shorter).min(now);
            *anchor = Anchor { number: beat.number, sent: made };
        }
        let echoed = self.challenges.iter().rev().find(|(challenge, _)| beat.echoes.contains(challenge));
        if let Some(&(_, sent)) = echoed
            && !seen.anchor.is_some_and(|old| old.outweighs(beat.number, sent, cadence, now))
        {
            seen.anchor = Some(Anchor { number: beat.number, sent });
        }
        if let Some(anchor) = seen.anchor.filter(|anchor| anchor.age(now) <= ANCHOR_AGE) {
            // However high a number is: no beat was made after it came.
            seen.fresh_until = seen.fresh_until.max(anchor.made(beat.number, cadence).min(now) + window);
        }
        true
    }

    pub(super) fn challenge_due_at(&self) -> Time {
        if self.hosts.is_empty() { Time::NEVER } else { self.next_challenge_at }
    }

    /// Somebody is missed: he is asked to show himself as soon as he can.
    pub(super) fn challenge_soon(&mut self, now: Time) {
        self.next_challenge_at = self.next_challenge_at.min(now);
    }

    /// A challenge goes out. The next one follows soon while a host has not echoed any, with his next beat while one is missed, in time
    /// for a renewal while what was echoed gets old, and otherwise now and then.
    pub(super) fn challenged(
        &mut self,
        challenge: Challenge,
        now: Time,
        [soon, cadence, renewal, later]: [Duration; 4],
    ) {
        if self.challenges.len() == OPEN_CHALLENGES {
            self.challenges.pop_front();
        }
        self.challenges.push_back((challenge, now));
        let any = |is: &dyn Fn(&Seen) -> bool| self.hosts.values().any(is);
        let is_old = |anchor: Anchor| anchor.age(now) >= ANCHOR_AGE / 2;
        self.next_challenge_at = now
            + if any(&|seen| seen.fresh_until > now && seen.anchor.is_none()) {
                soon
            } else if any(&|seen| seen.fresh_until <= now) {
                cadence
            } else if any(&|seen| seen.anchor.is_some_and(is_old)) {
                renewal.min(later)
            } else {
                later
            };
    }

    /// Returns the hosts who are not known to be there.
    pub(super) fn stale(&self, now: Time) -> Vec<ParticipantId> {
        self.hosts.iter().filter(|(_, seen)| seen.fresh_until <= now).map(|(host, _)| *host).collect()
    }

    pub(super) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Returns when the next host becomes stale.
    pub(super) fn next_stale_at(&self, now: Time) -> Time {
        self.hosts.values().map(|seen| seen.fresh_until).filter(|at| *at > now).min().unwrap_or(Time::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: ParticipantId = ParticipantId([1; 16]);
    const CADENCE: Duration = Duration::from_secs(10);
    const WINDOW: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Time {
        Time::since_origin(Duration::from_secs(seconds))
    }

    fn beat(number: u64, echoes: &[Challenge]) -> Beat {
        Beat { number, next: 0, authenticator: [0; 16], has_lobby_key: 0, deaf: 0, echoes: echoes.to_vec() }
    }

    fn challenged_at_zero() -> Freshness {
        let mut freshness = Freshness::default();
        freshness.begin_epoch(Epoch(0), &[HOST], [at(0); 2], [CADENCE, WINDOW], [CADENCE; 2]);
        freshness.challenged([7; 8], at(0), [CADENCE / 4, CADENCE, CADENCE, CADENCE * 4]);
        freshness
    }

    #[test]
    fn a_host_is_fresh_for_a_window_from_the_challenge_that_he_echoed() {
        let mut freshness = challenged_at_zero();
        assert!(freshness.beat(HOST, Epoch(0), &beat(5, &[[7; 8]]), at(1), [CADENCE, WINDOW]));
        assert_eq!((freshness.stale(at(29)), freshness.stale(at(30))), (vec![], vec![HOST]));
        assert!(freshness.beat(HOST, Epoch(0), &beat(6, &[]), at(11), [CADENCE, WINDOW]));
        assert_eq!((freshness.stale(at(39)), freshness.stale(at(40))), (vec![], vec![HOST]));
    }

    /// R21: a server that lets few beats through and saves the rest gains nothing when it spends them.
    #[test]
    fn beats_from_a_backlog_are_as_old_as_their_numbers() {
        let mut freshness = challenged_at_zero();
        for number in 5..8 {
            freshness.beat(
                HOST,
                Epoch(0),
                &beat(number, &[[7; 8]]),
                at(10 * (number - 5) + 1),
                [CADENCE, WINDOW],
            ); // made at 0, 10, 20
        }
        // Beats 8 and 9 were made at 30 and 40, and are handed out at 100.
        assert!(freshness.beat(HOST, Epoch(0), &beat(9, &[]), at(100), [CADENCE, WINDOW]));
        assert_eq!(freshness.stale(at(100)), [HOST]);
    }

    #[test]
    fn a_beat_without_an_echo_says_nothing_yet_and_an_old_number_nothing_at_all() {
        let mut freshness = challenged_at_zero();
        assert!(freshness.beat(HOST, Epoch(0), &beat(900, &[]), at(1), [CADENCE, WINDOW]));
        assert_eq!(freshness.stale(at(30)), [HOST]);
        assert!(!freshness.beat(HOST, Epoch(0), &beat(900, &[[7; 8]]), at(1), [CADENCE, WINDOW]), "a replay");
        assert!(
            !freshness.beat(
                ParticipantId([2; 16]),
                Epoch(0),
                &beat(901, &[[7; 8]]),
                at(1),
                [CADENCE, WINDOW]
            ),
            "no host"
        );
        assert_eq!(freshness.stale(at(30)), [HOST]);
    }

    /// However high its number is: no beat was made after it came.
    #[test]
    fn no_number_makes_a_beat_younger_than_its_arrival() {
        let mut freshness = challenged_at_zero();
        freshness.beat(HOST, Epoch(0), &beat(0, &[[7; 8]]), at(1), [CADENCE, WINDOW]);
        freshness.beat(HOST, Epoch(0), &beat(1_000, &[]), at(2), [CADENCE, WINDOW]);
        assert_eq!((freshness.stale(at(31)), freshness.stale(at(32))), (vec![], vec![HOST]));
    }

    #[test]
    fn an_anchor_that_clocks_have_drifted_away_from_is_replaced() {
        let mut freshness = challenged_at_zero();
        freshness.beat(HOST, Epoch(0), &beat(0, &[[7; 8]]), at(0), [CADENCE, WINDOW]);
        // The host's clock runs fast: beat 50 comes at 475; by its number it was made at 500.
        freshness.challenged([8; 8], at(465), [CADENCE; 4]);
        freshness.beat(HOST, Epoch(0), &beat(50, &[[8; 8]]), at(475), [CADENCE, WINDOW]);
        assert_eq!((freshness.stale(at(494)), freshness.stale(at(495))), (vec![], vec![HOST]), "made at 465");
    }

    /// Otherwise a server could withhold handovers from host to host, and hand out one after the other.
    #[test]
    fn a_new_host_has_the_time_that_the_hosts_before_him_had() {
        let mut freshness = challenged_at_zero();
        freshness.beat(HOST, Epoch(0), &beat(0, &[[7; 8]]), at(1), [CADENCE, WINDOW]);
        let new = ParticipantId([3; 16]);
        freshness.begin_epoch(Epoch(1), &[HOST, new], [at(20); 2], [CADENCE, WINDOW], [CADENCE; 2]);
        assert_eq!((freshness.stale(at(29)), freshness.stale(at(30))), (vec![], vec![HOST, new]));
        let newer = ParticipantId([4; 16]);
        freshness.begin_epoch(Epoch(2), &[newer], [at(29); 2], [CADENCE, WINDOW], [CADENCE; 2]);
        assert_eq!((freshness.stale(at(29)), freshness.stale(at(30))), (vec![], vec![newer]));
        freshness.challenged([8; 8], at(31), [CADENCE / 4, CADENCE, CADENCE, CADENCE * 4]);
        freshness.beat(newer, Epoch(2), &beat(0, &[[8; 8]]), at(32), [CADENCE, WINDOW]);
        assert_eq!((freshness.stale(at(60)), freshness.stale(at(61))), (vec![], vec![newer]), "his own");
    }

    /// The only host so far has nobody to listen for. Who becomes one by a commit of his could have acted since it went out.
    #[test]
    fn the_first_other_host_counts_from_when_the_commit_went_out() {
        let mut freshness = Freshness::default();
        freshness.begin_epoch(Epoch(0), &[], [at(0); 2], [CADENCE, WINDOW], [CADENCE; 2]);
        freshness.begin_epoch(Epoch(1), &[HOST], [at(100), at(125)], [CADENCE, WINDOW], [CADENCE; 2]);
        assert_eq!((freshness.stale(at(129)), freshness.stale(at(130))), (vec![], vec![HOST]));
    }

    #[test]
    fn a_shorter_window_counts_at_once() {
        let mut freshness = Freshness::default();
        freshness.begin_epoch(Epoch(0), &[HOST], [at(0); 2], [CADENCE, WINDOW * 20], [CADENCE; 2]);
        freshness.begin_epoch(Epoch(1), &[HOST], [at(5); 2], [CADENCE, WINDOW], [CADENCE; 2]);
        assert_eq!((freshness.stale(at(34)), freshness.stale(at(35))), (vec![], vec![HOST]));
    }

    /// R21: clocks drift, and a server can let through all beats but those with an echo.
    #[test]
    fn an_anchor_that_is_never_renewed_holds_for_ten_minutes() {
        let mut freshness = challenged_at_zero();
        let mut last_fresh = 0;
        for number in 0..200 {
            // The host's clock is fast by a hundredth.
            let now = Time::since_origin(Duration::from_millis(9_900 * number));
            let echoes: &[Challenge] = if number == 0 { &[[7; 8]] } else { &[] };
            freshness.beat(HOST, Epoch(0), &beat(number, echoes), now, [CADENCE, WINDOW]);
            last_fresh = if freshness.is_fresh(HOST, now) { now.elapsed().as_secs() } else { last_fresh };
        }
        assert!((600..=640).contains(&last_fresh), "{last_fresh}");
    }

    /// A host whose beats are numbered as nobody would can be heard for ever, and does not count.
    #[test]
    fn whose_beats_say_nothing_is_not_fresh() {
        let mut freshness = challenged_at_zero();
        assert!(freshness.beat(HOST, Epoch(0), &beat(u64::MAX, &[]), at(1), [CADENCE, WINDOW]));
        assert!(!freshness.beat(HOST, Epoch(0), &beat(7, &[[7; 8]]), at(11), [CADENCE, WINDOW]));
        assert!(freshness.is_fresh(HOST, at(29)) && !freshness.is_fresh(HOST, at(30)));
    }

    #[test]
    fn whoever_slept_believes_in_no_beat_without_another_echo() {
        let mut freshness = challenged_at_zero();
        freshness.beat(HOST, Epoch(0), &beat(0, &[[7; 8]]), at(1), [CADENCE, WINDOW]);
        freshness.forget(at(5));
        assert_eq!(freshness.stale(at(5)), [HOST]);
        assert!(freshness.challenge_due_at() <= at(5));
        freshness.beat(HOST, Epoch(0), &beat(1, &[[7; 8]]), at(6), [CADENCE, WINDOW]);
        assert_eq!(freshness.stale(at(6)), [HOST], "an echo of before");
        freshness.challenged([9; 8], at(6), [CADENCE / 4, CADENCE, CADENCE, CADENCE * 4]);
        freshness.beat(HOST, Epoch(0), &beat(2, &[[9; 8]]), at(16), [CADENCE, WINDOW]);
        assert_eq!((freshness.stale(at(35)), freshness.stale(at(36))), (vec![], vec![HOST]));
    }

    /// With beats ten times as far apart, a number that is 600 higher would be worth an hour more than it took.
    #[test]
    fn numbers_from_before_a_change_of_cadence_count_by_the_shorter_one() {
        let mut freshness = Freshness::default();
        freshness.begin_epoch(Epoch(0), &[HOST], [at(0); 2], [CADENCE / 10, WINDOW], [CADENCE; 2]);
        freshness.challenged([7; 8], at(0), [CADENCE; 4]);
        freshness.beat(HOST, Epoch(0), &beat(0, &[[7; 8]]), at(1), [CADENCE / 10, WINDOW]);
        freshness.begin_epoch(Epoch(1), &[HOST], [at(20); 2], [CADENCE, WINDOW], [CADENCE; 2]);
        assert_eq!(
            (freshness.stale(at(29)), freshness.stale(at(30))),
            (vec![], vec![HOST]),
            "no time is given"
        );
        let old = freshness.beat(HOST, Epoch(0), &beat(600, &[[7; 8]]), at(25), [CADENCE, WINDOW]);
        assert!(!old, "an old epoch's");
        assert!(freshness.beat(HOST, Epoch(1), &beat(20, &[]), at(90), [CADENCE, WINDOW]));
        assert_eq!(
            (freshness.stale(at(49)), freshness.stale(at(50))),
            (vec![], vec![HOST]),
            "made at 20 or later"
        );
        assert!(freshness.beat(HOST, Epoch(1), &beat(21, &[]), at(91), [CADENCE, WINDOW]));
        assert_eq!(
            (freshness.stale(at(59)), freshness.stale(at(60))),
            (vec![], vec![HOST]),
            "and at 30 or later"
        );
    }
}
