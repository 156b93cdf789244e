//! What a hostile reading found: each of these failed once.

use core::time::Duration;

use bytes::BytesMut;

use super::room::{FRAME, Room};
use crate::call::commits::{InFlight, Own};
use crate::call::*;
use crate::group::Plan;
use crate::sframe::SealError;

const SECOND: Duration = Duration::from_secs(1);

fn room(seed: u64, config: &CallConfig) -> Room {
    let mut room = Room::with(seed, config);
    room.admit(&["Bob", "Carol", "Dave"]);
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND * 12);
    room
}

impl Room {
    fn can_seal(&mut self, name: &str) -> Result<(), SealError> {
        self.seat(name).sealer.seal(FRAME, b"", &mut BytesMut::new()).map(drop)
    }

    /// A host with a tampered client commits, and his own client follows; nobody else reads it yet.
    fn quiet_commit(&mut self, name: &str) {
        let (now, position) = (self.now, self.log.len() as u64);
        let call = &mut self.seat(name).call;
        let bytes = call.group.stage_own(Plan::default(), position).expect("he can").commit;
        let own = Own::Commit { welcome: None, admitted: vec![], lobby: None };
        call.in_flight = Some(InFlight::new(position, bytes.clone(), own, now));
        self.log.push(bytes.into());
        self.settle();
    }
}

/// A duration below a millisecond made a host commit for ever.
#[test]
fn a_configuration_with_odd_microseconds_is_committed_once() {
    let mut room = room(1, &CallConfig::default());
    let before = room.log.len();
    let config = CallConfig { switch_deadline: Duration::from_micros(1_000_500), ..CallConfig::default() };
    room.act("Ann", |call, now| call.set_config(&config, now)).expect("Ann may");
    room.pass(SECOND * 60);
    assert!(room.log.len() - before <= 1, "{} entries", room.log.len() - before);
}

/// A shorter silence limit removed everybody who was quiet by the old one.
#[test]
fn a_shorter_silence_limit_removes_nobody_who_is_there() {
    let config = CallConfig { silence_limit: SECOND * 3600, ..CallConfig::default() };
    let mut room = room(2, &config);
    room.pass(SECOND * 600);
    room.act("Ann", |call, now| call.set_config(&CallConfig::default(), now)).expect("Ann may");
    room.pass(SECOND * 130);
    assert_eq!(room.names(), ["Ann", "Bob", "Carol", "Dave"]);
}

/// A shorter window must not remove hosts who beat by the old cadence.
#[test]
fn a_shorter_window_removes_no_host_who_is_there() {
    let config = CallConfig {
        heartbeat: SECOND * 60,
        liveness_window: SECOND * 180,
        silence_limit: SECOND * 200,
        ..CallConfig::default()
    };
    let mut room = room(3, &config);
    room.pass(SECOND * 200);
    room.act("Ann", |call, now| call.set_config(&CallConfig::default(), now)).expect("Ann may");
    room.pass(SECOND * 130);
    assert_eq!(room.names(), ["Ann", "Bob", "Carol", "Dave"]);
}

/// R21. With a longer cadence an old anchor dates beats into the future.
#[test]
fn a_longer_cadence_does_not_make_beats_younger() {
    let mut room = room(4, &CallConfig::default());
    room.pass(SECOND * 600);
    let slow = CallConfig {
        heartbeat: SECOND * 30,
        liveness_window: SECOND * 90,
        silence_limit: SECOND * 120,
        ..CallConfig::default()
    };
    room.act("Ann", |call, now| call.set_config(&slow, now)).expect("Ann may");
    room.pass(SECOND * 65);
    let dave = room.id("Dave");
    room.seat("Carol").no_log = true;
    room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    room.pass(SECOND * 95);
    let sealed_at_window = room.can_seal("Carol");
    assert_eq!(sealed_at_window, Err(SealError::Paused), "the window of 90 s is over");
}

/// R20. After a removal's deadline nothing is sealed under an older epoch, also none that is taken late.
#[test]
fn an_older_epoch_taken_after_a_removals_deadline_is_not_sealed_under() {
    let mut room = room(5, &CallConfig::default());
    room.seat("Carol").takes_rosters = false;
    let dave = room.id("Dave");
    room.act("Ann", |call, now| call.lock(now)).expect("Ann may");
    let locked = room.seat("Carol").call.epoch();
    room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    room.pass(SECOND * 2);
    assert!(room.can_seal("Carol").is_err(), "R20");
    room.act("Carol", |call, now| call.roster_taken(locked, now)).expect("it was shown");
    assert!(room.can_seal("Carol").is_err(), "Dave is in {locked:?}, and has been removed for two seconds");
}

