//! Stories of keys that come and go under the hands of sealers and openers.

mod closing;
mod counting;
mod pausing;

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::*;
use crate::id::ParticipantId;
use crate::sframe::{CipherSuite, Header, SealError};
use crate::track::{Codec, Metadata};

const FRAME: Metadata<'static> = Metadata::frame(Codec::Vp8);
const ANN: u32 = 0;
const BOB: u32 = 1;
/// E of these stories.
const EPOCH_BITS: u32 = 4;

/// The keys of an epoch in a call of Ann and Bob, as one of them has them.
fn keys(epoch: u64, own_leaf: u32) -> EpochKeys {
    keys_of(epoch, own_leaf, &[Some(ANN), Some(BOB), None])
}

/// The keys of an epoch by who sits at which leaf.
fn keys_of(epoch: u64, own_leaf: u32, leaves: &[Option<u32>]) -> EpochKeys {
    let leaves = leaves.iter().map(|who| who.map(id)).collect();
    let base_key = Zeroizing::new(vec![epoch as u8; 16]);
    EpochKeys::new(Epoch(epoch), CipherSuite::default(), EPOCH_BITS, own_leaf, leaves, base_key)
}

fn id(who: u32) -> ParticipantId {
    ParticipantId([who as u8; 16])
}

fn ring(own_leaf: u32, epoch: u64) -> KeyRing {
    let ring = KeyRing::new(CipherSuite::default(), EPOCH_BITS, HoldLimits::default());
    enter(&ring, own_leaf, epoch);
    ring
}

fn enter(ring: &KeyRing, own_leaf: u32, epoch: u64) {
    ring.publish(keys(epoch, own_leaf));
    assert!(ring.switch(Epoch(epoch)));
}

fn camera(ring: &KeyRing) -> Sealer {
    ring.sealer(TrackKind::Camera).expect("a track")
}

fn seal(sealer: &mut Sealer, payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    sealer.seal(FRAME, payload, &mut out).expect("it seals");
    out
}

fn fault(opener: &mut Opener, mut frame: BytesMut) -> FrameFault {
    opener.open(FRAME, &mut frame).expect_err("it is refused").reason
}

fn forged(sealer: &mut Sealer) -> BytesMut {
    let mut frame = seal(sealer, b"forged");
    *frame.last_mut().expect("a tag") ^= 1;
    frame
}

fn at(millis: u64) -> Time {
    Time::since_origin(Duration::from_millis(millis))
}

fn opened(opener: &mut Opener, frame: &mut BytesMut) -> Opened {
    match opener.open(FRAME, frame) {
        Ok(Opening::Opened(opened)) => opened,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sealer_follows_the_switch_and_the_opener_knows_both_epochs() {
    let (ann, bob) = (ring(ANN, 5), ring(BOB, 5));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let mut before = seal(&mut sealer, b"old key");
    ann.publish(keys(6, ANN));
    bob.publish(keys(6, BOB));
    assert!(ann.switch(Epoch(6)));
    let mut after = seal(&mut sealer, b"new key");
    assert_eq!(opened(&mut opener, &mut after).epoch, Epoch(6));
    assert_eq!(opened(&mut opener, &mut before).epoch, Epoch(5), "what was under way still opens");
    assert_eq!((&before[..], &after[..]), (&b"old key"[..], &b"new key"[..]));
}

/// R15: an epoch that sealers left is never sealed under again.
#[test]
fn the_epoch_only_rises() {
    let ann = ring(ANN, 6);
    ann.publish(keys(5, ANN));
    assert!(!ann.switch(Epoch(5)));
    assert_eq!(ann.sealing_epoch(), Some(Epoch(6)));
    ann.stop_sealing();
    assert!(!ann.switch(Epoch(5)) && !ann.switch(Epoch(6)), "nor after a stop");
    assert_eq!(ann.sealing_epoch(), None);
}

#[test]
fn counters_start_anew_with_each_epoch_so_that_headers_stay_short() {
    let ann = ring(ANN, 0);
    let mut sealer = camera(&ann);
    for _ in 0..300 {
        seal(&mut sealer, b"");
    }
    enter(&ann, ANN, 1);
    let (header, _) = Header::decode(&seal(&mut sealer, b"")).expect("a header");
    assert_eq!(header.counter, 0);
}

/// R17, in its strictest form: the frame that gives the key its first use is not opened twice either.
#[test]
fn two_openers_of_a_call_share_what_was_opened() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let mut sealer = camera(&ann);
    let (mut one, mut two) = (bob.opener(), bob.opener());
    for _ in 0..10 {
        let frame = seal(&mut sealer, b"once");
        opened(&mut one, &mut frame.clone());
        assert_eq!(fault(&mut two, frame.clone()), FrameFault::Replayed);
        assert_eq!(fault(&mut one, frame), FrameFault::Replayed);
    }
}

/// R17: the window moves after authentication only.
#[test]
fn a_forged_frame_leaves_no_trace() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let mut frame = seal(&mut sealer, b"genuine");
    for bit in 0..frame.len() * 8 {
        let mut forged = frame.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(Opening::Opened(_)) = opener.open(FRAME, &mut forged) {
            panic!("bit {bit} does not matter");
        }
    }
    opened(&mut opener, &mut frame);
}

