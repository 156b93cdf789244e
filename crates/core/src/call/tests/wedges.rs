//! What could make a call stand still for good, or for longer than it should.

use core::time::Duration;

use super::room::{MANY, Room};
use crate::call::*;
use crate::group::Plan;

const SECOND: Duration = Duration::from_secs(1);

/// Ann and these are hosts; Bob, Carol and Dave are in.
fn room(seed: u64, hosts: &[&str]) -> Room {
    Room::hosted(seed, &["Bob", "Carol", "Dave"], hosts)
}

/// R21: the limits of a large call change with every member who comes or goes. (This one is small, and its windows short.)
#[test]
fn a_host_who_vanished_is_removed_however_many_come_and_go() {
    let config = CallConfig {
        heartbeat: SECOND,
        liveness_window: SECOND * 3,
        newcomer_window: SECOND * 3,
        silence_limit: SECOND * 3,
        retention: SECOND * 3 / 2,
        removal_retention: SECOND * 3 / 2,
        switch_deadline: SECOND / 2,
        ..CallConfig::default()
    };
    let mut room = Room::with(1, &config);
    room.admit(&MANY);
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND * 12);
    room.seats.remove("Bob");
    for name in &MANY[1..6] {
        room.act(name, |call, now| call.leave(now)).expect("he may");
        room.pass(SECOND * 3 / 2);
    }
    assert!(room.seat("Ann").call.roster().member(bob).is_none());
    assert_eq!(room.may_seal("g19"), Ok(()));
}

/// Whoever rotates the invite holds the new lobby's key; so he does not step down in the same commit.
#[test]
fn stepping_down_does_not_take_the_lobbys_key_along() {
    let mut room = room(2, &["Bob"]);
    let ann = room.id("Ann");
    let wish = |call: &mut Call, now| {
        call.lock(now)?; // goes out at once, so that the others go out together
        call.rotate_invite(now)?;
        call.unmake_host(ann, now)
    };
    room.act("Ann", wish).expect("Ann may");
    room.act("Bob", |call, now| call.unlock(now)).expect("Bob may");
    room.pass(SECOND * 30);
    assert!(!room.seat("Ann").call.is_host());
    assert!(room.seat("Bob").call.can_admit());
    room.pass(SECOND * 30);
    let erin = room.knock("Erin");
    room.act("Bob", |call, now| call.admit(&[erin.id()], now)).expect("Bob may");
    room.pass(SECOND * 3);
    assert!(room.enter(erin).is_ok());
}

/// The host who rotated vanishes before he has handed the key on: the others make another one.
#[test]
fn a_lost_lobby_key_is_replaced() {
    let mut room = room(3, &["Bob"]);
    let position = room.next();
    room.act("Ann", |call, now| call.rotate_invite(now)).expect("Ann may");
    assert_eq!(room.next(), position + 1);
    assert!(room.seat("Bob").call.can_admit(), "she has handed it on");
    room.seat("Bob").call.lobby = None; // had the talk been lost
    let ann = room.id("Ann");
    room.seats.remove("Ann");
    room.pass(SECOND * 180);
    assert!(room.seat("Bob").call.roster().member(ann).is_none());
    assert!(room.seat("Bob").call.can_admit());
}

/// R7, R12: a host is stranded and removed. The invite that he knocks with holds for a moment still.
#[test]
fn a_stranded_host_can_knock_again() {
    let mut room = room(4, &["Bob", "Carol"]);
    let (bob, dave) = (room.id("Bob"), room.id("Dave"));
    let leaf = |room: &mut Room, id| room.seat("Ann").call.roster().member(id).expect("he is in").leaf;
    let (bobs, daves) = (leaf(&mut room, bob), leaf(&mut room, dave));
    let leaves = room.seat("Ann").call.group.leaves();
    let key = leaves.iter().find(|leaf| leaf.index == bobs).expect("he is in").encryption_key.clone();
    let entry = room.forge("Ann", move |group, position| {
        let plan = Plan { removes: vec![daves], ..Plan::default() };
        group.forge_path(plan, Box::new(move |other| *other == key[..]), position).expect("she can")
    });
    room.seats.remove("Ann");
    room.inject(entry);
    assert!(room.was_told("Bob", |event| matches!(event, Event::Stranded { .. })));
    let bobs = room.seats.remove("Bob").expect("he is here");
    let random = room.random();
    let (guest, knock) = bobs.call.rejoin(random).expect("he knows the invite");
    room.pass(SECOND / 5); // the way to the service
    assert!(room.seat("Carol").call.roster().member(bob).is_none(), "he was removed in the meantime");
    room.post(&knock);
    room.settle();
    room.act("Carol", |call, now| call.admit(&[guest.id()], now)).expect("Carol may");
    room.pass(SECOND * 4);
    assert!(room.enter(guest).is_ok());
    room.pass(SECOND * 60);
    assert!(room.seat("Carol").call.invite().number > 0, "after that it was rotated");
}

