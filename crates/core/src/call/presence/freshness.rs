//! Whether the hosts are known to be there (R21), as every member sees it.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use super::talk::{Beat, Challenge};
use crate::id::{Epoch, ParticipantId};
use crate::time::Time;

/// Challenges whose echo is waited for; an older one says too little.
const OPEN_CHALLENGES: usize = 8;

/// An anchor says when beats were made; after this long clocks may have drifted too far apart for it to say so any more.
const ANCHOR_AGE: Duration = Duration::from_secs(900);

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
    /// A new roster: whoever is a host since now has the window's time for his first echo. A change of the cadence gives nobody any
    /// time: a server could hand out one after the other.
    pub(super) fn begin_epoch(
        &mut self,
        epoch: Epoch,
        others: &[ParticipantId],
        now: Time,
        [cadence, window]: [Duration; 2],
        [challenge_within, challenge_interval]: [Duration; 2],
    ) {
        if let Some(before) = self.cadence.replace(cadence).filter(|before| *before != cadence) {
            self.since = epoch;
            self.next_challenge_at = self.next_challenge_at.min(now + challenge_within);
            for seen in self.hosts.values_mut() {
                seen.changed = Some(seen.changed.unwrap_or(before).min(before).min(cadence));
            }
        }
        self.next_challenge_at = self.next_challenge_at.min(now + challenge_interval);
        self.hosts.retain(|host, _| others.contains(host));
        for host in others {
            self.hosts.entry(*host).or_insert_with(|| {
                self.next_challenge_at = self.next_challenge_at.min(now + challenge_within);
                Seen { fresh_until: now + window, anchor: None, changed: None, highest: None }
            });
        }
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
        if let Some(&(_, sent)) = echoed {
            let new = Anchor { number: beat.number, sent };
            // Both hold; the later one says more. An old one that clocks have drifted away from says nothing any more.
            let keep = |old: &Anchor| old.made(beat.number, cadence) >= sent && now - old.sent < ANCHOR_AGE;
            if !seen.anchor.as_ref().is_some_and(keep) {
                seen.anchor = Some(new);
            }
        }
        if let Some(anchor) = seen.anchor {
            // However high a number is: no beat was made after it came.
            seen.fresh_until = anchor.made(beat.number, cadence).min(now) + window;
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

    /// A challenge goes out. The next one follows soon while a host has not echoed any, with his next beat while one is missed, and
    /// otherwise now and then.
    pub(super) fn challenged(
        &mut self,
        challenge: Challenge,
        now: Time,
        [soon, cadence, later]: [Duration; 3],
    ) {
        if self.challenges.len() == OPEN_CHALLENGES {
            self.challenges.pop_front();
        }
        self.challenges.push_back((challenge, now));
        let unanchored = self.hosts.values().any(|seen| seen.anchor.is_none() && seen.fresh_until > now);
        let missed = self.hosts.values().any(|seen| seen.fresh_until <= now);
        self.next_challenge_at = now
            + match (unanchored, missed) {
                (true, _) => soon,
                (false, true) => cadence,
                (false, false) => later,
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
        freshness.begin_epoch(Epoch(0), &[HOST], at(0), [CADENCE, WINDOW], [CADENCE; 2]);
        freshness.challenged([7; 8], at(0), [CADENCE / 4, CADENCE, CADENCE * 4]);
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

    #[test]
    fn a_new_host_has_the_window_for_his_first_echo() {
        let mut freshness = challenged_at_zero();
        freshness.beat(HOST, Epoch(0), &beat(0, &[[7; 8]]), at(1), [CADENCE, WINDOW]);
        let new = ParticipantId([3; 16]);
        freshness.begin_epoch(Epoch(1), &[HOST, new], at(20), [CADENCE, WINDOW], [CADENCE; 2]);
        assert_eq!(freshness.stale(at(40)), [HOST]);
        freshness.begin_epoch(Epoch(2), &[new], at(41), [CADENCE, WINDOW], [CADENCE; 2]);
        assert_eq!(
            (freshness.stale(at(49)), freshness.stale(at(50))),
            (vec![], vec![new]),
            "no second grace"
        );
    }

    /// With beats ten times as far apart, a number that is 600 higher would be worth an hour more than it took.
    #[test]
    fn numbers_from_before_a_change_of_cadence_count_by_the_shorter_one() {
        let mut freshness = Freshness::default();
        freshness.begin_epoch(Epoch(0), &[HOST], at(0), [CADENCE / 10, WINDOW], [CADENCE; 2]);
        freshness.challenged([7; 8], at(0), [CADENCE; 3]);
        freshness.beat(HOST, Epoch(0), &beat(0, &[[7; 8]]), at(1), [CADENCE / 10, WINDOW]);
        freshness.begin_epoch(Epoch(1), &[HOST], at(20), [CADENCE, WINDOW], [CADENCE; 2]);
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
