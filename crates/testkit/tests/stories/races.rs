//! Several hosts at once.

use subrosa::Event;
use subrosa_testkit::room::Door;

use super::*;

const HOSTS: [&str; 10] = ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Joe"];

#[test]
fn two_hosts_act_in_the_same_instant_and_both_get_their_way() {
    let mut room = room_of(20, &["Bob", "Cid", "Dan"]);
    make_host(&mut room, "Ann", &["Bob"]);
    let epochs = room.epochs().len();
    remove(&mut room, "Ann", "Cid");
    remove(&mut room, "Bob", "Dan");
    room.pass(seconds(3));
    assert_eq!(roster(&room), ["Ann", "Bob"]);
    assert_eq!(room.epochs().len(), epochs + 2, "one after the other");
    room.check();
}

#[test]
fn ten_hosts_let_ten_guests_in_at_once() {
    let mut room = room_of(21, &HOSTS[1..]);
    make_host(&mut room, "Ann", &HOSTS[1..]);
    room.pass(seconds(20));
    for host in HOSTS {
        assert!(room.person(host).call().can_admit(), "{host} has the lobby's key");
        room.door(host, Door::Asks);
    }
    let guests = (0..10).map(|number| format!("guest {number}")).collect::<Vec<_>>();
    for guest in &guests {
        room.knock(guest);
    }
    room.pass(seconds(1));
    for (host, guest) in HOSTS.iter().zip(&guests) {
        let knocks = room.person(host).knocks().find(|knock| knock.name == *guest).map(|knock| knock.id);
        let id = knocks.expect("every host hears every knock");
        room.act(host, |call, now| call.admit(&[id], now)).expect("he may");
    }
    room.pass(seconds(30));
    for guest in &guests {
        assert!(room.person(guest).is_in(), "{guest}");
    }
    assert_eq!(roster(&room).len(), 20, "each of them once");
    room.check();
}

#[test]
fn ten_hosts_let_the_same_guest_in_at_once_and_he_is_in_once() {
    let mut room = room_of(22, &HOSTS[1..]);
    make_host(&mut room, "Ann", &HOSTS[1..]);
    room.pass(seconds(20));
    let epochs = room.epochs().len();
    room.join("Kim"); // every host's app lets everybody in, by itself
    room.pass(seconds(20));
    assert_eq!((roster(&room).len(), room.epochs().len()), (11, epochs + 1));
    assert!(HOSTS.iter().all(|host| room.person(host).knocks().next().is_none()));
    room.check();
}

/// Each wants something else of the policy, and none undoes what another has done.
#[test]
fn all_hosts_change_the_policy_at_once() {
    let mut room = room_of(23, &["Bob", "Cid", "Dan", "Eve"]);
    make_host(&mut room, "Ann", &["Bob", "Cid"]);
    let dan = id(&room, "Dan");
    let eve = id(&room, "Eve");
    tell(&mut room, "Ann", Call::lock);
    tell(&mut room, "Bob", |call, now| call.make_moderator(dan, now));
    tell(&mut room, "Cid", |call, now| call.make_host(eve, now));
    tell(&mut room, "Cid", Call::rotate_invite);
    room.pass(seconds(10));
    let newest = room.epochs().last().expect("there is a call");
    assert!(newest.is_locked);
    assert!(newest.member(dan).is_some_and(|dan| dan.is_host && !dan.may_admit));
    assert!(newest.member(eve).is_some_and(|eve| eve.may_admit));
    assert_eq!(room.person("Eve").count(|event| matches!(event, Event::InviteRotated)), 1);
    room.check();
}

/// A host removes another, who admits somebody at that very moment: whoever is first in the log counts, and nothing is half done.
#[test]
fn a_host_is_removed_while_he_lets_somebody_in() {
    for seed in 30..40 {
        let mut room = room_of(seed, &["Bob", "Cid"]);
        make_host(&mut room, "Ann", &["Bob"]);
        room.door("Ann", Door::Asks);
        room.door("Bob", Door::Asks);
        room.knock("Dan");
        room.pass(seconds(1));
        let dan = room.person("Bob").knocks().next().expect("he hears him").id;
        remove(&mut room, "Ann", "Bob");
        room.act("Bob", |call, now| call.admit(&[dan], now)).expect("he is a host still");
        room.pass(seconds(5));
        let is_in = room.person("Dan").is_in();
        assert_eq!(roster(&room), if is_in { vec!["Ann", "Cid", "Dan"] } else { vec!["Ann", "Cid"] });
        room.check();
    }
}
