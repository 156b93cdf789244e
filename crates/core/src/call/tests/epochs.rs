//! Epochs that open, seal and close: R8, R14, R18 to R20.

use core::time::Duration;

use bytes::BytesMut;

use super::room::{FRAME, Room};
use crate::call::*;
use crate::keyring::{FrameFault, Opening};
use crate::sframe::SealError;

const SECOND: Duration = Duration::from_secs(1);

impl Room {
    fn epoch_of(&mut self, name: &str) -> Option<Epoch> {
        self.seal(name, b"");
        self.seat(name).sealer.epoch()
    }

    fn has(&mut self, name: &str, event: &Event) -> usize {
        self.seat(name).events.iter().filter(|e| *e == event).count()
    }
}

/// R20: as soon as everybody has taken the new epoch's roster, the committer says so, and all switch.
#[test]
fn senders_switch_when_all_have_acknowledged_and_newcomers_at_once() {
    let mut room = Room::new(1);
    let bob = room.knock("Bob");
    room.act("Ann", |call, now| call.admit(&[bob.id()], now)).expect("Ann may");
    room.pass(SECOND / 2);
    assert_eq!(room.epoch_of("Ann"), Some(Epoch(0)), "Bob is still on his way");
    let bob = room.enter(bob).expect("he gets in");
    room.sit("Bob", bob);
    assert_eq!(room.epoch_of("Bob"), Some(Epoch(1)), "he has no other");
    assert_eq!(room.epoch_of("Ann"), Some(Epoch(1)), "and now she knows that he is there");
    assert_eq!(room.has("Ann", &Event::Switched(Epoch(1))), 1);
    let tracks = vec![room.seat("Ann").sealer.track()];
    let needed = Event::KeyframeNeeded { epoch: Epoch(1), tracks };
    assert_eq!(room.has("Ann", &needed), 1, "Bob needs a picture to start from");
}

/// R20: nobody can keep the others from switching by saying nothing.
#[test]
fn senders_switch_at_the_deadline_at_the_latest() {
    let mut room = Room::new(12);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND * 12);
    room.seat("Carol").takes_rosters = false;
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.remove(&[bob], now)).expect("Ann may");
    room.pass(SECOND - Duration::from_millis(1));
    assert_eq!(room.epoch_of("Ann"), Some(Epoch(1)));
    room.pass(Duration::from_millis(1));
    assert_eq!(room.epoch_of("Ann"), Some(Epoch(2)));
}

#[test]
fn no_frame_is_lost_while_keys_change() {
    let mut room = Room::new(2);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND * 2);
    let dave = room.knock("Dave");
    room.act("Ann", |call, now| call.admit(&[dave.id()], now)).expect("Ann may");
    for tick in 0..40 {
        let frame = room.seal("Bob", b"frame");
        assert!(room.open("Ann", &frame).is_ok(), "{tick}");
        assert!(room.open("Carol", &frame).is_ok(), "{tick}");
        room.pass(SECOND / 10);
    }
    assert_eq!(room.epoch_of("Bob"), Some(Epoch(2)));
}