#[test]
fn a_frame_says_why_it_was_refused_and_whose_it_claims_to_be() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let error = opener.open(FRAME, &mut forged(&mut sealer)).expect_err("damaged");
    assert_eq!(error.reason, FrameFault::Unauthentic);
    assert_eq!(error.claimed, Some((id(ANN), sealer.track())));

    let mut other_codec = seal(&mut sealer, b"sound");
    let error = opener.open(Metadata::frame(Codec::Av1), &mut other_codec).expect_err("another codec");
    assert_eq!(error.reason, FrameFault::Unauthentic, "R16: the codec is authenticated");
    let mut other_form = seal(&mut sealer, b"sound");
    let error = opener.open(Metadata::packet(Codec::Vp8), &mut other_form).expect_err("another form");
    assert_eq!(error.reason, FrameFault::Unauthentic, "R16: the form is authenticated");

    assert_eq!(fault(&mut ann.opener(), seal(&mut sealer, b"")), FrameFault::Reflected);
    assert!(matches!(fault(&mut opener, BytesMut::new()), FrameFault::Malformed(_)));

    // Leaf 2 is blank, leaf 3 within S but beyond the tree; context 64 is beyond any.
    for (kid, reason) in [
        (2 << 4, FrameFault::UnknownSender),
        (3 << 4, FrameFault::UnknownSender),
        (64 << 6, FrameFault::UnknownTrack),
    ] {
        let mut head = [0; 17];
        let len = Header { kid: crate::sframe::KeyId(kid), counter: 0 }.encode(&mut head);
        let frame = [&head[..len], &[0; 16]].concat();
        assert_eq!(fault(&mut opener, BytesMut::from(&frame[..])), reason);
    }
}

/// R18
#[test]
fn a_frame_of_the_next_epoch_waits_and_comes_back() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    enter(&ann, ANN, 1);
    let mut early = seal(&mut sealer, b"early");
    let Ok(Opening::Held(id)) = opener.open(FRAME, &mut early) else { panic!("it is held") };
    assert!(opener.released().is_none(), "its epoch is not here yet");
    bob.publish(keys(1, BOB));
    let back = opener.released().expect("it comes back");
    assert_eq!((back.id, &back.payload[..]), (id, &b"early"[..]));
    assert_eq!(back.outcome.map(|opened| opened.epoch), Ok(Epoch(1)));
    assert!(opener.released().is_none());
}

/// R18: 16 epochs on, the low bits mean something else; the frame is not taken for a forgery of the old epoch.
#[test]
fn a_frame_whose_low_bits_fit_an_old_epoch_too_is_held_and_not_called_forged() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    for epoch in 1..=9 {
        enter(&bob, BOB, epoch); // epochs 0 to 9 are all retained
    }
    enter(&ann, ANN, 16); // low bits 0, as epoch 0 has
    let mut sealer = camera(&ann);
    let mut early = seal(&mut sealer, b"from epoch 16");
    let mut opener = bob.opener();
    assert!(matches!(opener.open(FRAME, &mut early), Ok(Opening::Held(_))));
    assert!(opener.released().is_none());
    enter(&bob, BOB, 16); // RFC 9605 §5.2: evicts epoch 0
    let back = opener.released().expect("it comes back");
    assert_eq!(back.outcome.map(|opened| opened.epoch), Ok(Epoch(16)));
    assert_eq!(&back.payload[..], b"from epoch 16");
}