#[test]
fn somebody_can_always_let_people_in() {
    let mut room = room(9, &[]);
    let (ann, bob) = (room.id("Ann"), room.id("Bob"));
    room.act("Ann", |call, now| call.make_moderator(bob, now)).expect("Ann may");
    room.pass(SECOND * 3);
    for host in ["Ann", "Bob"] {
        let stepped = room.act(host, |call, now| call.unmake_host(ann, now));
        assert_eq!(stepped, Err(CallError::LastWhoMayAdmit), "{host}");
    }
    let moderated = room.act("Bob", |call, now| call.make_moderator(ann, now));
    assert_eq!(moderated, Err(CallError::LastWhoMayAdmit));
}

/// R19: 2 s late is far within the retention time of 10 s, however many leave meanwhile.
#[test]
fn no_frame_is_lost_when_many_leave_one_by_one() {
    let config = CallConfig { epoch_bits: 3, ..CallConfig::default() };
    let mut room = Room::with(10, &config);
    room.admit(&MANY);
    room.pass(SECOND * 12);
    room.seat("g19").takes_rosters = false; // so that nobody switches before the deadline
    let frame = room.seal("g18", b"on its way");
    let mut mute = 0;
    for name in &MANY[..17] {
        room.act(name, |call, now| call.leave(now)).expect("he may");
        for _ in 0..11 {
            room.pass(SECOND / 100);
            mute += usize::from(room.may_seal("g18").is_err());
        }
    }
    assert!(room.open("Ann", &frame).is_ok());
    assert_eq!(mute, 0, "so many hundredths of a second without sound");
    room.pass(SECOND * 20);
    assert_eq!(room.names().len(), 4, "all have left by now");
}

/// Each own entry that is beaten to its place uses up a generation of the own ratchet. When they are used up, that is said.
#[test]
fn who_can_say_nothing_any_more_is_told_so() {
    let mut room = room(11, &["Bob"]);
    let position = room.next();
    let ann = &mut room.seat("Ann").call;
    for _ in 0..crate::group::MAX_OWN_MESSAGES - 1 {
        ann.group.propose_leave(position).expect("a generation is left");
    }
    ann.group.drop_own().expect("storage works");
    let (carol, dave) = (room.id("Carol"), room.id("Dave"));
    let seat = room.seat("Ann");
    seat.call.remove(&[dave], Time::ZERO).expect("the last one");
    room.log.push(bytes::Bytes::from_static(b"garbage")); // what she sends comes too late
    room.settle();
    assert!(room.was_told("Ann", |event| *event == Event::LogStarved));
    assert_eq!(room.act("Ann", |call, now| call.remove(&[carol], now)), Err(CallError::Starved));
    assert_eq!(room.act("Ann", |call, now| call.leave(now)), Err(CallError::Starved));
    // Somebody else's commit gives her all of them again, and what she wanted is done.
    room.act("Bob", |call, now| call.lock(now)).expect("Bob may");
    room.pass(SECOND * 5);
    assert!(room.seat("Bob").call.roster().member(dave).is_none());
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("a new epoch");
}

/// R21: a host who vanished is removed before the members fall silent, also when he is not the only one.
#[test]
fn two_hosts_who_vanish_are_removed_in_time() {
    let config = CallConfig { epoch_bits: 3, retention: SECOND * 120, ..CallConfig::default() };
    let mut room = Room::with(9, &config);
    room.admit(&["Bob", "Carol", "Dave"]);
    room.pass(SECOND * 130);
    for host in ["Bob", "Carol"] {
        let id = room.id(host);
        room.act("Ann", |call, now| call.make_host(id, now)).expect("Ann may");
        room.pass(SECOND * 130);
    }
    for lock in [true, false, true, false] {
        room.act("Ann", |call, now| if lock { call.lock(now) } else { call.unlock(now) }).expect("Ann may");
        room.pass(SECOND * 3);
    }
    room.seats.remove("Bob");
    room.pass(SECOND * 12);
    room.seats.remove("Carol");
    let mut off = 0;
    for _ in 0..100 {
        room.pass(SECOND);
        off += u32::from(room.may_seal("Dave").is_err());
    }
    assert_eq!(off, 0, "seconds without sound");
}