/// Memory: epochs pile up for the retention time, up to five minutes, however many a host makes.
#[test]
fn a_reckless_host_does_not_make_others_keep_every_epoch() {
    let mut room = Room::new(6);
    room.admit(&["Bob", "Carol"]);
    for _ in 0..100 {
        room.quiet_commit("Ann");
    }
    let presence = &room.seat("Carol").call.presence;
    assert!(presence.lines_for_tests() <= 16, "{} epochs' talk keys", presence.lines_for_tests());
    // Nor the media keys of epochs whose rosters an app does not take.
    room.seat("Carol").takes_rosters = false;
    for _ in 0..100 {
        room.quiet_commit("Ann");
    }
    let now = room.now;
    room.seat("Carol").call.handle_timeout(now);
    let kept = room.seat("Carol").call.epochs.kept_for_tests();
    assert!(kept <= 16, "{kept} epochs' media keys");
}

/// The end is the end: of media keys, talk keys, and what the engine has stored.
#[test]
fn whoever_is_out_keeps_nothing() {
    let mut room = Room::new(20);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND * 3);
    let carol = room.id("Carol");
    assert!(room.seat("Carol").call.group.has_something_stored());
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("Ann may");
    let call = &room.seat("Carol").call;
    assert!(call.ended().is_some());
    assert!(!call.group.has_something_stored(), "the engine's state");
    assert_eq!((call.presence.lines_for_tests(), call.epochs.kept_for_tests()), (0, 0));
    assert_eq!(call.sealing_epoch(), None);
}

/// A host who hears nothing went on beating, so nobody removed him; and newcomers were cut off because of him.
#[test]
fn a_deaf_host_does_not_cut_off_newcomers() {
    let mut room = room(8, &CallConfig::default());
    room.seat("Bob").deaf = true;
    room.seat("Bob").no_log = false;
    room.pass(SECOND * 60);
    room.admit(&["Erin"]);
    room.pass(SECOND * 60);
    assert_eq!(room.can_seal("Erin"), Ok(()));
}

/// One lost beat at the shortest allowed window must not remove a host.
#[test]
fn one_lost_beat_removes_no_host() {
    let config = CallConfig { heartbeat: SECOND * 10, liveness_window: SECOND * 30, ..CallConfig::default() };
    let mut room = room(9, &config);
    room.pass(SECOND * 60);
    // Bob's next beat gets lost: his messages of one cadence.
    let until = room.now + SECOND * 10;
    while room.now < until {
        room.now = room.now + SECOND / 10;
        let now = room.now;
        for name in ["Ann", "Bob", "Carol", "Dave"] {
            let seat = room.seat(name);
            if seat.wakes_at <= now {
                seat.call.handle_timeout(now);
                seat.drain(now);
            }
        }
        room.seat("Bob").outbox.clear();
        room.settle();
    }
    room.pass(SECOND * 60);
    assert_eq!(room.names(), ["Ann", "Bob", "Carol", "Dave"]);
}

/// What a demoted host still wanted came back when he was made a host again.
#[test]
fn what_a_demoted_host_wanted_is_forgotten() {
    let mut room = room(10, &CallConfig::default());
    let (bob, dave) = (room.id("Bob"), room.id("Dave"));
    // Bob wants Dave removed; but Ann demotes him first.
    let now = room.now;
    room.seat("Ann").call.unmake_host(bob, now).expect("Ann may");
    room.seat("Ann").drain(now);
    room.seat("Bob").call.remove(&[dave], now).expect("still a host");
    room.seat("Bob").drain(now);
    room.settle();
    room.pass(SECOND * 600);
    assert!(!room.seat("Bob").call.is_host());
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND * 5);
    assert_eq!(room.names(), ["Ann", "Bob", "Carol", "Dave"]);
}

