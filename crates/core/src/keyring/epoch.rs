//! The media keys of one epoch, and the KID layout that names them (RFC 9605 §5.2).

use core::array;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use super::seat::Seat;
use crate::id::{Epoch, ParticipantId};
use crate::sframe::{Backend, CipherSuite, FrameKey, ReplayWindow};
use crate::track::TrackId;

/// Contexts (tracks) that one leaf may use in one epoch: 16 of each kind. Bounds what a member can make others keep.
pub(crate) const CONTEXTS: usize = 64;

/// Contexts of all senders together that are kept in one epoch, about 2 kB each: some for every leaf, and some more.
const ROOM_PER_LEAF: usize = 8;
const ROOM_AT_LEAST: usize = 2 * CONTEXTS;

/// How a KID is put together in one epoch: `context << (S + E) | leaf << E | epoch mod 2^E`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KidLayout {
    /// E: fixed at the call's creation (R8).
    epoch_bits: u32,
    /// S: follows the tree's leaf count of the epoch, not the number of members.
    leaf_bits: u32,
}

impl KidLayout {
    pub(crate) fn new(epoch_bits: u32, tree_leaves: usize) -> Self {
        let leaf_bits = tree_leaves.max(1).next_power_of_two().trailing_zeros();
        Self { epoch_bits, leaf_bits }
    }

    pub(crate) fn kid(self, epoch: Epoch, leaf: u32, track: TrackId) -> u64 {
        let low = epoch.0 & ((1 << self.epoch_bits) - 1);
        u64::from(track.context()) << (self.leaf_bits + self.epoch_bits)
            | u64::from(leaf) << self.epoch_bits
            | low
    }

    /// Reads leaf index and context of a KID whose epoch is known; `None` if no context has such a number.
    pub(crate) fn split(self, kid: u64) -> Option<(usize, TrackId)> {
        let leaf = (kid >> self.epoch_bits) & ((1 << self.leaf_bits) - 1);
        let context = kid >> (self.leaf_bits + self.epoch_bits);
        (context < CONTEXTS as u64).then(|| (leaf as usize, TrackId::from_context(context as u32)))
    }
}

/// One sender's track in one epoch: its key and which of its frames were opened (R17).
pub(crate) struct Context {
    pub(crate) key: FrameKey,
    pub(crate) window: ReplayWindow,
}

type Contexts = [OnceLock<Box<Context>>; CONTEXTS];

/// The media keys of one epoch. Shared by all sealers and openers of a call; zeroized when the last lets go.
///
/// Keys of senders are derived when their first authentic frame arrives. Every look-up is two indexings.
pub(crate) struct EpochKeys {
    pub(crate) epoch: Epoch,
    pub(crate) suite: CipherSuite,
    pub(crate) layout: KidLayout,
    pub(crate) own_leaf: u32,
    base_key: Zeroizing<Vec<u8>>,
    /// Who sits at which leaf, from the same tree as the base key (R14).
    seats: Arc<[Seat]>,
    heard: Box<[OnceLock<Box<Contexts>>]>,
    /// Contexts that may still be kept. A member can forge in anybody's name, so a limit for each leaf is not enough.
    room: AtomicUsize,
    own: [OnceLock<Box<FrameKey>>; CONTEXTS],
}

impl EpochKeys {
    pub(crate) fn new(
        epoch: Epoch,
        suite: CipherSuite,
        epoch_bits: u32,
        own_leaf: u32,
        leaves: Box<[Option<ParticipantId>]>,
        base_key: Zeroizing<Vec<u8>>,
    ) -> Self {
        let layout = KidLayout::new(epoch_bits, leaves.len());
        let heard = leaves.iter().map(|_| OnceLock::new()).collect();
        let own = array::from_fn(|_| OnceLock::new());
        let room = AtomicUsize::new(ROOM_AT_LEAST + leaves.len() * ROOM_PER_LEAF);
        let seats = leaves.into_iter().map(Seat::new).collect();
        Self { room, epoch, suite, layout, own_leaf, base_key, seats, heard, own }
    }

    pub(crate) fn seats(&self) -> &Arc<[Seat]> {
        &self.seats
    }

    /// Returns where a KID's sender sits, if there is such a leaf.
    pub(crate) fn seat_of(&self, kid: u64) -> Option<&Seat> {
        let (leaf, _) = self.layout.split(kid)?;
        self.seats.get(leaf)
    }

    /// Returns a context that was heard before.
    pub(crate) fn heard(&self, leaf: usize, track: TrackId) -> Option<&Context> {
        self.heard.get(leaf)?.get()?[track.context() as usize].get().map(Box::as_ref)
    }

