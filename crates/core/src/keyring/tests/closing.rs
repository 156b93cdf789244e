//! R19: an old epoch closes for a sender soon after his first authentic frame under a newer one.

use super::*;

const CARL: u32 = 2;
const DORA: u32 = 3;

/// A ring in which an epoch of these leaves is published and sealed under.
fn ring_of(own_leaf: u32, epoch: u64, leaves: &[Option<u32>]) -> KeyRing {
    let ring = KeyRing::new(CipherSuite::default(), EPOCH_BITS, HoldLimits::default());
    enter_with(&ring, own_leaf, epoch, leaves);
    ring
}

fn enter_with(ring: &KeyRing, own_leaf: u32, epoch: u64, leaves: &[Option<u32>]) {
    ring.publish(keys_of(epoch, own_leaf, leaves));
    assert!(ring.switch(Epoch(epoch)));
}

fn some(sealer: &mut Sealer) -> Vec<BytesMut> {
    (0..20).map(|_| seal(sealer, b"late")).collect()
}

/// At least 1 s of real time, so 2 s on a clock that may be 1 s behind.
#[test]
fn late_frames_open_for_two_seconds_of_the_calls_time_and_not_longer() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let mut late = some(&mut sealer).into_iter();
    let mut late = || late.next().expect("enough of them");
    enter(&ann, ANN, 1);
    enter(&bob, BOB, 1);
    bob.set_time(at(60_000));
    opened(&mut opener, &mut late()); // nothing of the newer epoch came yet
    bob.set_time(at(70_000));
    opened(&mut opener, &mut seal(&mut sealer, b"new"));
    for millis in [70_000, 71_000, 71_999] {
        bob.set_time(at(millis));
        assert_eq!(opened(&mut opener, &mut late()).epoch, Epoch(0), "{millis} ms");
        opened(&mut opener, &mut seal(&mut sealer, b"new"));
    }
    for millis in [72_000, 80_000] {
        bob.set_time(at(millis));
        let error = opener.open(FRAME, &mut late()).expect_err("closed");
        assert_eq!(error.reason, FrameFault::EpochClosed);
        assert_eq!(error.claimed, Some((id(ANN), sealer.track())));
        assert_eq!(fault(&mut bob.opener(), late()), FrameFault::EpochClosed, "for all openers");
    }
    opened(&mut opener, &mut seal(&mut sealer, b"the newer one goes on"));
}

#[test]
fn the_first_frame_under_a_newer_epoch_counts_and_no_later_one() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let late = seal(&mut sealer, b"late");
    for epoch in 1..=3 {
        enter(&ann, ANN, epoch);
        enter(&bob, BOB, epoch);
        bob.set_time(at(epoch * 1_000));
        opened(&mut opener, &mut seal(&mut camera(&ann), b"a new track, under a newer epoch each time"));
    }
    assert_eq!(fault(&mut opener, late), FrameFault::EpochClosed, "2 s after epoch 1, at once after epoch 3");
}

#[test]
fn all_older_epochs_close_and_no_newer_one() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let mut opener = bob.opener();
    let mut late = Vec::new();
    for epoch in 1..=4 {
        late.push(seal(&mut camera(&ann), b"late"));
        enter(&ann, ANN, epoch);
        bob.publish(keys(epoch, BOB));
    }
    late.push(seal(&mut camera(&ann), b"of the newest"));
    opened(&mut opener, &mut late[2].clone());
    bob.set_time(at(2_000));
    for epoch in [0, 1] {
        assert_eq!(fault(&mut opener, late[epoch].clone()), FrameFault::EpochClosed, "epoch {epoch}");
    }
    for epoch in [3, 4] {
        opened(&mut opener, &mut late[epoch].clone());
    }
}

#[test]
fn other_senders_are_not_affected() {
    let all = [Some(ANN), Some(BOB), Some(CARL)];
    let (ann, bob, carl) = (ring_of(ANN, 0, &all), ring_of(BOB, 0, &all), ring_of(CARL, 0, &all));
    let (mut of_ann, mut of_carl, mut opener) = (camera(&ann), camera(&carl), bob.opener());
    let late = seal(&mut of_ann, b"late");
    enter_with(&ann, ANN, 1, &all);
    bob.publish(keys_of(1, BOB, &all));
    opened(&mut opener, &mut seal(&mut of_ann, b"new"));
    bob.set_time(at(9_000));
    assert_eq!(fault(&mut opener, late), FrameFault::EpochClosed);
    // Carl has not switched yet: the commit is late for him.
    assert_eq!(opened(&mut opener, &mut seal(&mut of_carl, b"still the old key")).epoch, Epoch(0));
}