/// An acknowledgement that came after the next epoch of another host made its sender lag for ever.
#[test]
fn a_late_acknowledgement_is_no_trouble() {
    let mut room = room(11, &CallConfig::default());
    let carol = room.id("Carol");
    room.seat("Carol").takes_rosters = false;
    room.act("Ann", |call, now| call.lock(now)).expect("Ann may");
    let first = room.seat("Carol").call.epoch();
    let now = room.now;
    let _ = room.seat("Bob").call.unlock(now);
    room.seat("Bob").drain(now);
    room.settle();
    let second = room.seat("Carol").call.epoch();
    room.pass(SECOND * 1);
    let second = second.max(room.seat("Carol").call.epoch());
    assert!(second > first);
    room.act("Carol", |call, now| call.roster_taken(first, now)).expect("shown");
    room.act("Carol", |call, now| call.roster_taken(second, now)).expect("shown");
    room.pass(SECOND * 60);
    let behind = |event: &Event| matches!(event, Event::Trouble(Trouble { kind: TroubleKind::Behind, participant, .. }) if *participant == Some(carol));
    assert!(!room.was_told("Ann", behind), "she has been there for a minute");
}

/// R6, R4. The server and an ordinary member put Ann's own commit into the log with more padding: all but Ann applied it.
#[test]
fn an_own_commit_that_was_sealed_again_by_a_member_does_not_split_the_call() {
    let mut room = room(12, &CallConfig::default());
    let (dave, now, position) = (room.id("Dave"), room.now, room.next());
    room.seat("Ann").call.remove(&[dave], now).expect("Ann may");
    room.seat("Ann").drain(now);
    let outbox = std::mem::take(&mut room.seat("Ann").outbox);
    let entry = outbox.iter().find(|m| matches!(m.lane, Lane::Log { .. })).expect("a commit").payload.clone();
    // Carol colludes: she knows the key under which it is sealed.
    room.seat("Carol").take_in(Lane::Log { position }, entry.clone(), now);
    let sealed_again = crate::group::tampering::with_more_padding(&entry);
    assert_ne!(sealed_again, entry);
    room.log.push(sealed_again.into());
    room.settle();
    let codes = ["Ann", "Bob", "Carol"].map(|name| room.seat(name).call.code());
    room.pass(SECOND * 120);
    assert!(codes[0] == codes[1], "Ann, who made it, and Bob are in one call");
}

/// Nobody is cut off because the configuration changes.
#[test]
fn a_shorter_cadence_cuts_nobody_off() {
    let config = CallConfig {
        heartbeat: SECOND * 60,
        liveness_window: SECOND * 180,
        silence_limit: SECOND * 3600,
        ..CallConfig::default()
    };
    let mut room = room(13, &config);
    room.pass(SECOND * 900);
    let mark = room.seat("Carol").events.len();
    let quick = CallConfig { silence_limit: SECOND * 3600, ..CallConfig::default() };
    room.act("Ann", |call, now| call.set_config(&quick, now)).expect("Ann may");
    room.pass(SECOND * 200);
    let cut_off = room.seat("Carol").events[mark..]
        .iter()
        .filter(|event| matches!(event, Event::CutOff { .. } | Event::HostSilent { .. }))
        .count();
    assert_eq!(cut_off, 0);
}

/// An ordinary member takes the sealed key out of a handover and sends it on with a list of his own.
#[test]
fn a_member_does_not_choose_whom_a_new_host_does_not_hear() {
    let mut room = Room::new(14);
    room.admit(&["Bob", "Carol"]);
    let erin = room.knock("Erin");
    let bob = room.id("Bob");
    let (lobby, mark) = (room.invite().lobby_mailbox(), room.talk.len());
    let knock = room.mailboxes[&lobby].last().expect("Erin's").clone();
    room.seat("Bob").deaf = true; // the server is quicker with Carol's than with Ann's
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND);
    let said = room.talk[mark..].to_vec();
    let hash = *crate::call::knock::hash_of(&knock).first_chunk().expect("32");
    let forged = said
        .iter()
        .find_map(|bytes| room.seat("Carol").call.forge_handover(bytes, vec![hash]))
        .expect("Carol sees the handover");
    let now = room.now;
    room.seat("Bob").deaf = false;
    room.seat("Bob").take_in(Lane::Talk, forged, now);
    for bytes in said {
        room.seat("Bob").take_in(Lane::Talk, bytes, now);
    }
    room.settle();
    room.pass(SECOND * 30);
    assert!(room.seat("Bob").call.can_admit());
    assert!(
        room.was_told("Bob", |event| matches!(event, Event::Knock(knock) if knock.id == erin.id())),
        "Bob hears Erin"
    );
}

