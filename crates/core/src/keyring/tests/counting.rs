//! What openers refuse is counted, and the call told.

use super::*;

const ANNS: Option<ParticipantId> = Some(ParticipantId([ANN as u8; 16]));
const BOBS: Option<ParticipantId> = Some(ParticipantId([BOB as u8; 16]));

/// The next survey, for which a second may have to pass.
fn look(ring: &KeyRing, watch: &[ParticipantId]) -> Option<Survey> {
    ring.survey(watch).or_else(|| {
        ring.set_time(Time::since_origin(ring.0.now() + Duration::from_secs(1)));
        ring.survey(watch)
    })
}

fn survey(ring: &KeyRing) -> Survey {
    look(ring, &[]).expect("something was refused")
}

#[test]
fn kinds_are_numbered_in_their_order() {
    for (number, kind) in FaultKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, number, "{kind:?}");
    }
}

#[test]
fn where_nothing_is_refused_there_is_nothing_to_tell() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    assert_eq!(look(&bob, &[]), None);
    opened(&mut opener, &mut seal(&mut sealer, b""));
    assert_eq!(look(&bob, &[]), None);
    assert_eq!(look(&bob, &[id(ANN)]).map(|survey| survey.heard), Some(vec![id(ANN)]), "she was asked for");
    assert_eq!(look(&bob, &[id(ANN)]), None, "no frame came since");
}

#[test]
fn a_survey_is_made_once_a_second_however_often_it_is_asked_for() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let counts = (0..40).map(|quarter| {
        bob.set_time(at(quarter * 250));
        fault(&mut opener, forged(&mut sealer));
        bob.survey(&[]).map_or(0, |survey| survey.faults[0].2)
    });
    assert_eq!(counts.filter(|count| *count > 0).collect::<Vec<_>>(), [5, 4, 4, 4, 4, 4, 4, 4, 4]);
}

#[test]
fn counts_are_exact_by_sender_and_reason() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let genuine = seal(&mut sealer, b"genuine");
    opened(&mut opener, &mut genuine.clone());
    let mut times =
        |count: u64, frame: BytesMut| (0..count).for_each(|_| _ = fault(&mut opener, frame.clone()));
    times(3, genuine);
    times(5, forged(&mut sealer));
    times(7, seal(&mut camera(&bob), b"our own"));
    times(2, BytesMut::new());
    times(4, seal(&mut camera(&ring(ANN, 15)), b"the epoch before"));
    assert_eq!(
        survey(&bob).faults,
        [
            (None, FaultKind::Malformed, 2),
            (None, FaultKind::EpochClosed, 4),
            (ANNS, FaultKind::Replayed, 3),
            (ANNS, FaultKind::Unauthentic, 5),
            (BOBS, FaultKind::Reflected, 7),
        ]
    );
    assert_eq!(look(&bob, &[]), None, "each is told once");
}

#[test]
fn a_closed_epoch_counts_against_its_sender_and_a_pause_against_nobody() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let late = seal(&mut sealer, b"late");
    enter(&ann, ANN, 1);
    enter(&bob, BOB, 1);
    opened(&mut opener, &mut seal(&mut sealer, b"new"));
    bob.set_time(at(2_000));
    fault(&mut opener, late.clone());
    bob.pause();
    fault(&mut opener, late);
    assert_eq!(survey(&bob).faults, [(None, FaultKind::Paused, 1), (ANNS, FaultKind::EpochClosed, 1)]);
}

#[test]
fn a_frame_that_is_held_is_no_fault_until_it_is_refused() {
    let limits = HoldLimits { frames_per_track: 2, ..HoldLimits::default() };
    let (ann, bob) = (ring(ANN, 1), KeyRing::new(CipherSuite::default(), EPOCH_BITS, limits));
    enter(&bob, BOB, 0);
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    for _ in 0..2 {
        let mut early = seal(&mut sealer, b"early");
        assert!(matches!(opener.open(FRAME, &mut early), Ok(Opening::Held(_))));
    }
    assert_eq!(look(&bob, &[]), None);
    assert_eq!(bob.held(), (2, 2 * (2 + 5 + 16 + 2)), "header, payload, tag and metadata");
    fault(&mut opener, seal(&mut sealer, b"one too many"));
    assert_eq!(survey(&bob).faults, [(None, FaultKind::HoldFull, 1)]);
    bob.set_time(at(6_000));
    while opener.released().is_some() {}
    assert_eq!(survey(&bob).faults, [(None, FaultKind::HeldTooLong, 2)]);
    assert_eq!(bob.held(), (0, 0));
}

