//! Nobody means harm, and yet.

use subrosa::Event;
use subrosa_testkit::room::{From, Way};

use super::*;

/// Members' clocks begin anywhere and run up to 1 % fast or slow.
#[test]
fn crooked_clocks_cut_nobody_off_and_cost_no_frame() {
    let config =
        RoomConfig { crooked_clocks_ppm: 10_000, frames_every: Some(seconds(1)), ..RoomConfig::default() };
    let mut room = room_like(40, config, &["Bob", "Cid", "Dan", "Eve"]);
    make_host(&mut room, "Ann", &["Bob"]);
    for round in 0..12 {
        room.pass(seconds(300));
        tell(&mut room, "Bob", |call, now| if round % 2 == 0 { call.lock(now) } else { call.unlock(now) });
    }
    assert_eq!(roster(&room), ["Ann", "Bob", "Cid", "Dan", "Eve"]);
    for person in room.people() {
        assert_eq!(person.count(|event| matches!(event, Event::CutOff { .. } | Event::HostSilent { .. })), 0);
    }
    let frames = room.report().frames;
    assert_eq!((frames.lost_outside, frames.not_listening), (0, 0));
    room.check();
}

#[test]
fn an_outage_of_five_minutes_removes_nobody() {
    let mut room = room_of(41, &["Bob", "Cid", "Dan"]);
    room.server().goes_down();
    room.pass(seconds(300));
    for name in ["Bob", "Cid", "Dan"] {
        assert!(room.person(name).is_cut_off(), "{name} has not heard of a host for long");
    }
    room.server().comes_back();
    room.pass(seconds(30));
    assert!(room.people().all(|person| person.can_speak()), "all is as it was");
    room.pass(seconds(180));
    assert_eq!((roster(&room), removals(&room)), (vec!["Ann", "Bob", "Cid", "Dan"], 0));
    room.check();
}

/// The two hosts do not hear each other, and each removes the other: one is first.
#[test]
fn a_partition_between_hosts_costs_one_of_them_and_never_splits_the_call() {
    let mut room = room_of(42, &["Bob", "Cid", "Dan"]);
    make_host(&mut room, "Ann", &["Bob"]);
    room.partition(&["Bob"], From::Service);
    room.pass(seconds(60));
    assert_eq!(roster(&room), ["Ann", "Cid", "Dan"], "the host whom nobody hears is removed");
    room.heal(&["Bob"]);
    room.pass(seconds(5));
    assert!(!room.person("Bob").is_in(), "and learns it");
    room.rejoin("Bob");
    assert!(room.pass_until(seconds(60), |room| room.person("Bob").is_in()));
    assert!(room.person("Cid").can_speak());
    room.check();
}

#[test]
fn a_member_who_was_removed_while_he_was_away_comes_back_by_himself() {
    let mut room = room_of(43, &["Bob", "Cid"]);
    let before = id(&room, "Bob");
    room.partition(&["Bob"], From::All);
    room.pass(seconds(200));
    assert_eq!(roster(&room), ["Ann", "Cid"], "silent for too long");
    room.heal(&["Bob"]);
    room.pass(seconds(5));
    assert!(matches!(room.person("Bob").ended(), Some(subrosa::EndReason::Removed { .. })));
    room.rejoin("Bob");
    assert!(room.pass_until(seconds(10), |room| room.person("Bob").is_in()));
    assert_ne!(id(&room, "Bob"), before, "as somebody new");
    room.check();
}

/// Of talk 2 % are lost, a tenth of everything comes twice, and everything overtakes everything: the call holds, and no frame is lost
/// for want of a key within the guarantee.
#[test]
fn a_bad_network_is_no_reason_to_fall_apart() {
    let way = Way { loss: 0.02, doubled: 0.1, ..Way::taking(Duration::from_millis(20), seconds(2)) };
    let media = Way {
        loss: 0.1,
        doubled: 0.05,
        ..Way::taking(Duration::from_millis(20), Duration::from_millis(400))
    };
    let config = RoomConfig { handshake: way, media, ..RoomConfig::default() };
    let mut room = room_like(44, config, &["Bob", "Cid", "Dan", "Eve"]);
    make_host(&mut room, "Ann", &["Bob"]);
    for guest in ["Fay", "Gus", "Hal"] {
        room.join(guest);
        room.pass(seconds(15));
        remove(&mut room, "Bob", guest);
        room.pass(seconds(15));
    }
    assert_eq!(roster(&room), ["Ann", "Bob", "Cid", "Dan", "Eve"]);
    assert!(room.report().frames.held > 0);
    room.check();
}

/// A participant of a long call with much coming and going takes no more memory at its end than near its beginning.
#[test]
fn memory_does_not_grow_with_the_call() {
    let mut room = room_of(45, &["Bob", "Cid", "Dan"]);
    let come_and_go = |room: &mut Room, rounds: u32| {
        for _ in 0..rounds {
            room.join("Eve");
            room.pass(seconds(12));
            tell(room, "Eve", Call::leave);
            room.pass(seconds(12));
        }
    };
    let mut sizes = Vec::new();
    for (name, rounds) in [("Cid", 20), ("Dan", 60)] {
        come_and_go(&mut room, rounds);
        let freed = allocation_counter::measure(|| room.crash(name)).bytes_current;
        sizes.push(-freed);
    }
    // Some 32 bytes for everybody who was ever in the call: no key comes back (R3). The test's own notes are in there too.
    assert!(sizes[1] < sizes[0] * 2, "{sizes:?}");
    room.check();
}
