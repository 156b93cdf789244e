//! Frames of an epoch that is not reached yet wait here (R18): bounded in count, bytes, time, and per claimed track.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::BytesMut;

use super::error::FrameFault;
use super::{HeldId, Opening, Shared};
use crate::track::Metadata;

/// How many frames of epochs that are not reached yet may wait, over all openers of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HoldLimits {
    /// Frames in all.
    pub(crate) frames: usize,
    /// Bytes in all, of frames and their metadata.
    pub(crate) bytes: usize,
    /// Frames of one claimed track; a flood of one track takes no room from the others.
    pub(crate) frames_per_track: usize,
    /// How long a frame may wait.
    pub(crate) age: Duration,
}

impl Default for HoldLimits {
    /// 16,384 frames, 8 MiB, 256 frames a track, 5 s: what 60 participants with 50 frames of sound a second each say in that time.
    fn default() -> Self {
        Self { frames: 16_384, bytes: 8 << 20, frames_per_track: 256, age: Duration::from_secs(5) }
    }
}

/// What all openers of a call hold together.
pub(super) struct Budget {
    limits: HoldLimits,
    frames: AtomicUsize,
    bytes: AtomicUsize,
}

impl Budget {
    pub(super) fn new(limits: HoldLimits) -> Self {
        Self { limits, frames: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }

    /// Returns how many frames wait, and how many bytes they take.
    pub(super) fn taken(&self) -> (usize, usize) {
        (self.frames.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    fn reserve(&self, bytes: usize) -> bool {
        let add = |counter: &AtomicUsize, amount: usize, limit: usize| {
            let add = |now: usize| now.checked_add(amount).filter(|sum| *sum <= limit);
            counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
        };
        if !add(&self.frames, 1, self.limits.frames) {
            return false;
        }
        let fits = add(&self.bytes, bytes, self.limits.bytes);
        if !fits {
            self.frames.fetch_sub(1, Ordering::Relaxed);
        }
        fits
    }

    fn release(&self, bytes: usize) {
        self.frames.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One waiting frame, with all that opening it later takes.
pub(super) struct Held {
    pub(super) id: HeldId,
    pub(super) kid: u64,
    /// As the KID claims it: leaf and context.
    track: u64,
    pub(super) frame: BytesMut,
    /// The metadata's two parts, one behind the other.
    pub(super) metadata: Vec<u8>,
    since: Duration,
    shared: Arc<Shared>,
    cost: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.held.release(self.cost);
    }
}

/// One opener's waiting frames. Neither to add nor to take one costs more the more there are.
#[derive(Default)]
pub(super) struct Queue {
    /// By the low bits of their epochs; of each the oldest first.
    by_epoch: BTreeMap<u64, VecDeque<Held>>,
    /// How many there are of each claimed track.
    of_track: BTreeMap<u64, usize>,
    next_id: u64,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.by_epoch.is_empty()
    }

    /// Copies a frame into the queue, if there is room. R18: the newest is dropped first.
    pub(super) fn hold(
        &mut self,
        shared: &Arc<Shared>,
        epoch_bits: u32,
        kid: u64,
        metadata: &Metadata<'_>,
        frame: &[u8],
    ) -> Result<Opening, FrameFault> {
        let limits = &shared.held.limits;
        // The tree's width in that epoch is not known yet, so leaf and context are one number for now. Epochs share the quota.
        let (track, low) = (kid >> epoch_bits, kid & ((1 << epoch_bits) - 1));
        let of_track = self.of_track.get(&track).copied().unwrap_or(0);
        let metadata = metadata.parts().concat();
        let cost = frame.len() + metadata.len();
        if of_track >= limits.frames_per_track || !shared.held.reserve(cost) {
            return Err(FrameFault::HoldFull);
        }
        let id = HeldId(self.next_id);
        self.next_id += 1;
        self.of_track.insert(track, of_track + 1);
        let frame = BytesMut::from(frame);
        let (since, shared) = (shared.now(), Arc::clone(shared));
        let held = Held { id, kid, track, frame, metadata, since, shared, cost };
        self.by_epoch.entry(low).or_default().push_back(held);
        Ok(Opening::Held(id))
    }

    /// Takes the oldest frame that is ready, or that has waited too long (`true`).
    pub(super) fn take(&mut self, shared: &Shared, ready: impl Fn(u64) -> bool) -> Option<(Held, bool)> {
        let now = shared.now();
        let old = |held: &Held| now.saturating_sub(held.since) > shared.held.limits.age;
        // Whether one is ready hangs on its epoch alone, and of those of an epoch the first is the oldest.
        let fronts = self.by_epoch.iter().filter_map(|(low, frames)| Some((low, frames.front()?)));
        let due = fronts.filter(|(_, held)| old(held) || ready(held.kid));
        let low = *due.min_by_key(|(_, held)| held.id)?.0;
        let frames = self.by_epoch.get_mut(&low)?;
        let held = frames.pop_front()?;
        if frames.is_empty() {
            self.by_epoch.remove(&low);
        }
        if let Some(count) = self.of_track.get_mut(&held.track) {
            *count -= 1;
            if *count == 0 {
                self.of_track.remove(&held.track);
            }
        }
        let too_old = old(&held);
        Some((held, too_old))
    }
}
