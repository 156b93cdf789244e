//! The key ring's entry point for fuzzers: [`crate::fuzzing`].

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::{
    CLOSES_AFTER, EpochKeys, FrameError, FrameFault, HeldId, HoldLimits, KeyRing, Opened, Opener, Opening,
    Sealer,
};
use crate::id::{Epoch, ParticipantId};
use crate::sframe::{Backend, CipherSuite};
use crate::time::Time;
use crate::track::{Codec, Metadata, TrackKind};

const FRAME: Metadata<'static> = Metadata::frame(Codec::Vp8);
const EPOCH_BITS: u32 = 4;
/// R8: nobody is further ahead.
const AHEAD: u64 = 1 << (EPOCH_BITS - 1);
const LIMITS: HoldLimits =
    HoldLimits { frames: 24, bytes: 1_000, frames_per_track: 16, age: Duration::from_secs(5) };

fn keys(epoch: u64, own_leaf: u32) -> EpochKeys {
    let leaves = [Some(ParticipantId([0; 16])), Some(ParticipantId([1; 16])), None];
    let base_key = Zeroizing::new(epoch.to_be_bytes().repeat(2));
    EpochKeys::new(Epoch(epoch), CipherSuite::default(), EPOCH_BITS, own_leaf, leaves.into(), base_key)
}

fn enter(ring: &KeyRing, own_leaf: u32, epoch: u64) {
    assert!(ring.publish(keys(epoch, own_leaf)));
    assert!(ring.switch(Epoch(epoch)));
}

/// A frame that Ann sealed.
struct Frame {
    sealed: Vec<u8>,
    payload: [u8; 2],
    epoch: u64,
    was_opened: bool,
}

/// Ann's ring and Bob's, and what Bob should make of what comes.
struct Pair {
    ann: KeyRing,
    bob: KeyRing,
    sealer: Sealer,
    openers: [Opener; 2],
    frames: Vec<Frame>,
    /// By opener and number, with the genuine frame that it is, if it is one.
    held: BTreeMap<(usize, HeldId), Option<usize>>,
    now: Duration,
    anns_epoch: u64,
    bobs_epoch: u64,
    /// The oldest that Bob has not retired. (It may have been evicted.)
    oldest: u64,
    is_paused: bool,
    /// When Bob first opened a frame of an epoch.
    heard: BTreeMap<u64, Duration>,
}

impl Pair {
    fn new() -> Self {
        let ring = |own_leaf| {
            let ring = KeyRing::new(CipherSuite::default(), EPOCH_BITS, LIMITS);
            enter(&ring, own_leaf, 0);
            ring
        };
        let (ann, bob) = (ring(0), ring(1));
        bob.set_backend(Backend::default());
        Self {
            sealer: ann.sealer(TrackKind::Camera).expect("a track"),
            openers: [bob.opener(), bob.opener()],
            ann,
            bob,
            frames: Vec::new(),
            held: BTreeMap::new(),
            now: Duration::ZERO,
            anns_epoch: 0,
            bobs_epoch: 0,
            oldest: 0,
            is_paused: false,
            heard: BTreeMap::new(),
        }
    }

    fn knows(&self, epoch: u64) -> bool {
        let evicted_up_to = self.bobs_epoch.checked_sub(1 << EPOCH_BITS);
        (self.oldest..=self.bobs_epoch).contains(&epoch) && evicted_up_to.is_none_or(|last| epoch > last)
    }

    /// R19: whether she was heard under a newer epoch so long ago.
    fn may_be_closed(&self, epoch: u64) -> bool {
        let mut newer = self.heard.range(epoch + 1..);
        newer.any(|(_, since)| self.now >= *since + CLOSES_AFTER)
    }

    fn seals(&mut self) {
        let payload = (self.frames.len() as u16).to_be_bytes();
        let mut sealed = BytesMut::new();
        self.sealer.seal(FRAME, &payload, &mut sealed).expect("she may");
        self.frames.push(Frame {
            sealed: sealed.to_vec(),
            payload,
            epoch: self.anns_epoch,
            was_opened: false,
        });
    }

    /// Bytes come to an opener: those of a genuine frame, or others.
    fn comes(&mut self, at: usize, mut bytes: BytesMut, genuine: Option<usize>) {
        match self.openers[at].open(FRAME, &mut bytes) {
            Ok(Opening::Opened(opened)) => self.opened(genuine, opened, &bytes),
            Ok(Opening::Held(id)) => {
                let before = self.held.insert((at, id), genuine);
                assert!(before.is_none(), "the same number twice");
                // A frame whose epoch is closed to its sender may be of one to come that has the same low bits.
                let is_due = |frame: &Frame| self.knows(frame.epoch) && !self.may_be_closed(frame.epoch);
                let wrongly =
                    genuine.is_some_and(|at| is_due(&self.frames[at]) && !self.frames[at].was_opened);
                assert!(!wrongly, "held, though its key is here");
            }
            Err(error) => self.refused(genuine, error),
        }
    }