#[test]
fn removals_wait_for_nobody() {
    let config = CallConfig { epoch_bits: 3, retention: SECOND * 300, ..CallConfig::default() };
    let mut room = Room::with(10, &config);
    room.admit(&["Bob", "Carol", "Dave"]);
    let (bob, carol) = (room.id("Bob"), room.id("Carol"));
    for lock in [true, false] {
        room.act("Ann", |call, now| if lock { call.lock(now) } else { call.unlock(now) }).expect("Ann may");
        room.pass(SECOND * 3);
    }
    room.act("Ann", |call, now| call.remove(&[bob], now)).expect("Ann may");
    room.pass(SECOND);
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("Ann may");
    room.pass(SECOND * 10);
    assert!(room.seat("Dave").call.roster().member(bob).is_none());
    assert!(room.seat("Dave").call.roster().member(carol).is_none(), "11 s later she is still there");
}

/// R12: a host who says that he is stranded buys others no time.
#[test]
fn a_stranded_host_does_not_delay_the_rotation_after_others() {
    let mut room = room(11, &["Bob", "Carol"]);
    let carol = room.id("Carol");
    let (bob, number) = (room.id("Bob"), room.invite().number);
    room.act("Bob", |call, _| call.say_stranded(7));
    room.pass(SECOND * 3);
    assert!(room.seat("Ann").call.roster().member(bob).is_none());
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("Ann may");
    room.pass(SECOND * 5);
    assert!(room.seat("Ann").call.roster().member(carol).is_none());
    assert_eq!(room.seat("Ann").call.invite().number, number + 1, "Carol, who is gone, still has the key");
}

/// R12: Ann rotates and is gone; Bob and Carol lack the key. (Her commit also unmakes nobody, so that only the fallback helps.)
#[test]
fn two_keyless_hosts_rotate_once() {
    let mut room = room(17, &["Bob", "Carol"]);
    let number = room.invite().number;
    for name in ["Ann", "Bob", "Carol"] {
        room.seat(name).call.lobby = None; // however that came about
    }
    room.pass(SECOND * 55);
    // The handover after the rotation is lost on the way to Bob and Carol, whoever makes it.
    let before = room.log.len();
    let mut late = false;
    for _ in 0..400 {
        room.pass(SECOND / 10);
        if room.log.len() > before && !late {
            late = true;
            for name in ["Bob", "Carol"] {
                room.seat(name).call.lobby = None;
            }
        }
    }
    room.pass(SECOND * 60);
    assert_eq!(room.invite().number, number + 1);
    assert!(["Ann", "Bob", "Carol"].iter().all(|name| room.seat(name).call.can_admit()));
}

/// Carol comes late for two epochs of Ann's and acknowledges the third to Bob.
#[test]
fn who_has_caught_up_is_not_behind() {
    let mut room = room(41, &["Bob"]);
    let carol = room.id("Carol");
    room.seat("Carol").no_log = true;
    room.act("Ann", |call, now| call.lock(now)).expect("she may");
    room.pass(SECOND * 2);
    room.act("Ann", |call, now| call.unlock(now)).expect("she may");
    room.pass(SECOND * 2);
    room.act("Bob", |call, now| call.lock(now)).expect("he may");
    room.pass(SECOND * 2);
    room.seat("Carol").no_log = false;
    room.settle();
    room.seat("Ann").events.clear();
    room.seat("Bob").events.clear();
    room.pass(SECOND * 60);
    for name in ["Ann", "Bob"] {
        let told = room.was_told(name, |event| matches!(event, Event::Trouble(trouble) if trouble.kind == TroubleKind::Behind && trouble.participant == Some(carol)));
        assert!(!told, "{name}");
    }
}

