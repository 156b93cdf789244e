//! Which epochs may seal, which may open, until when.
//!
//! The [`Call`](crate::Call) publishes an epoch's keys here; sealers and openers on other threads pick them up with one
//! atomic load per frame. All key material lives in this module's table and nowhere else: when the call retires an epoch,
//! its keys are gone (zeroized) as soon as the frames being processed at that moment are done, whether or not another
//! frame ever arrives.

mod contexts;
mod epoch;
mod error;
mod held;
mod opener;
mod sealer;

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::id::Epoch;
use crate::time::Time;
use crate::track::TrackKind;

pub(crate) use epoch::EpochKeys;
pub use error::{FrameError, FrameFault};
pub(crate) use held::HoldLimits;
pub use opener::{HeldId, Opened, Opener, Opening, Released};
pub use sealer::{ExportError, ExportedKey, Sealed, Sealer, TooManyTracks};

/// A snapshot of what may be sealed and opened. Replaced as a whole, never changed.
#[derive(Clone)]
struct Table {
    epoch_bits: u32,
    sealing: Option<Arc<EpochKeys>>,
    /// By epoch mod 2^E. RFC 9605 §5.2: an epoch with the same low bits evicts the old one.
    opening: Box<[Option<Arc<EpochKeys>>]>,
    /// The highest epoch ever published here.
    newest: Option<Epoch>,
    /// The highest epoch that sealers ever switched to; they never go back to it or below (R15), also after a stop.
    switched: Option<Epoch>,
    ended: bool,
}

/// What the low epoch bits of a frame mean to this member now.
enum Found<'a> {
    Known(&'a Arc<EpochKeys>),
    /// A closed epoch, too far behind to be anything else.
    Past,
    /// An epoch that is not reached yet.
    Future,
}

impl Table {
    fn slot(&self, epoch: Epoch) -> usize {
        (epoch.0 & ((1 << self.epoch_bits) - 1)) as usize
    }

    fn find(&self, kid: u64) -> Found<'_> {
        let low = (kid & ((1 << self.epoch_bits) - 1)) as usize;
        match &self.opening[low] {
            Some(keys) => Found::Known(keys),
            None if self.fits_future(low) => Found::Future,
            None => Found::Past,
        }
    }

    /// Says whether low bits fit one of the next 2^(E−1) epochs (R8: no more than that lie within the retention time).
    fn fits_future(&self, low: usize) -> bool {
        let count = self.opening.len();
        match self.newest {
            None => true,
            Some(newest) => (1..=count / 2).contains(&((low + count - self.slot(newest)) % count)),
        }
    }
}

impl Table {
    /// Says whether an epoch's low bits may mean one that is not reached yet, although its keys are still here (R18).
    fn is_ambiguous(&self, keys: &EpochKeys) -> bool {
        self.newest != Some(keys.epoch) && self.fits_future(self.slot(keys.epoch))
    }

    /// A held frame is ready when the epoch that its low bits meant is published, or can no longer come.
    fn is_ready(&self, kid: u64) -> bool {
        match self.find(kid) {
            Found::Known(keys) => !self.is_ambiguous(keys),
            Found::Past => true,
            Found::Future => false,
        }
    }
}

/// What the call, its sealers and its openers share.
pub(crate) struct Shared {
    table: ArcSwap<Table>,
    contexts: contexts::Contexts,
    held: held::Budget,
    /// The call's time at its last input, in microseconds: lets openers age held frames without a clock.
    now: AtomicU64,
}

/// The call's end of the key ring.
pub(crate) struct KeyRing(Arc<Shared>);

impl KeyRing {
    pub(crate) fn new(epoch_bits: u32, hold: HoldLimits) -> Self {
        let opening = vec![None; 1 << epoch_bits].into_boxed_slice();
        let table = Table { epoch_bits, sealing: None, opening, newest: None, switched: None, ended: false };
        Self(Arc::new(Shared {
            table: ArcSwap::from_pointee(table),
            contexts: contexts::Contexts::new(),
            held: held::Budget::new(hold),
            now: AtomicU64::new(0),
        }))
    }

    pub(crate) fn set_time(&self, now: Time) {
        let micros = u64::try_from(now.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.now.store(micros, Ordering::Relaxed);
    }

    /// Lets openers open an epoch's frames. R14: called for an epoch whose roster was taken, and for no other.
    ///
    /// `false` if a newer epoch with the same low bits is here already.
    pub(crate) fn publish(&self, keys: EpochKeys) -> bool {
        let mut published = false;
        self.change(|table| {
            let slot = table.slot(keys.epoch);
            if table.opening[slot].as_ref().is_some_and(|there| there.epoch >= keys.epoch) {
                return; // taken too late: a newer epoch has its low bits
            }
            table.sealing.take_if(|sealing| {
                table.opening[slot].as_ref().is_some_and(|old| old.epoch == sealing.epoch)
            });
            table.newest = table.newest.max(Some(keys.epoch));
            table.opening[slot] = Some(Arc::new(keys));
            published = true;
        });
        published
    }

    /// Stops sealing until the next switch.
    pub(crate) fn stop_sealing(&self) {
        self.change(|table| table.sealing = None);
    }

    /// Lets sealers seal under a published epoch; an epoch only rises (R15). `false` if it is not published.
    pub(crate) fn switch(&self, epoch: Epoch) -> bool {
        let mut switched = false;
        self.change(|table| {
            let keys = table.opening[table.slot(epoch)].clone().filter(|keys| keys.epoch == epoch);
            if let Some(keys) = keys.filter(|_| table.switched < Some(epoch)) {
                table.sealing = Some(keys);
                table.switched = Some(epoch);
                switched = true;
            }
        });
        switched
    }

    /// Closes an epoch: nothing is sealed or opened under it any more, and its secrets are zeroized.
    pub(crate) fn retire(&self, epoch: Epoch) {
        self.change(|table| {
            let slot = table.slot(epoch);
            if table.opening[slot].as_ref().is_some_and(|keys| keys.epoch == epoch) {
                table.opening[slot] = None;
            }
            if table.sealing.as_ref().is_some_and(|keys| keys.epoch == epoch) {
                table.sealing = None;
            }
        });
    }

    /// Closes all epochs for good.
    pub(crate) fn end(&self) {
        self.change(|table| {
            table.sealing = None;
            table.opening.fill(None);
            table.ended = true;
        });
    }

    fn change(&self, edit: impl FnOnce(&mut Table)) {
        // The call is the only writer, so load, edit, store loses nothing.
        let mut table = Table::clone(&self.0.table.load());
        edit(&mut table);
        self.0.table.store(Arc::new(table));
    }

    pub(crate) fn sealing_epoch(&self) -> Option<Epoch> {
        self.0.table.load().sealing.as_ref().map(|keys| keys.epoch)
    }

    pub(crate) fn sealer(&self, kind: TrackKind) -> Result<Sealer, TooManyTracks> {
        Sealer::new(Arc::clone(&self.0), kind)
    }

    pub(crate) fn export_sealing(&self, kind: TrackKind) -> Result<ExportedKey, ExportError> {
        sealer::export(&self.0, kind)
    }

    pub(crate) fn opener(&self) -> Opener {
        Opener::new(Arc::clone(&self.0))
    }
}

impl Drop for KeyRing {
    /// A dropped call leaves no key behind in sealers and openers that outlive it.
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn now(&self) -> Duration {
        Duration::from_micros(self.now.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