    fn opened(&mut self, genuine: Option<usize>, opened: Opened, payload: &[u8]) {
        assert!(!self.is_paused, "opened in a pause");
        let frame = &mut self.frames[genuine.expect("a forged frame opened")];
        assert_eq!((opened.epoch.0, payload), (frame.epoch, &frame.payload[..]));
        assert_eq!((opened.sender, opened.track), (ParticipantId([0; 16]), self.sealer.track()));
        assert!(!frame.was_opened, "it opened twice");
        frame.was_opened = true;
        let epoch = frame.epoch;
        assert!(self.knows(epoch), "opened without a key");
        self.heard.entry(epoch).or_insert(self.now);
    }

    /// Says of a genuine frame that it was refused: for which reasons that may be.
    fn refused(&self, genuine: Option<usize>, error: FrameError) {
        let Some(frame) = genuine.map(|at| &self.frames[at]) else { return };
        let knows = self.knows(frame.epoch);
        match error.reason {
            // Or its low bits are those of another epoch that is here, and so is its counter.
            FrameFault::Replayed => assert!(frame.was_opened || !knows),
            FrameFault::EpochClosed => assert!(!knows || self.may_be_closed(frame.epoch)),
            FrameFault::HeldTooLong | FrameFault::HoldFull => {}
            FrameFault::Paused => assert!(self.is_paused),
            FrameFault::Unauthentic => assert!(!knows),
            fault => panic!("{fault:?}"),
        }
        let had_to_open = knows && !self.is_paused && !frame.was_opened && !self.may_be_closed(frame.epoch);
        let was_late = error.reason == FrameFault::HeldTooLong;
        assert!(!had_to_open || was_late, "a genuine frame was refused: {error:?}");
    }

    fn released(&mut self, at: usize) {
        for _ in 0..=LIMITS.frames {
            let Some(released) = self.openers[at].released() else { continue };
            let genuine = self.held.remove(&(at, released.id)).expect("it was held");
            assert!(!format!("{released:?}").contains("payload"), "media in a log");
            match released.outcome {
                Ok(opened) => self.opened(genuine, opened, &released.payload),
                Err(error) => self.refused(genuine, error),
            }
        }
    }

    /// A step: bits 0 to 3 say what, 4 at which opener, the rest how much or which.
    fn step(&mut self, step: u8, input: &mut impl Iterator<Item = u8>) {
        let (at, which) = (usize::from(step >> 4 & 1), usize::from(step >> 5));
        // Of the newest frames.
        let frame = self.frames.len().checked_sub(which + 1);
        match (step & 15, frame) {
            (0..=2, _) => self.seals(),
            (3..=5, Some(frame)) => {
                self.comes(at, BytesMut::from(&self.frames[frame].sealed[..]), Some(frame))
            }
            (6 | 7, Some(frame)) => {
                let (place, change) = (input.next().unwrap_or(0), input.next().unwrap_or(0));
                let mut bytes = BytesMut::from(&self.frames[frame].sealed[..]);
                let place = usize::from(place) % bytes.len();
                bytes[place] ^= change;
                self.comes(at, bytes, (change == 0).then_some(frame));
            }
            (8 | 9, _) if self.anns_epoch < self.bobs_epoch + AHEAD => {
                self.anns_epoch += 1;
                enter(&self.ann, 0, self.anns_epoch);
            }
            (10 | 11, _) if self.bobs_epoch < self.anns_epoch => {
                self.bobs_epoch += 1;
                enter(&self.bob, 1, self.bobs_epoch);
            }
            (12, _) if self.oldest < self.bobs_epoch => {
                self.bob.retire(Epoch(self.oldest));
                self.oldest += 1;
            }
            (13, _) => {
                self.now += Duration::from_millis(300 << which);
                self.bob.set_time(Time::since_origin(self.now));
            }
            (14, _) => self.released(at),
            (15, _) => {
                self.is_paused = !self.is_paused;
                if self.is_paused { self.bob.pause() } else { self.bob.resume() }
            }
            _ => {}
        }
        let (frames, bytes) = self.bob.held();
        assert!(frames == self.held.len() && frames <= LIMITS.frames && bytes <= LIMITS.bytes);
    }
}

/// Epochs come and go at two members, frames of one come to the other when they like: a genuine frame opens once, and does where its key is
/// there; nothing else opens; what waits is bounded, and comes back (R14 to R19).
pub fn key_ring(data: &[u8]) {
    let mut pair = Pair::new();
    let mut input = data.iter().copied().take(1_000);
    while let Some(step) = input.next() {
        pair.step(step, &mut input);
    }
    pair.bob.resume();
    pair.is_paused = false;
    pair.now += LIMITS.age + Duration::from_secs(1);
    pair.bob.set_time(Time::since_origin(pair.now));
    for at in 0..2 {
        pair.released(at);
    }
    assert!(pair.held.is_empty() && pair.bob.held() == (0, 0), "what was held did not come back");
    pair.bob.end();
    pair.seals();
    let mut last = BytesMut::from(&pair.frames.last().expect("it was just sealed").sealed[..]);
    let refused = pair.openers[0].open(FRAME, &mut last).expect_err("the call has ended");
    assert_eq!((refused.reason, refused.claimed), (FrameFault::Ended, None));
    assert!(!format!("{:?}", pair.openers[0]).contains('['), "keys in a log");
}