/// 60 s to 10 s, and the like: the host's next beat comes before he can have the challenges.
#[test]
fn a_shorter_cadence_cuts_nobody_off() {
    let config = CallConfig { heartbeat: SECOND * 20, liveness_window: SECOND * 60, ..CallConfig::default() };
    let mut room = Room::with(7, &config);
    room.admit(&["Bob", "Carol", "Dave"]);
    room.pass(SECOND * 100 - Duration::from_millis(1));
    let shorter = CallConfig { heartbeat: SECOND * 10, liveness_window: SECOND * 30, ..config };
    room.act("Ann", |call, now| call.set_config(&shorter, now)).expect("she may");
    let mut off = Vec::new();
    for _ in 0..30 {
        room.pass(SECOND);
        for name in ["Bob", "Carol", "Dave"] {
            if room.may_seal(name).is_err() {
                off.push((name, room.now.elapsed().as_secs()));
            }
        }
    }
    assert_eq!(off, []);
}

/// One lost beat after the cadence was made longer.
#[test]
fn a_longer_cadence_removes_no_host_for_one_lost_beat() {
    let mut room = Room::new(8);
    room.admit(&["Bob", "Carol", "Dave"]);
    let bob = room.id("Bob");
    room.pass(SECOND * 12);
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may"); // beats at 13.04, 23.04, ...
    room.pass(SECOND * 258); // 270
    let longer = CallConfig {
        heartbeat: SECOND * 60,
        liveness_window: SECOND * 180,
        silence_limit: SECOND * 600,
        ..CallConfig::default()
    };
    room.act("Ann", |call, now| call.set_config(&longer, now)).expect("she may");
    room.pass(SECOND * 3); // 73
    for name in ["Ann", "Carol"] {
        room.seat(name).deaf = true;
    }
    let mark = room.talk.len();
    room.pass(Duration::from_millis(100));
    assert_eq!(room.talk.len() - mark, 1, "Bob's beat");
    for name in ["Ann", "Carol"] {
        room.seat(name).deaf = false;
    }
    room.pass(SECOND * 90);
    assert!(room.seat("Carol").call.roster().member(bob).is_some(), "he beats as he should");
}

/// R12: nobody says that he holds the lobby's key, and nobody is gone who did: after a while the hosts make another one.
#[test]
fn where_nobody_holds_the_lobbys_key_it_is_replaced() {
    let mut room = room(14, &["Bob"]);
    let number = room.invite().number;
    for host in ["Ann", "Bob"] {
        room.seat(host).call.lobby = None; // as if the talk had been lost in which it was handed on
    }
    room.pass(SECOND * 55);
    assert_eq!(room.invite().number, number, "somebody may still have it");
    room.pass(SECOND * 40);
    assert_eq!(room.invite().number, number + 1);
    assert!(["Ann", "Bob"].iter().all(|host| room.seat(host).call.can_admit()));
}

/// R7, R12: a stranded host knocks with the invite that he has. He has half a minute for it, and no more.
#[test]
fn the_invite_outlives_a_stranded_host_for_half_a_minute() {
    let mut room = room(15, &["Bob"]);
    let (bob, number) = (room.id("Bob"), room.invite().number);
    let said = room.seat("Bob").call.forge_stranded();
    room.talk.push(said);
    room.settle();
    room.seats.remove("Bob");
    room.pass(SECOND * 3);
    assert!(room.seat("Ann").call.roster().member(bob).is_none(), "he was removed at once");
    room.pass(SECOND * 25);
    assert_eq!(room.invite().number, number);
    room.pass(SECOND * 5);
    assert_eq!(room.invite().number, number + 1);
}

/// R8: who removes one after the other does it no faster than epochs may follow each other.
#[test]
fn removals_of_one_host_keep_their_distance() {
    let config = CallConfig { epoch_bits: 3, ..CallConfig::default() }; // four epochs in ten seconds
    let mut room = Room::with(16, &config);
    room.admit(&MANY);
    room.pass(SECOND * 12);
    let position = room.next();
    for name in &MANY[..10] {
        let id = room.id(name);
        room.act("Ann", |call, now| call.remove(&[id], now)).expect("Ann may");
        room.pass(SECOND / 10);
    }
    assert_eq!(room.next() - position, 4, "in a second");
    room.pass(SECOND * 5 / 2);
    assert_eq!(room.next() - position, 5, "all others together");
    assert_eq!(room.names().len(), 11);
}
