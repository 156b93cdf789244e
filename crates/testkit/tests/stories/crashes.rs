//! Members vanish, hosts among them, at the worst of moments.

use subrosa::{EndReason, Event};
use subrosa_testkit::room::{Append, Door, From};

use super::*;

/// R22.
#[test]
fn when_the_only_host_vanishes_the_call_is_silent_until_its_members_choose_to_go_on() {
    let mut room = room_of(1, &["Bob", "Cid"]);
    let vanished = room.now();
    room.crash("Ann");
    room.pass(WINDOW + seconds(1));
    for name in ["Bob", "Cid"] {
        let silent = room.person(name).last(|event| matches!(event, Event::HostSilent { .. }));
        assert!(silent.expect("he notices") - vanished <= WINDOW);
    }
    assert_eq!(opened_in(&mut room, seconds(60)), 0, "nothing is said to nobody knows whom");

    for name in ["Bob", "Cid"] {
        room.act(name, |call, now| call.go_on_without_host(now)).expect("all hosts are silent");
    }
    let flowing = opened_in(&mut room, seconds(60));
    assert!(flowing > 500, "they hear each other again: {flowing} frames");
    room.knock("Dan");
    room.pass(seconds(60));
    assert!(!room.person("Dan").is_in(), "nobody can let him in");
    room.check();
}

#[test]
fn with_two_hosts_the_call_outlives_one_of_them() {
    let mut room = room_of(2, &["Bob", "Cid", "Dan"]);
    make_host(&mut room, "Ann", &["Bob"]);
    room.crash("Ann");
    room.pass(WINDOW);
    assert_eq!(roster(&room), ["Bob", "Cid", "Dan"], "Bob has removed her before the others miss her");
    for name in ["Bob", "Cid", "Dan"] {
        assert_eq!(
            room.person(name).count(|event| matches!(event, Event::CutOff { .. } | Event::HostSilent { .. })),
            0
        );
    }
    let old = room.epochs()[0].invite.clone();
    room.pass(seconds(20));
    assert!(room.invite().expect("Bob is here") != old, "R12: she knew the lobby's key");
    room.join("Eve");
    room.check();
}

/// R6: what was never appended never happened.
#[test]
fn a_committer_who_vanishes_before_the_append_has_done_nothing() {
    let mut room = room_of(3, &["Bob", "Cid"]);
    make_host(&mut room, "Ann", &["Bob"]);
    room.door("Ann", Door::Asks);
    room.door("Bob", Door::Asks);
    room.knock("Dan");
    room.pass(seconds(1));
    let epochs = room.epochs().len();
    room.crash_at("Ann", Append::Before);
    let dan = room.person("Ann").knocks().next().expect("he knocked").id;
    room.act("Ann", |call, now| call.admit(&[dan], now)).expect("she may");
    room.pass(seconds(5));
    assert_eq!(room.epochs().len(), epochs);
    assert!(room.person("Dan").is_waiting());
    room.act("Bob", |call, now| call.admit(&[dan], now)).expect("he still waits");
    room.pass(seconds(5));
    assert!(room.person("Dan").is_in());
    room.pass(WINDOW);
    assert_eq!(roster(&room), ["Bob", "Cid", "Dan"]);
    room.check();
}

/// R6, R13: the guest is on the roster and has no answer. He knocks again, and his first participation is removed.
#[test]
fn a_committer_who_vanishes_after_the_append_leaves_a_guest_without_an_answer() {
    let mut room = room_of(4, &["Bob", "Cid"]);
    make_host(&mut room, "Ann", &["Bob"]);
    room.door("Bob", Door::Asks);
    room.crash_at("Ann", Append::After);
    room.knock("Dan");
    room.pass(seconds(5));
    assert_eq!(roster(&room), ["Ann", "Bob", "Cid", "Dan"], "Bob and Cid have read the commit");
    assert!(room.person("Dan").is_waiting());
    room.door("Bob", Door::Open);
    room.pass(seconds(60));
    assert!(room.person("Dan").is_in());
    assert_eq!(roster(&room), ["Bob", "Cid", "Dan"], "once");
    room.check();
}

#[test]
fn a_committer_whose_answer_is_lost_asks_again_and_commits_once() {
    let mut room = room_of(5, &["Bob"]);
    let (entries, epochs) = (room.log_len("Bob"), room.epochs().len());
    room.server().withholds_log("Ann");
    room.knock("Cid");
    room.pass(seconds(9));
    assert!(room.log_len("Bob") == entries + 1, "sent again and again, written once");
    assert!(room.person("Cid").is_waiting(), "no Welcome before its commit is read back");
    room.server().gives_log("Ann");
    room.pass(seconds(1));
    assert!(room.person("Cid").is_in());
    assert_eq!((room.log_len("Bob"), room.epochs().len()), (entries + 1, epochs + 1));
    room.check();
}

/// R13.
#[test]
fn a_newcomer_who_never_shows_up_is_removed() {
    let mut room = room_of(6, &["Bob"]);
    room.knock("Cid");
    assert!(room.pass_until(seconds(5), |room| roster(room).len() == 3));
    room.crash("Cid");
    let admitted = room.now();
    assert!(room.pass_until(seconds(60), |room| roster(room) == ["Ann", "Bob"]));
    let after = room.now() - admitted;
    assert!((seconds(29)..seconds(32)).contains(&after), "{after:?}");
    room.check();
}

/// R21: silence is counted on the talk lane, so whoever is only slow stays.
#[test]
fn a_member_who_vanishes_is_removed_and_one_who_lags_is_not() {
    let mut room = room_of(7, &["Bob", "Cid"]);
    room.lag("Bob", seconds(3));
    room.crash("Cid");
    room.pass(seconds(180));
    assert_eq!(roster(&room), ["Ann", "Bob"]);
    assert!(!room.person("Bob").is_cut_off());
    room.check();
}

#[test]
fn a_member_who_was_away_for_fifty_epochs_catches_up() {
    let mut config = RoomConfig::default();
    config.call.silence_limit = seconds(900);
    let mut room = room_like(8, config, &["Bob", "Cid"]);
    room.partition(&["Bob"], From::All);
    let before = room.person("Bob").call().epoch().0;
    for commit in 0..50 {
        tell(&mut room, "Ann", |call, now| if commit % 2 == 0 { call.lock(now) } else { call.unlock(now) });
        room.pass(seconds(4));
    }
    assert!(room.person("Bob").is_cut_off(), "he knows that he is out of touch");
    room.heal(&["Bob"]);
    room.pass(seconds(15));
    assert_eq!(room.person("Bob").call().epoch().0, before + 50);
    assert!(room.person("Bob").can_speak());
    let outside = room.report().frames.lost_outside;
    let flowing = opened_in(&mut room, seconds(30));
    assert_eq!(room.report().frames.lost_outside, outside);
    assert!(flowing > 800, "all three hear each other: {flowing} frames");
    room.check();
}

/// R3.
#[test]
fn when_the_last_host_leaves_the_call_ends_for_all() {
    let mut room = room_of(9, &["Bob", "Cid"]);
    tell(&mut room, "Ann", Call::leave);
    room.pass(seconds(2));
    assert_eq!(room.person("Ann").ended(), Some(EndReason::Left));
    assert_eq!(room.person("Bob").ended(), Some(EndReason::LastHostLeft));
    room.check();
}