/// R14: neither seals nor opens before the roster was taken; and it cannot be taken before it was handed out.
#[test]
fn an_epoch_is_released_by_taking_its_roster_and_by_nothing_else() {
    let mut room = Room::new(3);
    let bob = room.knock("Bob");
    room.act("Ann", |call, now| call.admit(&[bob.id()], now)).expect("Ann may");
    let mut bob = room.enter(bob).expect("Bob gets in");
    let (now, mut sealer, mut opener) =
        (room.now, bob.sealer(TrackKind::Camera).expect("a track"), bob.opener());
    assert_eq!(sealer.seal(FRAME, b"", &mut BytesMut::new()), Err(SealError::NotReady));
    assert_eq!(bob.roster_taken(Epoch(1), now), Err(CallError::RosterNotShown));
    assert!(matches!(bob.poll_output(), Output::Event(Event::Roster(_))));
    room.pass(SECOND * 2);
    let mut frame = room.seal("Ann", b"waits");
    assert!(matches!(opener.open(FRAME, &mut frame), Ok(Opening::Held(_))), "not opened before");
    bob.handle_timeout(room.now);
    assert_eq!(
        sealer.seal(FRAME, b"", &mut BytesMut::new()),
        Err(SealError::NotReady),
        "time does not do it"
    );

    bob.roster_taken(Epoch(1), room.now).expect("it was shown");
    assert!(sealer.seal(FRAME, b"", &mut BytesMut::new()).is_ok());
    let released = opener.released().expect("it waited for this");
    assert!(released.outcome.is_ok());
    assert_eq!(&released.payload[..], b"waits");
    assert_eq!(bob.roster_taken(Epoch(1), room.now), Ok(()), "once more does no harm");
    assert_eq!(bob.roster_taken(Epoch(7), room.now), Err(CallError::EpochGone));
}

/// R14: one event for each epoch, in order, none merged; and members who do not take them fall silent, not insecure.
#[test]
fn every_epoch_has_its_own_roster() {
    let mut room = Room::new(4);
    room.admit(&["Bob", "Carol", "Dave"]);
    room.pass(SECOND * 2);
    room.seat("Bob").takes_rosters = false;
    let dave = room.id("Dave");
    room.act("Ann", |call, now| call.lock(now)).expect("Ann may");
    room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    let epochs = |event: &Event| match event {
        Event::Roster(roster) => Some((roster.epoch.0, roster.members.len())),
        _ => None,
    };
    let shown = room.seat("Bob").events.iter().filter_map(epochs).collect::<Vec<_>>();
    assert_eq!(shown, [(1, 4), (2, 4), (3, 3)]);
    assert_eq!(room.epoch_of("Bob"), Some(Epoch(1)));
    room.pass(SECOND * 6);
    let silent = room.seat("Bob").sealer.seal(FRAME, b"", &mut BytesMut::new());
    assert_eq!(silent, Err(SealError::NotReady), "the old epoch is over, the new one not taken");
    let now = room.now;
    room.seat("Bob").call.roster_taken(Epoch(3), now).expect("it was shown");
    assert_eq!(room.epoch_of("Bob"), Some(Epoch(3)));
}

/// R19: 10 s after a join, 5 s after a removal, the old epoch's keys are gone.
#[test]
fn old_keys_open_for_the_retention_time_and_not_longer() {
    let mut room = Room::new(5);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND * 2);
    let late = |room: &mut Room, change: &mut dyn FnMut(&mut Room), retention: Duration| {
        let (soon, late) = (room.seal("Bob", b"soon"), room.seal("Bob", b"late"));
        change(room);
        room.pass(retention - Duration::from_millis(1));
        assert!(room.open("Ann", &soon).is_ok());
        room.pass(Duration::from_millis(1));
        assert_eq!(room.open("Ann", &late).expect_err("closed").reason, FrameFault::EpochClosed);
    };
    late(&mut room, &mut |room| room.admit(&["Dave"]), SECOND * 10);
    let dave = room.id("Dave");
    let mut removal =
        |room: &mut Room| room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    late(&mut room, &mut removal, SECOND * 5);
    assert_eq!(room.has("Ann", &Event::EpochClosed(Epoch(1))), 1);
    assert_eq!(room.has("Ann", &Event::EpochClosed(Epoch(2))), 1);
}

