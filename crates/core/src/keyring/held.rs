//! Frames of an epoch that is not reached yet wait here (R18): bounded in count, bytes, time, and per claimed track.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::VecDeque;
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
    /// Bytes in all.
    pub(crate) bytes: usize,
    /// Frames of one claimed track; a flood of one track takes no room from the others.
    pub(crate) frames_per_track: usize,
    /// How long a frame may wait.
    pub(crate) age: Duration,
}

impl Default for HoldLimits {
    /// 1,024 frames, 8 MiB, 128 frames a track (2.5 s of sound, 4 s of pictures), 5 s.
    fn default() -> Self {
        Self { frames: 1024, bytes: 8 << 20, frames_per_track: 128, age: Duration::from_secs(5) }
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

/// One opener's waiting frames, oldest first.
#[derive(Default)]
pub(super) struct Queue {
    frames: VecDeque<Held>,
    next_id: u64,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
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
        // The tree's width in that epoch is not known yet, so leaf and context are one number for now.
        let of_track = self.frames.iter().filter(|held| held.kid >> epoch_bits == kid >> epoch_bits).count();
        let metadata = metadata.parts().concat();
        let cost = frame.len() + metadata.len();
        if of_track >= limits.frames_per_track || !shared.held.reserve(cost) {
            return Err(FrameFault::HoldFull);
        }
        let id = HeldId(self.next_id);
        self.next_id += 1;
        let frame = BytesMut::from(frame);
        let (since, shared) = (shared.now(), Arc::clone(shared));
        self.frames.push_back(Held { id, kid, frame, metadata, since, shared, cost });
        Ok(Opening::Held(id))
    }

    /// Takes the oldest frame that is ready, or that has waited too long (`true`).
    pub(super) fn take(&mut self, shared: &Shared, ready: impl Fn(u64) -> bool) -> Option<(Held, bool)> {
        let now = shared.now();
        let old = |held: &Held| now.saturating_sub(held.since) > shared.held.limits.age;
        let at = self.frames.iter().position(|held| old(held) || ready(held.kid))?;
        self.frames.remove(at).map(|held| {
            let old = old(&held);
            (held, old)
        })
    }
}