/// R18: a flood under one claimed track takes no room from another; count, bytes and time are bounded.
#[test]
fn what_waits_is_bounded() {
    let limits = HoldLimits { frames: 20, bytes: 2000, frames_per_track: 8, age: Duration::from_secs(5) };
    let bob = KeyRing::new(CipherSuite::default(), EPOCH_BITS, limits);
    enter(&bob, BOB, 0);
    let ann = ring(ANN, 1);
    let (mut flood, mut quiet) = (camera(&ann), ann.sealer(TrackKind::Microphone).expect("a track"));
    let mut opener = bob.opener();
    let mut hold = |sealer: &mut Sealer, len: usize| {
        let mut frame = seal(sealer, &vec![0; len]);
        opener.open(FRAME, &mut frame)
    };
    let held = (0..100).filter(|_| hold(&mut flood, 10).is_ok()).count();
    assert_eq!(held, 8, "frames of one track");
    assert!(hold(&mut quiet, 10).is_ok(), "another track has its own quota");
    assert_eq!(hold(&mut quiet, 3000).expect_err("bytes").reason, FrameFault::HoldFull);

    bob.set_time(at(6_000));
    let late = opener.released().expect("its time is over");
    assert_eq!(late.outcome.expect_err("too late").reason, FrameFault::HeldTooLong);
    while opener.released().is_some() {}
    assert!(opener.open(FRAME, &mut seal(&mut flood, b"room again")).is_ok());
}

#[test]
fn when_an_epoch_is_retired_its_keys_are_gone_although_sealers_and_openers_live() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    opened(&mut opener, &mut seal(&mut sealer, b"derives both keys"));
    let last = seal(&mut sealer, b"too late");
    let old = |ring: &KeyRing| Arc::downgrade(ring.0.table.load().opening[0].as_ref().expect("published"));
    let (of_ann, of_bob) = (old(&ann), old(&bob));
    for ring in [&ann, &bob] {
        enter(ring, if std::ptr::eq(ring, &ann) { ANN } else { BOB }, 1);
        assert!(of_ann.upgrade().is_some() || std::ptr::eq(ring, &bob));
        ring.retire(Epoch(0));
    }
    // Dropping is wiping: base keys are `Zeroizing`, frame keys overwrite themselves. No frame had to arrive for it.
    assert!(of_ann.upgrade().is_none() && of_bob.upgrade().is_none());
    assert_eq!(fault(&mut opener, last), FrameFault::EpochClosed);
    opened(&mut opener, &mut seal(&mut sealer, b"the new epoch goes on"));
}

/// R18: an app that takes rosters late, and not in their order: what waits for an epoch opens with it, although its low bits fit one to
/// come; and what is of that one goes on waiting.
#[test]
fn what_waits_opens_with_its_epoch_also_when_that_comes_late() {
    let span = 1 << EPOCH_BITS;
    let bob = ring(BOB, 0);
    let (mut opener, mut fates) = (bob.opener(), Vec::new());
    let sealed = |epoch: u64| {
        let ann = ring(ANN, epoch);
        let mut camera = camera(&ann);
        seal(&mut camera, &epoch.to_be_bytes())
    };
    for epoch in [3, 3 + span] {
        assert!(matches!(opener.open(FRAME, &mut sealed(epoch)), Ok(Opening::Held(_))));
    }
    bob.publish(keys(11, BOB));
    assert!(opener.released().is_none(), "neither is here");
    bob.publish(keys(3, BOB));
    while let Some(released) = opener.released() {
        fates.push(released.outcome.map(|opened| opened.epoch));
    }
    assert_eq!(fates, [Ok(Epoch(3))]);
    assert_eq!(bob.held(), (1, sealed(3).len() + 2));
    bob.publish(keys(3 + span, BOB));
    let released = opener.released().expect("the other one");
    assert_eq!(released.outcome.map(|opened| opened.epoch), Ok(Epoch(3 + span)));
    assert_eq!((&released.payload[..], bob.held()), (&(3 + span).to_be_bytes()[..], (0, 0)));
}