    /// Notes that a frame of a leaf was just authenticated; `true` the first time, to one caller only.
    pub(crate) fn is_first_heard(&self, leaf: usize) -> bool {
        let Some(contexts) = self.heard.get(leaf) else { return false };
        contexts.get().is_none() && contexts.set(Box::new(array::from_fn(|_| OnceLock::new()))).is_ok()
    }

    /// Keeps the context of a frame that was just authenticated, if there is room; another thread may have been first.
    pub(crate) fn keep(&self, leaf: usize, track: TrackId, key: FrameKey) -> Option<&Context> {
        let context = &self.heard.get(leaf)?.get()?[track.context() as usize];
        if let Some(kept) = context.get() {
            return Some(kept); // another thread was first
        }
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1)).ok()?;
        let mut taken = false;
        let kept = context.get_or_init(|| {
            taken = true;
            Box::new(Context { key, window: ReplayWindow::new() })
        });
        if !taken {
            self.room.fetch_add(1, Ordering::Relaxed);
        }
        Some(kept)
    }

    /// Returns the leaves of which an authentic frame was heard, with who sits there.
    pub(crate) fn all_heard(&self) -> impl Iterator<Item = (usize, ParticipantId)> {
        let heard = self.heard.iter().zip(self.seats.iter()).enumerate();
        heard.filter_map(|(leaf, (heard, seat))| Some((leaf, heard.get().and(seat.participant())?)))
    }

    /// Returns a number that changes with every frame of a leaf that is opened.
    pub(crate) fn progress(&self, leaf: usize) -> u64 {
        let tracks =
            self.heard.get(leaf).and_then(OnceLock::get).into_iter().flat_map(|tracks| tracks.iter());
        let progress = tracks.filter_map(OnceLock::get).map(|context| context.window.progress());
        progress.fold(0, u64::wrapping_add)
    }

    /// Closes this epoch for a participant at a moment of the call's clock (R19). Who joined later is not in it.
    ///
    /// `leaf` is where he sits in another epoch, and almost certainly in this; but by R14 what counts is who he is: an index is
    /// used again after its owner was removed.
    pub(crate) fn close_for(&self, participant: ParticipantId, leaf: usize, at: u64) {
        let his = |seat: &&Seat| seat.participant() == Some(participant);
        let seat = self.seats.get(leaf).filter(his).or_else(|| self.seats.iter().find(his));
        seat.into_iter().for_each(|seat| seat.close_at(at));
    }

    pub(crate) fn derive(&self, kid: u64, backend: Backend) -> FrameKey {
        FrameKey::derive(self.suite, backend, kid, &self.base_key)
    }

    pub(crate) fn base_key(&self) -> &[u8] {
        &self.base_key
    }

    pub(crate) fn own_kid(&self, track: TrackId) -> u64 {
        self.layout.kid(self.epoch, self.own_leaf, track)
    }

    /// Returns this participant's own key of a track. R15: the allocator sees to it that one sealer alone asks.
    pub(crate) fn own_key(&self, track: TrackId, backend: Backend) -> &FrameKey {
        self.own[track.context() as usize].get_or_init(|| Box::new(self.derive(self.own_kid(track), backend)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::TrackKind;

    /// RFC 9605 §5.2, with its example of E = 4 and a group of 16 to 32 members.
    #[test]
    fn a_kid_is_context_leaf_and_epoch_side_by_side() {
        let layout = KidLayout::new(4, 100);
        assert_eq!(layout, KidLayout { epoch_bits: 4, leaf_bits: 7 });
        let track = TrackId::new(TrackKind::Camera, 3);
        let kid = layout.kid(Epoch(0x2e), 0x45, track);
        assert_eq!(kid, 0b1101 << 11 | 0x45 << 4 | 0xe);
        assert_eq!(layout.split(kid), Some((0x45, track)));
        assert_eq!(layout.split(64 << 11), None, "no leaf has that many contexts");
    }

    #[test]
    fn the_leaf_bits_follow_the_width_of_the_tree() {
        for (leaves, bits) in [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1000, 10), (1024, 10), (1025, 11)] {
            assert_eq!(KidLayout::new(4, leaves).leaf_bits, bits, "{leaves} leaves");
        }
    }

    #[test]
    fn sixteen_participants_with_microphone_and_camera_have_two_byte_key_ids() {
        let layout = KidLayout::new(4, 16);
        let largest = layout.kid(Epoch(15), 15, TrackId::new(TrackKind::Camera, 0));
        assert!(largest < 1 << 16, "{largest:#x}");
    }
}
