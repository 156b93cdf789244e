//! What openers refused, counted for the call: without a lock on the frame path, and without allocating there.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{FaultKind, FrameError, FrameFault};
use super::seat::Seat;
use crate::id::ParticipantId;

/// What openers refused since the last survey.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Survey {
    /// How many frames, by whom they claim to be from (`None` if that could not be read) and what is wrong with them.
    pub(crate) faults: Vec<(Option<ParticipantId>, FaultKind, u64)>,
    /// Of those in `faults` and those asked for: who had frames opened since the last survey that told of him. One who was
    /// never told of counts as heard if any frame of his was opened under an epoch that is still open.
    pub(crate) heard: Vec<ParticipantId>,
}

/// Surveys come at this distance at least: so that "heard since the last" says something of any sender, and that a flood of
/// faults costs the call little, however many inputs it has. In microseconds.
const SURVEYED_EVERY: u64 = 1_000_000;
const NEVER: u64 = u64::MAX;

/// The counts of all openers of a call.
///
/// Apart from what every frame reads (the pointer to the table), lest a flood on one thread slow the others.
#[repr(align(128))]
pub(super) struct Faults {
    /// Anything refused since the last survey: tells the call with one load that nothing was.
    any: AtomicU64,
    /// In nobody's name, by number in [`FaultKind::ALL`].
    unclaimed: [AtomicU64; FaultKind::ALL.len()],
    /// The seats of all epochs under which something may be refused, or was since the last survey. Locked by the call alone.
    seats: Mutex<Vec<Arc<[Seat]>>>,
    /// When the call last asked whether a survey is due and it was: in microseconds, or `NEVER`.
    surveyed: AtomicU64,
}

impl Faults {
    pub(super) fn new() -> Self {
        let unclaimed = [const { AtomicU64::new(0) }; FaultKind::ALL.len()];
        let surveyed = AtomicU64::new(NEVER);
        Self { any: AtomicU64::new(0), unclaimed, seats: Mutex::default(), surveyed }
    }

    /// Counts a frame that was refused in nobody's name.
    #[cold]
    pub(super) fn refuse(&self, reason: FrameFault) -> FrameError {
        self.count(reason.into(), None);
        reason.unclaimed()
    }

    /// Counts a refused frame: against who sits at `seat`, if it claims to be anybody's.
    #[cold]
    pub(super) fn count(&self, kind: FaultKind, seat: Option<&Seat>) {
        if !seat.is_some_and(|seat| seat.count(kind)) {
            self.unclaimed[kind as usize].fetch_add(1, Ordering::Relaxed);
        }
        // Release, with the survey's Acquire: a survey that sees this sees the count, too, and one that does not leaves it
        // to the next.
        self.any.fetch_add(1, Ordering::Release);
    }

    /// Watches a new epoch's seats.
    pub(super) fn enrol(&self, new: Arc<[Seat]>) {
        let mut seats = self.seats();
        // Where nothing is refused, no survey gets to forgetting the old ones.
        seats.retain_mut(|old| Arc::get_mut(old).is_none_or(|old| old.iter().any(Seat::has_counts)));
        seats.push(new);
    }

    /// Says whether it is time for a survey, which then has to be made. The first time only starts the clock.
    pub(super) fn is_survey_due(&self, now: u64) -> bool {
        let last = self.surveyed.load(Ordering::Relaxed);
        let is_due = last != NEVER && now.saturating_sub(last) >= SURVEYED_EVERY;
        if is_due || last == NEVER {
            self.surveyed.store(now, Ordering::Relaxed);
        }
        is_due
    }

    /// Takes all counts: what was refused since they were taken last.
    pub(super) fn take(&self) -> BTreeMap<(Option<ParticipantId>, FaultKind), u64> {
        let mut taken = BTreeMap::new();
        if self.any.load(Ordering::Relaxed) == 0 {
            return taken;
        }
        self.any.swap(0, Ordering::Acquire);
        for (kind, count) in FaultKind::ALL.iter().zip(&self.unclaimed) {
            let count = count.swap(0, Ordering::Relaxed);
            if count > 0 {
                taken.insert((None, *kind), count);
            }
        }
        self.seats().retain_mut(|seats| {
            // Asked first: with the last of the epoch's keys went the last who could count.
            let is_last = Arc::get_mut(seats).is_some();
            for seat in seats.iter() {
                for (kind, count) in seat.take_counts() {
                    *taken.entry((seat.participant(), kind)).or_default() += count;
                }
            }
            !is_last
        });
        taken
    }

    #[cfg(test)]
    pub(super) fn enrolled(&self) -> usize {
        self.seats().len()
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Arc<[Seat]>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