/// One event for one silent participant.
#[test]
fn a_silent_participant_is_told_of_once() {
    let mut room = room(15, &CallConfig::default());
    let (dave, now) = (room.id("Dave"), room.now);
    room.seat("Dave").call.leave(now).expect("anybody may");
    room.seat("Dave").drain(now);
    let leave = std::mem::take(&mut room.seat("Dave").outbox);
    let leave = leave.into_iter().find(|m| matches!(m.lane, Lane::Log { .. })).expect("a leave");
    let Lane::Log { position } = leave.lane else { unreachable!() };
    room.seats.remove("Dave");
    room.log.push(leave.payload.clone());
    room.seat("Ann").take_in(Lane::Log { position }, leave.payload, now);
    room.seat("Ann").no_log = true;
    room.seat("Ann").outbox.retain(|m| !matches!(m.lane, Lane::Log { .. }));
    room.pass(SECOND * 200);
    let told = room.seat("Ann").events.iter().filter(|event| **event == Event::Silent(dave)).count();
    assert!(told <= 1, "told {told} times");
}

/// Events that a member makes in others, as many as he likes.
#[test]
fn a_member_who_says_that_he_is_stranded_is_heard_once() {
    let mut room = room(16, &CallConfig::default());
    let mark = room.seat("Carol").events.len();
    for name in ["Ann", "Bob"] {
        room.seat(name).deaf = true; // or busy
    }
    for position in 0..200 {
        room.seat("Dave").call.say_stranded(position);
    }
    room.act("Dave", |_, _| ());
    let told = room.seat("Carol").events[mark..]
        .iter()
        .filter(|event| matches!(event, Event::MemberStranded { .. }))
        .count();
    assert!(told <= 4, "told {told} times within a moment");
}

/// A deadline that is met goes away.
#[test]
fn an_acknowledgement_that_never_comes_is_not_waited_for_in_a_loop() {
    let config =
        CallConfig { switch_deadline: SECOND * 4, newcomer_window: SECOND * 4, ..CallConfig::default() };
    let mut room = room(17, &config);
    room.seat("Carol").takes_rosters = false;
    room.act("Ann", |call, now| call.lock(now)).expect("Ann may");
    room.pass(SECOND * 10);
}

/// R7. A Welcome without the path secret: a later commit of an honest host could not be applied, and was skipped.
#[test]
fn a_newcomer_without_a_path_secret_is_stranded_by_the_next_path() {
    let mut room = Room::new(22);
    room.admit(&["Bob", "Carol", "Dave", "Erin"]);
    let at = |room: &mut Room, leaf: u32| {
        let roster = room.seat("Ann").call.roster();
        let member = roster.members.iter().find(|m| m.leaf == leaf).expect("somebody").clone();
        let name =
            ["Bob", "Carol", "Dave", "Erin"].into_iter().find(|n| *n == member.name).expect("one of them");
        (member.id, name)
    };
    let (host, host_name) = at(&mut room, 4);
    let (gone, gone_name) = at(&mut room, 1);
    room.act("Ann", |call, now| call.make_host(host, now)).expect("Ann may");
    room.pass(SECOND * 12);
    let grace = room.knock("Grace");
    let id = grace.id();
    crate::group::tampering::WITHOUT_PATH_SECRET.set(true);
    room.seat("Ann").call.wanted.admit.insert(id);
    room.act("Ann", |call, now| call.remove(&[gone], now)).expect("Ann may");
    crate::group::tampering::WITHOUT_PATH_SECRET.set(false);
    room.seats.remove(gone_name);
    room.pass(SECOND);
    let call = room.enter(grace).expect("she gets in");
    room.sit("Grace", call);
    room.pass(SECOND * 2);
    room.act(host_name, |call, now| call.lock(now)).expect("may");
    room.pass(SECOND * 2);
    let followed = room.seat("Grace").call.epoch() == room.seat(host_name).call.epoch();
    let told = room.was_told("Grace", |event| matches!(event, Event::Stranded { .. }));
    assert!(followed || told, "R7");
}
