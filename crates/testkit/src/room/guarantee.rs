//! What the call promises about one frame, worked out from what the room knows and the call does not.
//!
//! R19 promises that no frame is lost for want of a key while *sender's delay − receiver's delay + switch deadline + media
//! jitter ≤ retention*. A sender seals under an old epoch until the deadline after he had the commit, a receiver keeps it for
//! the retention after he had it: so the sum says that the frame arrives while the receiver still has the key. That is what is
//! looked at here, frame by frame. It is a little more than the sum, which speaks of the last frame before the deadline only.
//!
//! On the other side R18 promises that a frame that comes before its epoch waits for it, so long and so many of a track. So a receiver
//! may have the commit later than the sender by so much at most.

use core::time::Duration;

use subrosa::{Epoch, Time};

use super::Room;
use super::media::Frame;
use super::seat::{Attending, Own};

/// R18 says 5 s, on the call's clock, which stands still between two inputs, and these are a second apart at most.
const HELD_FOR: Duration = Duration::from_secs(4);
/// R18: so many frames of one track wait, so many in all, and so many bytes.
const HELD_OF_TRACK: usize = 256;
const HELD_IN_ALL: usize = 16_384;
const HELD_BYTES: usize = 8 << 20;
/// R19: an old epoch closes for a sender so long after his first frame under a newer one.
const CLOSES_AFTER: Duration = Duration::from_secs(1);
/// R21: beats come with a cadence, and the call looks at its clock once a second.
const BETWEEN_LOOKS: Duration = Duration::from_secs(3);
/// R21: so old can the challenge be by which a beat is dated; clocks differ by so much as they drift apart meanwhile.
const ANCHOR_AGE: Duration = Duration::from_secs(600);

impl Attending {
    /// Says whether a frame that arrived at `arrived`, on this participant's clock, had to be opened by now.
    pub(super) fn was_promised(&self, frame: &Frame, arrived: Time, epoch_bits: u32) -> bool {
        let own = self.epochs.get(&frame.epoch).filter(|own| own.number == frame.in_ledger);
        let Some(taken_at) = own.and_then(|own| own.taken_at) else { return false };
        let could_open_at = taken_at.max(arrived);
        taken_at <= arrived + HELD_FOR
            && !self.was_paused_since(arrived)
            && self.is_kept(frame, could_open_at, epoch_bits)
    }

    /// R19: says whether an epoch's time is over.
    pub(super) fn has_expired(&self, epoch: Epoch, at: Time) -> bool {
        let mut newer = self.epochs.range(Epoch(epoch.0 + 1)..);
        newer.any(|(_, own)| own.applied_at + own.retention <= at)
    }

    /// R19: says whether the frame's epoch must still be open to its sender's frames.
    fn is_kept(&self, frame: &Frame, at: Time, epoch_bits: u32) -> bool {
        let newer = || self.epochs.range(Epoch(frame.epoch.0 + 1)..);
        // RFC 9605 §5.2: an epoch with the same low bits evicts the old one.
        let is_evicted = newer().any(|(epoch, own)| {
            epoch.0 - frame.epoch.0 >= 1 << epoch_bits && own.taken_at.is_some_and(|taken| taken <= at)
        });
        let first = |hearing: &super::media::Hearing| {
            hearing.first.range(Epoch(frame.epoch.0 + 1)..).map(|(_, first)| *first).min()
        };
        let heard_newer = self.hearing.get(&frame.id).and_then(first);
        let has_gone_on = heard_newer.is_some_and(|first| first + CLOSES_AFTER < at);
        !self.has_expired(frame.epoch, at) && !is_evicted && !has_gone_on
    }

    /// R18: says whether a frame of an epoch that is not open yet has to be held.
    pub(super) fn should_hold(&self, frame: &Frame, epoch_bits: u32) -> bool {
        let newest =
            self.epochs.iter().rev().find(|(_, own)| own.taken_at.is_some()).map(|(epoch, _)| epoch.0);
        let is_next = newest
            .is_none_or(|newest| (newest + 1..=newest + (1 << (epoch_bits - 1))).contains(&frame.epoch.0));
        is_next && self.has_room(frame, epoch_bits)
    }

