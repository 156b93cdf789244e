//! A snapshot of what may be sealed and opened.

use std::sync::Arc;

use super::EpochKeys;
use super::error::FrameFault;
use super::held::Readiness;
use crate::id::{Epoch, ParticipantId};
use crate::sframe::SealError;

/// A snapshot of what may be sealed and opened. Replaced as a whole, never changed.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) epoch_bits: u32,
    pub(super) sealing: Option<Arc<EpochKeys>>,
    /// By epoch mod 2^E. RFC 9605 §5.2: an epoch with the same low bits evicts the old one.
    pub(super) opening: Box<[Option<Arc<EpochKeys>>]>,
    /// The highest epoch ever published here.
    pub(super) newest: Option<Epoch>,
    /// The highest epoch that sealers ever switched to; they never go back to it or below (R15), also after a stop.
    pub(super) switched: Option<Epoch>,
    /// Cut off from the hosts (R21): nothing is sealed or opened for now.
    pub(super) paused: bool,
    pub(super) ended: bool,
}

/// What the low epoch bits of a frame mean to this member now.
pub(super) enum Found<'a> {
    Known(&'a Arc<EpochKeys>),
    /// A closed epoch, too far behind to be anything else.
    Past,
    /// An epoch that is not reached yet.
    Future,
}

impl Table {
    pub(super) fn new(epoch_bits: u32) -> Self {
        let opening = vec![None; 1 << epoch_bits].into_boxed_slice();
        Self { epoch_bits, sealing: None, opening, newest: None, switched: None, paused: false, ended: false }
    }

    pub(super) fn slot(&self, epoch: Epoch) -> usize {
        (epoch.0 & ((1 << self.epoch_bits) - 1)) as usize
    }

    /// Returns the keys to seal with now.
    pub(super) fn to_seal_with(&self) -> Result<&Arc<EpochKeys>, SealError> {
        match &self.sealing {
            _ if self.ended => Err(SealError::Ended),
            _ if self.paused => Err(SealError::Paused),
            keys => keys.as_ref().ok_or(SealError::NotReady),
        }
    }

    /// Says why no frame at all is opened now, if none is.
    pub(super) fn refuses_all(&self) -> Option<FrameFault> {
        match self {
            Self { ended: true, .. } => Some(FrameFault::Ended),
            Self { paused: true, .. } => Some(FrameFault::Paused),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn find(&self, kid: u64) -> Found<'_> {
        let low = (kid & ((1 << self.epoch_bits) - 1)) as usize;
        match &self.opening[low] {
            Some(keys) => Found::Known(keys),
            None if self.fits_future(low) => Found::Future,
            None => Found::Past,
        }
    }

    /// Says whether low bits fit one of the next 2^(E−1) epochs (R8: no more than that lie within the retention time).
    #[inline]
    fn fits_future(&self, low: usize) -> bool {
        let count = self.opening.len();
        match self.newest {
            None => true,
            Some(newest) => (1..=count / 2).contains(&((low + count - self.slot(newest)) & (count - 1))),
        }
    }

    /// Says whether an epoch's low bits may mean one that is not reached yet, although its keys are still here (R18).
    #[inline]
    pub(super) fn is_ambiguous(&self, keys: &EpochKeys) -> bool {
        self.newest != Some(keys.epoch) && self.fits_future(self.slot(keys.epoch))
    }

    /// A held frame is ready when the epoch that its low bits meant is published, or can no longer come.
    pub(super) fn readiness(&self, kid: u64) -> Readiness {
        match self.find(kid) {
            Found::Known(keys) if self.is_ambiguous(keys) => Readiness::Perhaps,
            Found::Known(_) | Found::Past => Readiness::Ready,
            Found::Future => Readiness::NotYet,
        }
    }

    /// R19: closes the epochs before `heard` for a participant of whom an authentic frame came under that one.
    pub(super) fn close_older(&self, heard: Epoch, participant: ParticipantId, leaf: usize, at: u64) {
        let older = self.opening.iter().flatten().filter(|keys| keys.epoch < heard);
        older.for_each(|keys| keys.close_for(participant, leaf, at));
    }

    /// R19: closes an epoch that is published late for all of whom newer frames came already.
    pub(super) fn close_late(&self, late: &EpochKeys, at: u64) {
        let newer = self.opening.iter().flatten().filter(|keys| keys.epoch > late.epoch);
        let heard = newer.flat_map(|keys| keys.all_heard());
        heard.for_each(|(leaf, participant)| late.close_for(participant, leaf, at));
    }
}
