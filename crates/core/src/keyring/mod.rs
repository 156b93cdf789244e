//! Which epochs may seal, which may open, until when.
//!
//! The [`Call`](crate::Call) publishes an epoch's keys here; sealers and openers on other threads pick them up with one
//! atomic load per frame. All key material lives in this module's table and nowhere else: when the call retires an epoch,
//! its keys are gone (zeroized) as soon as the frames being processed at that moment are done, whether or not another
//! frame ever arrives.

mod contexts;
#[cfg(feature = "fuzzing")]
pub(crate) mod crowd;
mod epoch;
mod error;
mod faults;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod held;
mod opener;
mod sealer;
mod seat;
mod table;

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::id::{Epoch, ParticipantId};
use crate::sframe::{Backend, CipherSuite};
use crate::time::Time;
use crate::track::{TrackId, TrackKind};

pub(crate) use epoch::{EpochKeys, KidLayout};
pub use error::{FaultKind, FrameError, FrameFault};
pub(crate) use faults::Survey;
pub(crate) use held::HoldLimits;
pub use opener::{HeldId, Opened, Opener, Opening, Released};
pub use sealer::{ExportError, ExportedKey, Sealed, Sealer, TooManyTracks};
use table::{Found, Table};

/// R19 asks for 1 s. The call's time is that of its last input, which is up to 1 s ago: the call wants one a second. So this
/// much on it is at least 1 s of real time, and about 3 s at most.
const CLOSES_AFTER: Duration = Duration::from_secs(2);

/// What the call, its sealers and its openers share.
pub(crate) struct Shared {
    /// Fixed for the call's life (R8).
    suite: CipherSuite,
    /// Who computes keys that are derived from now on: [`Backend`], by its place in [`Backend::ALL`].
    backend: AtomicUsize,
    table: ArcSwap<Table>,
    contexts: contexts::Contexts,
    held: held::Budget,
    faults: faults::Faults,
    /// The call's time at its last input, in microseconds: lets openers age held frames and close epochs without a clock.
    now: AtomicU64,
}

/// The call's end of the key ring.
pub(crate) struct KeyRing(Arc<Shared>);

impl KeyRing {
    pub(crate) fn new(suite: CipherSuite, epoch_bits: u32, hold: HoldLimits) -> Self {
        Self(Arc::new(Shared {
            suite,
            backend: AtomicUsize::new(0),
            table: ArcSwap::from_pointee(Table::new(epoch_bits)),
            contexts: contexts::Contexts::new(),
            held: held::Budget::new(hold),
            faults: faults::Faults::new(),
            now: AtomicU64::new(0),
        }))
    }

    pub(crate) fn set_backend(&self, backend: Backend) {
        let place = Backend::ALL.iter().position(|there| *there == backend);
        self.0.backend.store(place.unwrap_or(0), Ordering::Relaxed);
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
            table.close_late(&keys, self.0.closing_time());
            self.0.faults.enrol(Arc::clone(keys.seats()));
            table.opening[slot] = Some(Arc::new(keys));
            published = true;
        });
        published
    }

    /// Stops sealing until the next switch.
    pub(crate) fn stop_sealing(&self) {
        self.change(|table| table.sealing = None);
    }

    /// Seals and opens nothing until [`resume`](Self::resume), although epochs go on coming and going (R21). Held frames stay
    /// held, for no longer than else.
    pub(crate) fn pause(&self) {
        self.change(|table| table.paused = true);
    }

    /// Ends a [`pause`](Self::pause).
    pub(crate) fn resume(&self) {
        self.change(|table| table.paused = false);
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

    /// Returns the epoch under which is sealed now; `None` also during a pause.
    pub(crate) fn sealing_epoch(&self) -> Option<Epoch> {
        self.0.table.load().to_seal_with().ok().map(|keys| keys.epoch)
    }

    pub(crate) fn sealer(&self, kind: TrackKind) -> Result<Sealer, TooManyTracks> {
        Sealer::new(Arc::clone(&self.0), kind)
    }

    /// Returns the tracks with pictures that have a sealer.
    pub(crate) fn picture_tracks(&self) -> Vec<TrackId> {
        let has_pictures = |track: &TrackId| matches!(track.kind(), TrackKind::Camera | TrackKind::Screen);
        self.0.contexts.taken().into_iter().filter(has_pictures).collect()
    }

    pub(crate) fn export_sealing(&self, kind: TrackKind) -> Result<ExportedKey, ExportError> {
        sealer::export(&self.0, kind)
    }

    pub(crate) fn opener(&self) -> Opener {
        Opener::new(Arc::clone(&self.0))
    }

    /// Returns what openers refused since the last survey, and who of those concerned and of those in `watch` was heard
    /// meanwhile; `None` if there is nothing to say, or the last survey was less than a second of the call's time ago.
    pub(crate) fn survey(&self, watch: &[ParticipantId]) -> Option<Survey> {
        if !self.0.faults.is_survey_due(self.0.micros()) {
            return None;
        }
        let faults = self.0.faults.take();
        let asked: BTreeSet<_> =
            faults.keys().filter_map(|(claimed, _)| *claimed).chain(watch.iter().copied()).collect();
        if faults.is_empty() && asked.is_empty() {
            return None;
        }
        let mut heard = BTreeSet::new();
        for keys in self.0.table.load().opening.iter().flatten() {
            for (leaf, participant) in keys.all_heard().filter(|(_, participant)| asked.contains(participant))
            {
                if keys.seats()[leaf].has_moved(keys.progress(leaf)) {
                    heard.insert(participant);
                }
            }
        }
        let faults = faults.into_iter().map(|((claimed, kind), count)| (claimed, kind, count));
        let survey = Survey { faults: faults.collect(), heard: heard.into_iter().collect() };
        (survey != Survey::default()).then_some(survey)
    }

    /// Returns how many frames wait for their epoch in all openers, and how many bytes they take.
    pub(crate) fn held(&self) -> (usize, usize) {
        self.0.held.taken()
    }
}

impl Drop for KeyRing {
    /// A dropped call leaves no key behind in sealers and openers that outlive it.
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn backend(&self) -> Backend {
        let place = self.backend.load(Ordering::Relaxed);
        Backend::ALL.get(place).copied().unwrap_or_default()
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.micros())
    }

    fn micros(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// When an epoch closes for a sender who is heard under a newer one now (R19).
    fn closing_time(&self) -> u64 {
        self.micros().saturating_add(CLOSES_AFTER.as_micros() as u64)
    }
}

#[cfg(test)]
mod tests;
