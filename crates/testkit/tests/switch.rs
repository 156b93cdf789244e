//! People come and go, and nobody misses a word of it.

use core::time::Duration;

use subrosa_testkit::room::{Churn, Tally};

/// Forty changes; `cargo run --release --example switch_loss` does five hundred. Fewer frames than there, to be quick.
#[test]
fn no_frame_is_lost_for_want_of_a_key_while_people_come_and_go() {
    let churn =
        Churn { participants: 8, changes: 40, frames_every: Duration::from_millis(100), ..Churn::default() };
    let room = churn.run(|_| {});
    room.check();
    let report = room.report();
    let Tally { sent, lost_by_network, opened, held, not_listening, lost_in_guarantee, lost_outside, .. } =
        report.frames;
    assert_eq!((lost_in_guarantee, lost_outside), (0, 0));
    assert!(
        sent > 50_000 && report.epochs > 35,
        "a test of something: {sent} frames, {} epochs",
        report.epochs
    );
    assert_eq!(sent, lost_by_network + opened + not_listening, "every frame is accounted for");
    assert!(held > 0, "some overtook their key");
    assert_eq!(report.worst_gap(), Duration::ZERO);
    // R20: the deadline counts from when a sender has the commit, which took 0.25 s at most, and one in fifty 2 s more.
    assert!(report.switched_after(1.0) <= Duration::from_millis(1_000 + 250 + 2_000));
    assert!(report.announced() > 0.5 && report.announced() < 1.0, "both ways: {}", report.announced());
}

/// Otherwise the nought above would say nothing.
#[test]
fn where_commits_come_too_late_for_the_guarantee_frames_are_lost_and_counted() {
    let churn = Churn {
        participants: 5,
        changes: 20,
        frames_every: Duration::from_millis(100),
        late_by: Duration::from_secs(9),
        ..Churn::default()
    };
    let room = churn.run(|_| {});
    room.check();
    let report = room.report();
    assert!(report.frames.lost_outside > 0 && report.frames.lost_in_guarantee == 0);
    assert!(report.worst_gap() > Duration::from_secs(1), "{:?}", report.worst_gap());
}

#[test]
fn a_seed_repeats_a_run_to_the_last_bit() {
    let frames_every = Duration::from_millis(200);
    let churn = Churn { participants: 5, changes: 6, frames_every, seed: 3, ..Churn::default() };
    let [one, same] = [churn.run(|_| {}), churn.run(|_| {})];
    assert_eq!(one.report().frames, same.report().frames);
    assert_eq!(one.report().switches, same.report().switches);
    assert!(one.epochs().iter().zip(same.epochs()).all(|(one, same)| one.code == same.code));
    let other = Churn { seed: 4, ..churn }.run(|_| {});
    assert_ne!(one.report().frames, other.report().frames);
}