/// R18: Bob gets the commit late; frames under the new key wait for him.
#[test]
fn frames_that_overtake_the_commit_are_held_and_opened_with_it() {
    let mut room = Room::new(6);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND * 2);
    let mut bob = room.seats.remove("Bob").expect("he is here");
    room.admit(&["Dave"]);
    room.pass(SECOND * 2);
    for number in 0..50_u8 {
        let mut frame = room.seal("Ann", &[number]);
        assert!(matches!(bob.opener.open(FRAME, &mut frame), Ok(Opening::Held(_))));
    }
    assert!(bob.opener.released().is_none());
    room.seats.insert("Bob", bob);
    room.settle(); // the log reaches him
    let ann = room.id("Ann");
    for number in 0..50_u8 {
        let released = room.seat("Bob").opener.released().expect("in order");
        assert_eq!(&released.payload[..], [number]);
        assert_eq!(released.outcome.expect("authentic").sender, ann);
    }
}

/// A removed member keeps his old keys and has the server's help.
#[test]
fn a_removed_member_opens_nothing_after_the_switch() {
    let mut room = Room::new(7);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND * 2);
    let mut bob = room.seats.remove("Bob").expect("he is here"); // he ignores what the log says of him
    let id = bob.call.me();
    room.seat("Carol").takes_rosters = false; // so that the deadline counts
    room.act("Ann", |call, now| call.remove(&[id], now)).expect("Ann may");
    assert!(bob.open(&room.seal("Ann", b"before the deadline")).is_ok(), "the price that SECURITY.md states");
    room.pass(SECOND);
    let now = room.now;
    room.seat("Carol").call.roster_taken(Epoch(2), now).expect("it was shown");
    for _ in 0..20 {
        let mut frame = room.seal("Carol", b"secret");
        assert!(!matches!(bob.opener.open(FRAME, &mut frame), Ok(Opening::Opened(_))));
    }
    // In the end he reads the log, and his client does what an honest one does.
    room.seats.insert("Bob", bob);
    room.settle();
    let ann = room.id("Ann");
    assert_eq!(room.seat("Bob").call.ended(), Some(EndReason::Removed { by: ann }));
    let fault =
        room.seat("Bob").opener.released().expect("held ones come back").outcome.expect_err("unopened");
    assert_eq!(fault.reason, FrameFault::Ended);
    assert_eq!(room.seat("Bob").sealer.seal(FRAME, b"", &mut BytesMut::new()), Err(SealError::Ended));
}

/// A newcomer does not open what was said before.
#[test]
fn a_newcomer_opens_nothing_from_before() {
    let mut room = Room::new(8);
    room.admit(&["Bob"]);
    room.pass(SECOND * 2);
    let before = room.seal("Ann", b"before Carol");
    room.admit(&["Carol"]);
    assert_eq!(room.open("Carol", &before).expect_err("not hers").reason, FrameFault::EpochClosed);
}

/// R8: with E = 4 at most 8 epochs in 10 s, so that the low bits of the epoch stay unambiguous.
#[test]
fn commits_are_paced() {
    let mut room = Room::new(9);
    let guests = (0..12).map(|_| room.knock("Guest")).collect::<Vec<_>>();
    let mut commits = Vec::new();
    for guest in &guests {
        let id = guest.id();
        room.act("Ann", |call, now| call.admit(&[id], now)).expect("Ann may");
        commits.push(room.log.len());
        room.pass(SECOND / 10);
    }
    // Gathered for longer and longer: 0, 0.1, 0.3, 0.7, 1.5 s.
    assert_eq!(commits, [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4]);
    room.pass(SECOND);
    assert_eq!(room.seat("Ann").call.roster().members.len(), 13, "nobody waited for long");
    // A host in a hurry gets eight epochs in ten seconds and no more.
    let mut room = Room::new(19);
    let mut worst = 0;
    let mut lens = Vec::new();
    for _ in 0..300 {
        let id = room.knock("Guest").id();
        room.act("Ann", |call, now| call.admit(&[id], now)).expect("Ann may");
        room.pass(SECOND / 10);
        lens.push(room.log.len());
        worst = worst.max(
            lens.last().copied().unwrap_or(0)
                - lens.get(lens.len().saturating_sub(101)).copied().unwrap_or(0),
        );
    }
    assert!((6..=8).contains(&worst), "{worst}");
}