/// R17, R18: a frame of an epoch to come may have a counter that was used in the old one with its low bits. A replay has too, and
/// is known by its key.
#[test]
fn a_replay_of_an_old_epoch_is_not_taken_for_a_frame_to_come() {
    let span = 1 << EPOCH_BITS;
    let bob = ring(BOB, 3);
    let mut opener = bob.opener();
    let sealed = |epoch: u64| {
        let ann = ring(ANN, epoch);
        let mut camera = camera(&ann);
        seal(&mut camera, b"counter 0")
    };
    let (old, to_come) = (sealed(3), sealed(3 + span));
    opened(&mut opener, &mut old.clone());
    bob.publish(keys(11, BOB));
    assert_eq!(fault(&mut opener, old), FrameFault::Replayed);
    assert!(matches!(opener.open(FRAME, &mut to_come.clone()), Ok(Opening::Held(_))));
}

/// RFC 9605 §5.2: an epoch takes the place of the one with its low bits, and not the other way round.
#[test]
fn an_evicted_epoch_is_not_sealed_under_and_does_not_come_back() {
    let ann = ring(ANN, 3);
    let mut sealer = camera(&ann);
    seal(&mut sealer, b"under 3");
    let span = 1 << EPOCH_BITS;
    assert!(ann.publish(keys(3 + span, ANN)));
    assert_eq!(sealer.seal(FRAME, b"", &mut BytesMut::new()), Err(SealError::NotReady));
    assert!(!ann.publish(keys(3, ANN)), "too late");
    assert!(ann.switch(Epoch(3 + span)));
    let bob = ring(BOB, 3 + span);
    assert_eq!(opened(&mut bob.opener(), &mut seal(&mut sealer, b"under 19")).epoch, Epoch(3 + span));
}

/// A member can name 64 contexts of everybody; what is kept of them is bounded.
#[test]
fn the_tracks_that_are_kept_of_an_epoch_are_bounded() {
    let leaves = (0..40).map(Some).collect::<Vec<_>>();
    let bob = KeyRing::new(CipherSuite::default(), EPOCH_BITS, HoldLimits::default());
    bob.publish(keys_of(0, BOB, &leaves));
    let (mut opener, mut kept, mut refused) = (bob.opener(), 0, 0);
    for leaf in (0..40).filter(|leaf| *leaf != BOB) {
        let forger = KeyRing::new(CipherSuite::default(), EPOCH_BITS, HoldLimits::default());
        forger.publish(keys_of(0, leaf, &leaves));
        forger.switch(Epoch(0));
        for kind in [TrackKind::Microphone, TrackKind::Camera, TrackKind::Screen, TrackKind::ScreenAudio] {
            for _ in 0..16 {
                let mut sealer = forger.sealer(kind).expect("one of sixteen");
                match opener.open(FRAME, &mut seal(&mut sealer, b"")) {
                    Ok(_) => kept += 1,
                    Err(error) => {
                        assert_eq!(error.reason, FrameFault::TooManyTracks);
                        refused += 1;
                    }
                }
            }
        }
    }
    assert_eq!((kept, kept + refused), (2 * 64 + 40 * 8, 39 * 64));
}

/// R17: of two threads that open the same frame at the same time, one does.
#[test]
fn two_threads_do_not_open_one_frame_both() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let mut sealer = camera(&ann);
    let frames = (0..2_000).map(|_| seal(&mut sealer, b"once")).collect::<Vec<_>>();
    let count = |mut opener: Opener| {
        let opens = |frame: &BytesMut| opener.open(FRAME, &mut frame.clone()).is_ok();
        frames.iter().map(opens).filter(|opened| *opened).count()
    };
    let total = std::thread::scope(|scope| {
        let threads = [bob.opener(), bob.opener()].map(|opener| scope.spawn(|| count(opener)));
        threads.map(|thread| thread.join().expect("no panic")).iter().sum::<usize>()
    });
    assert_eq!(total, frames.len());
}

#[test]
fn after_the_end_nothing_seals_or_opens() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let frame = seal(&mut sealer, b"");
    let keys = Arc::downgrade(bob.0.table.load().opening[0].as_ref().expect("published"));
    drop(ann);
    bob.end();
    assert!(keys.upgrade().is_none(), "the keys are gone although the opener lives");
    assert_eq!(sealer.seal(FRAME, b"", &mut BytesMut::new()), Err(SealError::Ended));
    assert_eq!(fault(&mut opener, frame), FrameFault::Ended);
}