    fn has_room(&self, frame: &Frame, epoch_bits: u32) -> bool {
        // As the opener counts them: the tree's width is not known yet, so leaf and context are one number.
        let track = frame.kid >> epoch_bits;
        let of_track = self.held.values().filter(|held| held.frame.kid >> epoch_bits == track).count();
        let bytes = self.held.values().map(|held| held.frame.bytes.len() + 2).sum::<usize>();
        of_track < HELD_OF_TRACK
            && self.held.len() < HELD_IN_ALL
            && bytes + frame.bytes.len() + 2 <= HELD_BYTES
    }

    /// Says whether there is an epoch to seal under: taken, in use or to be used by now, not over, not evicted, and not older than a removal
    /// whose deadline has passed.
    pub(super) fn can_seal(&self, now: Time, epoch_bits: u32) -> bool {
        let in_a_moment = now + Duration::from_millis(1);
        let newer = |epoch: Epoch| self.epochs.range(Epoch(epoch.0 + 1)..);
        let is_stopped = |epoch| {
            newer(epoch).any(|(_, own)| {
                own.removes && own.taken_at.is_none() && own.applied_at + own.deadline <= in_a_moment
            })
        };
        let is_evicted = |epoch: Epoch| newer(epoch).any(|(other, _)| other.0 - epoch.0 >= 1 << epoch_bits);
        let is_usable = |(epoch, own): &(&Epoch, &Own)| {
            let is_due = own.is_first || own.applied_at + own.deadline < now;
            own.taken_at.is_some_and(|at| at < now)
                && (Some(**epoch) == self.switched || Some(**epoch) > self.switched && is_due)
        };
        let taken = self.epochs.iter().filter(is_usable).map(|(epoch, _)| *epoch);
        let mut usable = taken.filter(|epoch| !self.has_expired(*epoch, in_a_moment));
        usable.any(|epoch| !is_stopped(epoch) && !is_evicted(epoch))
    }

    fn was_paused_since(&self, since: Time) -> bool {
        self.paused_since.is_some() || self.resumed_at.is_some_and(|at| at >= since)
    }

    /// R20: returns the epoch that a sender should be under by now, if it is not this one.
    pub(super) fn overdue(&self, sealed_under: Epoch, now: Time) -> Option<Epoch> {
        let newer = self.epochs.range(Epoch(sealed_under.0 + 1)..).rev();
        let mut due = newer.filter(|(_, own)| {
            // An untaken one cannot be sealed under; but after a removal nothing is sealed under the old one either.
            let may = own.taken_at.is_some() || own.removes;
            may && !own.is_first && own.applied_at + own.deadline < now
        });
        due.next().map(|(epoch, _)| *epoch)
    }
}

impl Room {
    /// R21: how long ago the first host left an epoch, if a member seals under it for longer than the liveness window after that.
    ///
    /// A member's window begins anew with hosts who are new to him, so it counts from when he entered the epoch at the earliest. Who
    /// has the next epoch and has not switched yet has R20's deadline for that. Who chose to go on without hosts does so, and the
    /// only host has nobody to listen for.
    pub(super) fn left_behind(&self, who: usize, number: usize, epoch: Epoch) -> Option<Duration> {
        let attending = self.seats[who].attending()?;
        let left_at = self.ledger.left_at(number, attending.id)?;
        let has_newer = attending.epochs.last_key_value().is_some_and(|(newest, _)| *newest > epoch);
        if has_newer || attending.call.is_going_on() {
            return None;
        }
        let drift = 2.0 * f64::from(self.config.crooked_clocks_ppm) / 1_000_000.0;
        let window = self.ledger.epochs[number].config.liveness_window;
        let window = window.mul_f64(1.0 + drift) + ANCHOR_AGE.mul_f64(drift) + BETWEEN_LOOKS;
        let entered_at = self.seats[who].clock.when(attending.epochs.get(&epoch)?.applied_at);
        let late = self.now - left_at.max(entered_at);
        (late > window).then_some(late)
    }
}
