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
    /// The low bits of the epoch, and leaf and context, as the KID claims them.
    low: u64,
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

/// Whether a frame can be opened, as far as the low bits of its epoch tell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// They fit an epoch that is here, and one that is not reached yet: trying it tells.
    Perhaps,
    NotYet,
}

/// Why a frame is taken out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Ready,
    /// To be put back if it does not open.
    ToTry,
    TooOld,
}

/// The frames whose epochs have the same low bits; of each kind the oldest first.
#[derive(Default)]
struct Bucket {
    fresh: VecDeque<Held>,
    /// Not of the epoch with these low bits that is here.
    tried: VecDeque<Held>,
}

/// One opener's waiting frames. Neither to add nor to take one costs more the more there are.
#[derive(Default)]
pub(super) struct Queue {
    by_epoch: BTreeMap<u64, Bucket>,
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
        let frame = BytesMut::from(frame);
        let (since, shared) = (shared.now(), Arc::clone(shared));
        *self.of_track.entry(track).or_default() += 1;
        let held = Held { id, kid, low, track, frame, metadata, since, shared, cost };
        self.by_epoch.entry(low).or_default().fresh.push_back(held);
        Ok(Opening::Held(id))
    }

    /// Takes the oldest frame that is ready, or may be, or that has waited too long.
    pub(super) fn take(
        &mut self,
        shared: &Shared,
        readiness: impl Fn(u64) -> Readiness,
    ) -> Option<(Held, Due)> {
        let now = shared.now();
        let due = |held: &Held, is_tried: bool| match readiness(held.kid) {
            _ if now.saturating_sub(held.since) > shared.held.limits.age => Some(Due::TooOld),
            Readiness::Ready => Some(Due::Ready),
            Readiness::Perhaps if !is_tried => Some(Due::ToTry),
            _ => None,
        };
        // Whether one is ready hangs on its epoch alone, and the first is the oldest.
        let fronts = self.by_epoch.values().flat_map(|bucket| {
            let (fresh, tried) = (bucket.fresh.front(), bucket.tried.front());
            fresh.map(|held| (held, false)).into_iter().chain(tried.map(|held| (held, true)))
        });
        let due =
            fronts.filter_map(|(held, is_tried)| Some((held.id, held.low, is_tried, due(held, is_tried)?)));
        let (_, low, is_tried, due) = due.min_by_key(|(id, ..)| *id)?;
        let bucket = self.by_epoch.get_mut(&low)?;
        let held = if is_tried { bucket.tried.pop_front() } else { bucket.fresh.pop_front() }?;
        if bucket.fresh.is_empty() && bucket.tried.is_empty() {
            self.by_epoch.remove(&low);
        }
        if let Some(count) = self.of_track.get_mut(&held.track) {
            *count -= 1;
            if *count == 0 {
                self.of_track.remove(&held.track);
            }
        }
        Some((held, due))
    }

    /// Puts a frame back that is not of the epoch that is here. Frames come here in their order.
    pub(super) fn put_back(&mut self, held: Held) {
        *self.of_track.entry(held.track).or_default() += 1;
        self.by_epoch.entry(held.low).or_default().tried.push_back(held);
    }
}
