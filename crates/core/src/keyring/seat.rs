//! One leaf of an epoch's tree, as the frame path sees it: who sits there, until when, and what was refused in his name.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::error::FaultKind;
use crate::id::ParticipantId;

/// Not closing yet.
const OPEN: u64 = u64::MAX;

/// One leaf in one epoch.
///
/// All in one place, so that whoever looks up a frame's sender has the rest of it in the cache. Holds nothing secret: seats
/// outlive their epoch's keys until their counts were taken.
#[repr(align(64))] // one cache line each, never two
pub(crate) struct Seat {
    participant: Option<ParticipantId>,
    /// From when on nothing of him opens under this epoch (R19): microseconds on the call's clock, or `OPEN`.
    closes_at: AtomicU64,
    /// Frames refused in his name since the last survey, by place in [`FaultKind::CLAIMED`].
    refused: [AtomicU32; FaultKind::CLAIMED.len()],
    /// How far his replay windows were at the last survey that asked.
    surveyed: AtomicU64,
}

impl Seat {
    pub(super) fn new(participant: Option<ParticipantId>) -> Self {
        Self {
            participant,
            closes_at: AtomicU64::new(OPEN),
            refused: [const { AtomicU32::new(0) }; FaultKind::CLAIMED.len()],
            surveyed: AtomicU64::new(0),
        }
    }

    pub(super) fn participant(&self) -> Option<ParticipantId> {
        self.participant
    }

    /// Closes the epoch for who sits here at a moment of the call's clock; the first such call counts.
    pub(super) fn close_at(&self, at: u64) {
        // The value stands for itself, so relaxed order suffices, here and for all else in a seat.
        _ = self.closes_at.compare_exchange(OPEN, at, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Says whether the epoch is closed for who sits here. One load, until it is closing.
    pub(super) fn is_closed(&self, now: impl FnOnce() -> u64) -> bool {
        let at = self.closes_at.load(Ordering::Relaxed);
        at != OPEN && at <= now()
    }

    /// Counts a frame refused in his name; `false` if faults of this kind are in nobody's name.
    pub(super) fn count(&self, kind: FaultKind) -> bool {
        let Some(place) = FaultKind::CLAIMED.iter().position(|claimed| *claimed == kind) else {
            return false;
        };
        self.refused[place].fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Says whether there are counts to take.
    pub(super) fn has_counts(&self) -> bool {
        self.refused.iter().any(|refused| refused.load(Ordering::Relaxed) > 0)
    }

    /// Takes the counts: what was refused since they were taken last.
    pub(super) fn take_counts(&self) -> impl Iterator<Item = (FaultKind, u64)> {
        FaultKind::CLAIMED.iter().zip(&self.refused).filter_map(|(kind, refused)| {
            // Looks first: nearly all are zero, and a look leaves the others' cache alone.
            let any = refused.load(Ordering::Relaxed) > 0;
            any.then(|| (*kind, u64::from(refused.swap(0, Ordering::Relaxed))))
        })
    }

    /// Notes how far his replay windows are; says whether they moved since the last survey that asked.
    pub(super) fn has_moved(&self, progress: u64) -> bool {
        self.surveyed.swap(progress, Ordering::Relaxed) != progress
    }
}