/// R14: who a sender is counts, not at which leaf he sits.
#[test]
fn a_newcomer_at_the_leaf_of_one_who_was_removed_closes_nothing_for_that_one() {
    let (before, after) = ([Some(ANN), Some(BOB)], [Some(DORA), Some(BOB)]);
    let (ann, bob) = (ring_of(ANN, 0, &before), ring_of(BOB, 0, &before));
    let dora = ring_of(0, 1, &after);
    let (mut of_ann, mut of_dora, mut opener) = (camera(&ann), camera(&dora), bob.opener());
    bob.publish(keys_of(1, BOB, &after));
    assert_eq!(opened(&mut opener, &mut seal(&mut of_dora, b"hello")).sender, id(DORA));
    bob.set_time(at(9_000));
    let last = opened(&mut opener, &mut seal(&mut of_ann, b"her last words are still on their way"));
    assert_eq!((last.sender, last.epoch), (id(ANN), Epoch(0)));
}

#[test]
fn a_sender_is_found_at_whichever_leaf_he_sat() {
    let (before, after) = ([Some(CARL), Some(BOB), Some(ANN)], [Some(ANN), Some(BOB), Some(CARL)]);
    let (ann_before, ann_after) = (ring_of(2, 0, &before), ring_of(0, 1, &after));
    let carl = ring_of(0, 0, &before);
    let bob = ring_of(BOB, 0, &before);
    bob.publish(keys_of(1, BOB, &after));
    let mut opener = bob.opener();
    assert_eq!(opened(&mut opener, &mut seal(&mut camera(&ann_after), b"new")).sender, id(ANN));
    bob.set_time(at(2_000));
    assert_eq!(fault(&mut opener, seal(&mut camera(&ann_before), b"late")), FrameFault::EpochClosed);
    assert_eq!(opened(&mut opener, &mut seal(&mut camera(&carl), b"not his")).sender, id(CARL));
}

#[test]
fn a_forged_frame_closes_nothing() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let mut late = seal(&mut sealer, b"late");
    enter(&ann, ANN, 1);
    enter(&bob, BOB, 1);
    assert_eq!(fault(&mut opener, forged(&mut sealer)), FrameFault::Unauthentic);
    bob.set_time(at(9_000));
    opened(&mut opener, &mut late);
}

/// A held frame is the first of its sender as well as any other.
#[test]
fn a_held_frame_closes_what_is_older_when_it_comes_back() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let late = seal(&mut sealer, b"late");
    enter(&ann, ANN, 1);
    assert!(matches!(opener.open(FRAME, &mut seal(&mut sealer, b"early")), Ok(Opening::Held(_))));
    bob.publish(keys(1, BOB));
    assert!(opener.released().expect("it comes back").outcome.is_ok());
    bob.set_time(at(2_000));
    assert_eq!(fault(&mut opener, late), FrameFault::EpochClosed);
}

/// The app may take a roster after the one that follows it.
#[test]
fn an_epoch_that_is_published_late_closes_for_who_was_heard_under_a_newer_one() {
    let all = [Some(ANN), Some(BOB), Some(CARL)];
    let rings = [ANN, BOB, CARL].map(|who| ring_of(who, 0, &all));
    let [ann, bob, carl] = &rings;
    let (mut of_ann, mut of_carl, mut opener) = (camera(ann), camera(carl), bob.opener());
    [ann, carl].into_iter().zip([ANN, CARL]).for_each(|(ring, who)| enter_with(ring, who, 1, &all));
    let late = some(&mut of_ann);
    enter_with(ann, ANN, 2, &all);
    bob.publish(keys_of(2, BOB, &all));
    bob.set_time(at(5_000));
    opened(&mut opener, &mut seal(&mut of_ann, b"new"));
    bob.set_time(at(6_000));
    bob.publish(keys_of(1, BOB, &all));
    bob.set_time(at(7_999));
    opened(&mut opener, &mut late[0].clone());
    bob.set_time(at(8_000));
    assert_eq!(fault(&mut opener, late[1].clone()), FrameFault::EpochClosed);
    opened(&mut opener, &mut seal(&mut of_carl, b"of whom nothing newer came"));
}

/// R18: what is closed may mean an epoch that is not reached yet.
#[test]
fn a_frame_whose_low_bits_fit_a_closed_epoch_too_is_held() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    (1..=9).for_each(|epoch| enter(&bob, BOB, epoch)); // epochs 0 to 9 are all retained
    let mut opener = bob.opener();
    enter(&ann, ANN, 9);
    opened(&mut opener, &mut seal(&mut camera(&ann), b"closes epochs 0 to 8"));
    bob.set_time(at(2_000));
    enter(&ann, ANN, 16); // low bits 0, as epoch 0 has
    let mut early = seal(&mut camera(&ann), b"from epoch 16");
    assert!(matches!(opener.open(FRAME, &mut early), Ok(Opening::Held(_))));
    enter(&bob, BOB, 16);
    assert_eq!(opener.released().expect("it comes back").outcome.map(|opened| opened.epoch), Ok(Epoch(16)));
}