/// R18: a frame that fails under a retained epoch may be of one to come.
#[test]
fn a_frame_that_fails_under_an_old_epoch_and_is_held_counts_against_nobody() {
    let (ann, bob) = (ring(ANN, 16), ring(BOB, 0));
    (1..=9).for_each(|epoch| enter(&bob, BOB, epoch));
    let mut opener = bob.opener();
    assert!(matches!(opener.open(FRAME, &mut seal(&mut camera(&ann), b"early")), Ok(Opening::Held(_))));
    assert_eq!(look(&bob, &[]), None);
    enter(&bob, BOB, 16);
    assert!(opener.released().expect("it comes back").outcome.is_ok());
    assert_eq!(look(&bob, &[]), None);
}

#[test]
fn counts_outlive_their_epoch_and_seats_do_not() {
    let bob = ring(BOB, 0);
    let mut opener = bob.opener();
    for epoch in 0..40 {
        let ann = ring(ANN, epoch);
        fault(&mut opener, forged(&mut camera(&ann)));
        bob.publish(keys(epoch + 1, BOB)); // evicts one in the end
        if epoch % 2 == 0 {
            bob.retire(Epoch(epoch));
        }
    }
    assert_eq!(survey(&bob).faults, [(ANNS, FaultKind::Unauthentic, 40)]);
    // Odd epochs alone are open, and the newest; the counts of all others were taken.
    let enrolled = || bob.0.faults.enrolled();
    assert_eq!(enrolled(), 8 + 1);
    for epoch in 41..60 {
        bob.publish(keys(epoch, BOB));
        bob.retire(Epoch(epoch - 1));
    }
    assert!(enrolled() <= 8 + 2, "without a single fault, nor a survey");
    assert_eq!(look(&bob, &[]), None);
}

/// The one who counts may still be at it when the epoch goes.
#[test]
fn no_count_is_lost_between_two_threads_and_the_end_of_an_epoch() {
    let bob = ring(BOB, 0);
    let frames: Vec<_> = (0..4).map(|epoch| forged(&mut camera(&ring(ANN, epoch)))).collect();
    let flood = |mut opener: Opener| {
        (0..5_000).for_each(|turn| _ = opener.open(FRAME, &mut frames[turn % 4].clone()));
    };
    let mut total = 0;
    let mut count = || {
        let survey = look(&bob, &[]).unwrap_or_default();
        total += survey.faults.iter().map(|(_, _, count)| count).sum::<u64>();
    };
    (1..4).for_each(|epoch| _ = bob.publish(keys(epoch, BOB)));
    std::thread::scope(|scope| {
        let threads = [bob.opener(), bob.opener()].map(|opener| scope.spawn(|| flood(opener)));
        for epoch in 0..3 {
            (0..20).for_each(|_| count());
            bob.retire(Epoch(epoch));
        }
        threads.into_iter().for_each(|thread| thread.join().expect("the thread ends"));
    });
    count();
    assert_eq!(total, 10_000);
}

#[test]
fn whoever_has_faults_is_heard_if_anything_of_his_was_opened_meanwhile() {
    let (ann, bob) = (ring(ANN, 0), ring(BOB, 0));
    let (mut sealer, mut opener) = (camera(&ann), bob.opener());
    let mut garbled =
        |sealer: &mut Sealer| assert_eq!(fault(&mut opener, forged(sealer)), FrameFault::Unauthentic);
    garbled(&mut sealer);
    assert_eq!(survey(&bob).heard, [], "nothing of hers ever opened");
    let mut opener = bob.opener();
    let (early, mut late) = (seal(&mut sealer, b"early"), seal(&mut sealer, b"late"));
    opened(&mut opener, &mut late);
    garbled(&mut sealer);
    assert_eq!(survey(&bob).heard, [id(ANN)]);
    garbled(&mut sealer);
    assert_eq!(survey(&bob).heard, []);
    // A frame that comes late was heard, too; and so is one of another track, under another epoch.
    opened(&mut opener, &mut early.clone());
    assert_eq!(look(&bob, &[id(ANN)]), Some(Survey { faults: vec![], heard: vec![id(ANN)] }));
    enter(&ann, ANN, 1);
    bob.publish(keys(1, BOB));
    opened(&mut opener, &mut seal(&mut camera(&ann), b"new"));
    garbled(&mut sealer);
    assert_eq!(survey(&bob).heard, [id(ANN)]);
}
