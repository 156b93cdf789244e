//! What a call once got wrong; the simulated room found it.

use subrosa::{CallConfig, Event};
use subrosa_testkit::room::Treason;

use super::*;

/// Whether a host was removed depended on where in their cadences the hosts were when the service went down: each judged the other's
/// silence although his own last beat had not come back either.
#[test]
fn an_outage_removes_no_host_whenever_it_begins() {
    for seed in 0..40 {
        let mut room = Room::new(seed, RoomConfig { frames_every: None, ..RoomConfig::default() });
        room.join_all(&["Bob", "Cid"]);
        room.pass(seconds(20));
        make_host(&mut room, "Ann", &["Bob"]);
        room.pass(Duration::from_millis(250 * seed));
        room.server().goes_down();
        room.pass(seconds(300));
        room.server().comes_back();
        room.pass(seconds(60));
        assert_eq!(removals(&room), 0, "seed {seed}");
        room.check();
    }
}

/// R21: a host who means harm changes the cadence a few times before he is removed. The server withholds all of it from Bob, and
/// then shows him one change after the other, each just before he would notice: each gives every host another window.
#[test]
fn changes_of_the_cadence_do_not_prolong_what_a_removed_member_reads() {
    let config = RoomConfig { frames_every: Some(seconds(1)), ..RoomConfig::default() };
    let mut room = room_like(70, config, &["Bob", "Cid", "Dan"]);
    room.server().withholds_log("Bob");
    for heartbeat in [9, 10, 9, 10, 9] {
        let config = CallConfig { heartbeat: seconds(heartbeat), ..room.person("Ann").call().config() };
        tell(&mut room, "Ann", |call, now| call.set_config(&config, now));
        room.pass(Duration::from_millis(1_500));
    }
    room.betray("Cid", Treason::Frozen);
    remove(&mut room, "Ann", "Cid");
    room.pass(seconds(1));
    let removed_at = room.epochs().last().expect("there is a call").written_at;
    for _ in 0..5 {
        room.pass(seconds(25));
        room.server().gives_entries("Bob", 1);
    }
    room.pass(seconds(60));
    let opened = room.report().last_opened_by_traitors.expect("he opened what was for him");
    assert!(opened - removed_at <= WINDOW, "{:?}", opened - removed_at);
    room.check();
}

/// Ann has vanished, and Bob, the other host, wants to leave. He waits for her to commit that, and being about to leave he does
/// not remove her.
#[test]
fn a_host_can_leave_although_the_other_host_has_vanished() {
    let mut room = room_of(71, &["Bob", "Cid"]);
    make_host(&mut room, "Ann", &["Bob"]);
    room.crash("Ann");
    tell(&mut room, "Bob", Call::leave);
    room.pass(seconds(300));
    assert!(!room.person("Bob").is_in());
    room.check();
}

/// Two hosts: Ann leaves, and Bob, who does not know that yet, makes himself an ordinary participant and locks the call. The one is
/// not possible any more. The other is.
#[test]
fn what_is_still_possible_is_done_although_something_else_is_not() {
    let mut room = room_of(72, &["Bob", "Cid"]);
    make_host(&mut room, "Ann", &["Bob"]);
    let bob = id(&room, "Bob");
    tell(&mut room, "Ann", Call::leave);
    room.lag("Bob", Duration::from_millis(500));
    tell(&mut room, "Bob", |call, now| call.unmake_host(bob, now));
    tell(&mut room, "Bob", Call::lock);
    room.pass(seconds(30));
    assert_eq!(roster(&room), ["Bob", "Cid"]);
    assert_eq!(room.person("Bob").count(|event| matches!(event, Event::CommitFailed(_))), 0);
    assert!(room.person("Bob").call().is_locked());
    room.check();
}