/// However many are let in with an epoch, or with one that nobody sealed under: each camera is asked for one keyframe a switch.
#[test]
fn each_switch_asks_each_camera_once() {
    let mut room = Room::new(10);
    room.admit(&["Bob"]);
    room.pass(SECOND * 2);
    room.seat("Bob").events.clear();
    room.seat("Bob").takes_rosters = false;
    let ids = ["Carol", "Dave", "Erin"].map(|name| room.knock(name).id());
    room.act("Ann", |call, now| call.admit(&ids[..2], now)).expect("Ann may");
    room.pass(SECOND / 2);
    room.act("Ann", |call, now| call.admit(&ids[2..], now)).expect("Ann may");
    room.pass(SECOND * 2);
    let now = room.now;
    let bob = room.seat("Bob");
    bob.call.roster_taken(Epoch(2), now).expect("it was shown");
    bob.call.roster_taken(Epoch(3), now).expect("it was shown");
    bob.drain(now);
    let switched = |event: &&Event| matches!(event, Event::Switched(_) | Event::KeyframeNeeded { .. });
    let events = bob.events.iter().filter(switched).cloned().collect::<Vec<_>>();
    let needed = |epoch| Event::KeyframeNeeded { epoch, tracks: vec![bob.sealer.track()] };
    let expected = [Event::Switched(Epoch(2)), needed(Epoch(2)), Event::Switched(Epoch(3)), needed(Epoch(3))];
    assert_eq!(events, expected);
}

/// R14: whoever can open an epoch's frames is on its roster, as everybody else sees it.
#[test]
fn all_members_have_the_same_keys_and_the_same_roster() {
    let mut room = Room::new(11);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND);
    room.admit(&["Dave"]);
    let carol = room.id("Carol");
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("Ann may");
    room.pass(SECOND * 2);
    for sender in ["Ann", "Bob", "Dave"] {
        let id = room.id(sender);
        for receiver in ["Ann", "Bob", "Dave"].into_iter().filter(|name| *name != sender) {
            let frame = room.seal(sender, b"to all");
            let (from, _) = room.open(receiver, &frame).expect("on the roster");
            assert_eq!(from, id);
            assert!(room.seat(receiver).call.roster().member(from).is_some());
        }
    }
}

#[test]
fn no_keyframe_is_asked_for_where_nobody_was_let_in() {
    let mut room = Room::new(25);
    room.admit(&["Bob", "Carol", "Dave"]);
    room.pass(SECOND * 12);
    room.seat("Bob").events.clear();
    let dave = room.id("Dave");
    room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    room.pass(SECOND * 2);
    assert!(room.was_told("Bob", |event| matches!(event, Event::Switched(_))));
    assert!(!room.was_told("Bob", |event| matches!(event, Event::KeyframeNeeded { .. })));
}

#[test]
fn a_newcomer_of_an_epoch_that_is_passed_over_gets_his_keyframe() {
    let mut room = Room::new(26);
    room.admit(&["Bob", "Carol", "Dave"]);
    room.pass(SECOND * 12);
    room.seat("Bob").takes_rosters = false;
    room.seat("Bob").events.clear();
    let erin = room.knock("Erin").id();
    room.act("Ann", |call, now| call.admit(&[erin], now)).expect("Ann may");
    let joined = room.seat("Ann").call.epoch();
    room.act("Ann", |call, now| call.lock(now)).expect("Ann may");
    room.pass(SECOND * 2);
    let newest = room.seat("Ann").call.epoch();
    assert_eq!(newest.0, joined.0 + 1);
    room.act("Bob", |call, now| call.roster_taken(newest, now)).expect("shown");
    room.pass(SECOND * 2);
    let needed = |event: &Event| matches!(event, Event::KeyframeNeeded { .. });
    assert!(room.was_told("Bob", needed));
}
