//! R21: a call that is cut off from its hosts seals and opens nothing until it hears from them again.

use super::*;

#[test]
fn during_a_pause_nothing_is_sealed_or_opened_and_after_it_all_goes_on() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    opened(&mut opener, &mut seal(&mut sealer, b"before"));
    let mut under_way = seal(&mut sealer, b"under way");
    ann.pause();
    bob.pause();
    let mut out = BytesMut::new();
    assert_eq!(sealer.seal(FRAME, b"", &mut out), Err(SealError::Paused));
    let mut in_place = BytesMut::zeroed(crate::sframe::MAX_HEADER_LEN);
    assert_eq!(sealer.seal_in_place(FRAME, &mut in_place), Err(SealError::Paused));
    assert_eq!(out.len(), 0);
    let error = opener.open(FRAME, &mut under_way).expect_err("paused");
    assert_eq!((error.reason, error.claimed), (FrameFault::Paused, None));
    assert_eq!(ann.sealing_epoch(), None, "nothing is sealed now");
    ann.resume();
    bob.resume();
    // A frame that was refused for the pause is not spoilt; and no number was spent on it.
    assert_eq!(opened(&mut opener, &mut under_way).counter, 1);
    assert_eq!(opened(&mut opener, &mut seal(&mut sealer, b"after")).counter, 2);
    assert_eq!(ann.sealing_epoch(), Some(Epoch(0)));
}

#[test]
fn no_key_is_exported_during_a_pause() {
    let ann = ring(ANN, 0);
    ann.pause();
    let refused = ann.export_sealing(TrackKind::Camera).err();
    assert_eq!(refused, Some(ExportError::Seal(SealError::Paused)));
    ann.resume();
    assert!(ann.export_sealing(TrackKind::Camera).is_ok());
}

/// Sealers may be made at any time; they wait like the others.
#[test]
fn a_sealer_that_is_made_during_a_pause_has_a_context_of_its_own() {
    let ann = ring(ANN, 0);
    let mut first = camera(&ann);
    seal(&mut first, b"");
    drop(first);
    ann.pause();
    let mut second = camera(&ann);
    assert_eq!(second.track().instance(), 1, "R15: instance 0 was used in this epoch");
    assert_eq!(second.seal(FRAME, b"", &mut BytesMut::new()), Err(SealError::Paused));
}

#[test]
fn epochs_come_and_go_during_a_pause() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let old = seal(&mut sealer, b"old");
    for (ring, own_leaf) in [(&ann, ANN), (&bob, BOB)] {
        ring.pause();
        let keys_of_old = Arc::downgrade(ring.0.table.load().opening[0].as_ref().expect("published"));
        enter(ring, own_leaf, 1);
        assert!(keys_of_old.upgrade().is_some(), "keys stay until they are retired");
        ring.retire(Epoch(0));
        assert!(keys_of_old.upgrade().is_none(), "and go when they are");
        ring.resume();
    }
    assert_eq!(fault(&mut opener, old), FrameFault::EpochClosed);
    assert_eq!(opened(&mut opener, &mut seal(&mut sealer, b"new")).epoch, Epoch(1));
}

/// R18
#[test]
fn held_frames_stay_held_during_a_pause_unless_they_are_too_old() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    enter(&ann, ANN, 1);
    let mut hold = |opener: &mut Opener| match opener.open(FRAME, &mut seal(&mut sealer, b"early")) {
        Ok(Opening::Held(id)) => id,
        other => panic!("{other:?}"),
    };
    let first = hold(&mut opener);
    bob.set_time(at(3_000));
    let second = hold(&mut opener);
    bob.pause();
    bob.publish(keys(1, BOB));
    assert!(opener.released().is_none(), "its epoch is here, but nothing is opened");
    bob.set_time(at(6_000));
    let released = opener.released().expect("the first is too old");
    assert_eq!((released.id, released.outcome.map_err(|e| e.reason)), (first, Err(FrameFault::HeldTooLong)));
    assert!(opener.released().is_none());
    bob.resume();
    let released = opener.released().expect("the second comes back");
    assert_eq!((released.id, released.outcome.map(|opened| opened.counter)), (second, Ok(1)));
}

#[test]
fn nothing_new_is_held_during_a_pause() {
    let (ann, bob) = (ring(ANN, 1), ring(BOB, 0));
    let mut opener = bob.opener();
    bob.pause();
    assert_eq!(fault(&mut opener, seal(&mut camera(&ann), b"early")), FrameFault::Paused);
    assert_eq!(bob.held(), (0, 0));
}

#[test]
fn the_end_is_told_rather_than_the_pause() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let frame = seal(&mut sealer, b"");
    for ring in [&ann, &bob] {
        ring.pause();
        ring.end();
        ring.resume();
        ring.pause();
    }
    assert_eq!(sealer.seal(FRAME, b"", &mut BytesMut::new()), Err(SealError::Ended));
    assert_eq!(fault(&mut opener, frame), FrameFault::Ended);
}
