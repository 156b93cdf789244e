//! What a server, a guest with the link, a member or a host can try against the call itself: to split it, to stall it, to make
//! it expensive.

use core::time::Duration;

use bytes::Bytes;

use super::room::{FRAME, Room};
use crate::call::commits::{InFlight, Own};
use crate::call::identity::Contact;
use crate::call::*;
use crate::danger::seeded_random;
use crate::group::{Forgery, Joiner, Plan};
use crate::sframe::SealError;
use bytes::BytesMut;

const SECOND: Duration = Duration::from_secs(1);

impl Room {
    /// The server writes garbage to the next position, instead of whatever was sent for it. Says how much that was.
    fn garbage(&mut self) -> usize {
        let lane = Lane::Log { position: self.log.len() as u64 };
        let message = Message { lane, payload: Bytes::from_static(b"garbage") };
        self.log.push(message.payload.clone());
        let (now, mut sent) = (self.now, 0);
        for seat in self.seats.values_mut() {
            let taken = std::mem::take(&mut seat.outbox);
            sent += taken.iter().filter(|message| matches!(message.lane, Lane::Log { .. })).count();
            seat.call.handle_message(&message, now).expect("it is skipped");
            seat.drain(now);
        }
        sent
    }

    fn epochs(&self) -> Vec<Epoch> {
        self.seats.values().filter(|seat| seat.call.ended().is_none()).map(|seat| seat.call.epoch()).collect()
    }

    /// A guest with a tampered client knocks.
    fn forged_knock(&mut self, keys: [u8; 2], forgery: Forgery) -> (Guest, Result<(), HandleError>) {
        let [hpke, fresh] = keys.map(|key| seeded_random([key; 32]));
        let keys = FreshKeys::generate(&fresh).expect("it is seeded");
        let credential = keys.credential(&Profile::person("Mallory").expect("a good name"), b"");
        let joiner = Joiner::forge(hpke, keys.signer, credential, forgery);
        let (guest, knock) = Guest::forge(self.invite(), Contact(keys.contact.private), joiner);
        let handled = self.act("Ann", |call, now| call.handle_message(&knock, now));
        (guest, handled)
    }

    /// A host with a tampered client makes an empty commit, whatever the pace.
    fn reckless_commit(&mut self, name: &str) {
        let (now, position) = (self.now, self.log.len() as u64);
        let call = &mut self.seat(name).call;
        let bytes = call.group.stage_own(Plan::default(), position).expect("he can").commit;
        let own = Own::Commit { welcome: None, admitted: vec![], lobby: None };
        call.in_flight = Some(InFlight::new(position, bytes.clone(), own, now));
        self.log.push(bytes.into());
        self.settle();
    }
}

/// Each own entry that is beaten to its position uses up a generation of the own ratchet, and the others hear only so many
/// ahead. Whoever has used them up falls silent in this epoch rather than believe in entries that nobody else can read.
#[test]
fn whoever_was_beaten_too_often_does_not_split_the_call() {
    let mut room = Room::new(1);
    room.admit(&["Bob", "Carol"]);
    let (carol, position) = (room.id("Carol"), room.log.len() as u64);
    let ann = &mut room.seat("Ann").call;
    for _ in 0..3999 {
        ann.group.propose_leave(position).expect("a generation is left");
    }
    ann.group.drop_own().expect("storage works");
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("Ann may");
    assert_eq!(room.epochs(), [Epoch(2); 2], "the last generation is still heard by all");

    let bob = room.id("Bob");
    let ann = &mut room.seat("Ann").call;
    for _ in 0..4000 {
        ann.group.propose_leave(position).expect("a generation is left");
    }
    ann.group.drop_own().expect("storage works");
    assert_eq!(room.act("Ann", |call, now| call.remove(&[bob], now)), Err(CallError::Starved));
    room.pass(SECOND * 60);
    assert_eq!(room.epochs(), [Epoch(2); 2], "nothing goes out that only Ann would believe in");
}

#[test]
fn garbage_does_not_make_a_host_race_with_the_server() {
    let mut room = Room::new(2);
    room.admit(&["Bob", "Carol"]);
    let (carol, now) = (room.id("Carol"), room.now);
    room.seat("Ann").call.remove(&[carol], now).expect("Ann may");
    room.seat("Ann").drain(now);
    let mut tries = 0;
    for _ in 0..600 {
        tries += room.garbage();
        room.now = room.now + SECOND / 10;
        let now = room.now;
        room.seat("Ann").call.handle_timeout(now);
        room.seat("Ann").drain(now);
    }
    assert!((10..40).contains(&tries), "{tries} tries in a minute");
    let starved = |event: &&Event| **event == Event::LogStarved;
    assert_eq!(room.seat("Ann").events.iter().filter(starved).count(), 1, "the app is told");
    room.pass(SECOND * 10); // the server relents
    assert_eq!(room.epochs(), [Epoch(2); 2]);
}

/// MLS takes no key twice: two guests who share their HPKE keys could each be admitted, but not together.
#[test]
fn guests_who_share_a_key_cannot_stall_a_host() {
    let mut room = Room::new(3);
    let (_, first) = room.forged_knock([77, 1], Forgery::SharedKeys);
    let (_, second) = room.forged_knock([77, 2], Forgery::SharedKeys);
    assert_eq!(first, Ok(()));
    assert_eq!(second, Err(HandleError::Knock(KnockFault::KeyReused)));
}

/// With one key in the tree that nobody can seal to, no later commit could have a path: nobody could be removed.
#[test]
fn a_guest_with_a_useless_key_is_not_let_in() {
    let mut room = Room::new(4);
    room.admit(&["Bob"]);
    let mut all_ones = vec![0xff; 32];
    (all_ones[0], all_ones[31]) = (0xed, 0x7f); // p, that is 0
    for (n, leaf_key) in [vec![0; 32], vec![], vec![9; 31], all_ones].into_iter().enumerate() {
        let (_, handled) =
            room.forged_knock([80 + n as u8, 90 + n as u8], Forgery::LeafKey(leaf_key.clone()));
        assert_eq!(handled, Err(HandleError::Knock(KnockFault::Unsuitable)), "{leaf_key:?}");
    }
    // Nor does a host who would add it get his way.
    let keys = FreshKeys::generate(&seeded_random([6; 32])).expect("it is seeded");
    let credential = keys.credential(&Profile::person("Mallory").expect("a good name"), b"");
    let joiner =
        Joiner::forge(seeded_random([5; 32]), keys.signer, credential, Forgery::LeafKey(vec![0; 32]));
    let position = room.log.len() as u64;
    let group = &mut room.seat("Ann").call.group;
    let key_package = group.verify_key_package(&joiner.key_package().expect("made")).expect("well signed");
    let psk_id = room.invite().psk_id();
    let group = &mut room.seat("Ann").call.group;
    let plan = Plan { adds: vec![&key_package], psk_id: &psk_id, ..Plan::default() };
    let commit = group.stage_own(plan, position).expect("the engine lets her").commit;
    group.drop_own().expect("storage works");
    room.log.push(commit.into());
    room.settle();
    let ann = room.id("Ann");
    let reason = SkipReason::Policy { by: ann, violation: Violation::Leaf, tried: Attempt::default() };
    assert_eq!((room.last_skip("Bob"), room.next()), (reason, position + 1));
}

/// R4: whether it has expired would be a matter of each member's clock, so a key package that can expire is none.
#[test]
fn a_guest_whose_key_package_expires_is_not_let_in() {
    let mut room = Room::new(11);
    let (_, handled) = room.forged_knock([60, 61], Forgery::Mortal);
    assert_eq!(handled, Err(HandleError::Knock(KnockFault::Unsuitable)));
}

/// R8 is kept by the honest. A host who does not keep it cannot keep others from removing him.
#[test]
fn a_reckless_host_can_be_removed() {
    let mut room = Room::new(5);
    room.admit(&["Bob", "Carol"]);
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND);
    for _ in 0..8 {
        room.reckless_commit("Bob");
    }
    room.act("Ann", |call, now| call.remove(&[bob], now)).expect("Ann may");
    assert!(room.seat("Ann").call.roster().member(bob).is_none());
}

#[test]
fn a_guest_whose_admission_is_under_way_cannot_be_denied_and_before_he_can() {
    let mut room = Room::new(6);
    room.admit(&["Bob"]);
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND);
    let (carol, dave) = (room.knock("Carol"), room.knock("Dave"));
    let now = room.now;
    let ann = room.seat("Ann");
    ann.call.admit(&[carol.id()], now).expect("Ann may");
    ann.drain(now);
    ann.call.admit(&[dave.id()], now).expect("for the next commit");
    assert_eq!(ann.call.deny(dave.id(), now), Ok(()), "she changed her mind");
    assert_eq!(ann.call.deny(carol.id(), now), Err(CallError::BeingAdmitted));
    ann.call.leave(now).expect("anybody may");
    assert_eq!(ann.call.deny(carol.id(), now), Err(CallError::Leaving));
    ann.drain(now);
    room.settle();
    room.pass(SECOND * 5);
    assert!(room.seat("Bob").call.roster().member(carol.id()).is_some());
    let call = room.enter(carol).expect("what is on the roster has its welcome");
    assert_eq!(call.roster().members.len(), 3);
}

/// R3: a key that another host has let in and removed cannot come again. A guest who waits with it shall not hold up the others,
/// nor the removal of that host.
#[test]
fn a_guest_whose_key_was_spent_elsewhere_holds_nobody_up() {
    let mut room = Room::new(10);
    room.admit(&["Bob"]);
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND);
    let mallory = room.knock("Mallory");
    let carol = room.knock("Carol");
    // Bob has a key package with Mallory's signature key from her, adds it, and removes it again.
    let position = room.log.len() as u64;
    let key_package = mallory.key_package_for_tests();
    let psk_id = room.invite().psk_id();
    let group = &mut room.seat("Bob").call.group;
    let verified = group.verify_key_package(&key_package).expect("a good one");
    let plan = Plan { adds: vec![&verified], psk_id: &psk_id, ..Plan::default() };
    let bytes = group.stage_own(plan, position).expect("he can").commit;
    let own = Own::Commit { welcome: None, admitted: vec![], lobby: None };
    room.seat("Bob").call.in_flight = Some(InFlight::new(position, bytes.clone(), own, Time::ZERO));
    room.log.push(bytes.into());
    room.settle();
    room.act("Bob", |call, now| call.remove(&[mallory.id()], now)).expect("Bob may");
    assert!(room.seat("Ann").call.roster().member(mallory.id()).is_none());

    let now = room.now;
    let ann = room.seat("Ann");
    ann.call.admit(&[mallory.id(), carol.id()], now).expect("both wait");
    ann.call.remove(&[bob], now).expect("Ann may");
    ann.drain(now);
    room.settle();
    room.pass(SECOND * 15);
    assert!(room.seat("Ann").events.contains(&Event::KnockGone(mallory.id())));
    let roster = room.seat("Ann").call.roster();
    assert!(roster.member(bob).is_none() && roster.member(carol.id()).is_some());
}

/// R14 and R20: after a removal, nothing is sealed under the old key past the deadline, also if the app sleeps on its roster.
#[test]
fn an_app_that_does_not_take_a_removals_roster_stops_sealing_at_the_deadline() {
    let mut room = Room::new(7);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND * 2);
    room.seat("Bob").takes_rosters = false;
    let carol = room.id("Carol");
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("Ann may");
    room.seal("Bob", b"still the old key");
    room.pass(SECOND);
    let sealed = room.seat("Bob").sealer.seal(FRAME, b"", &mut BytesMut::new());
    assert_eq!(sealed, Err(SealError::NotReady));
    let now = room.now;
    room.seat("Bob").call.roster_taken(Epoch(2), now).expect("it was shown");
    room.seal("Bob", b"the new key");
    assert_eq!(room.seat("Bob").sealer.epoch(), Some(Epoch(2)));
}

#[test]
fn the_list_of_hosts_is_bounded_and_forgets_who_is_gone() {
    let mut room = Room::new(8);
    room.admit(&["Bob", "Carol"]);
    let (bob, carol) = (room.id("Bob"), room.id("Carol"));
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND);
    room.act("Ann", |call, now| call.remove(&[bob], now)).expect("Ann may");
    assert_eq!(room.seat("Ann").call.policy.hosts.len(), 2);
    room.pass(SECOND);
    room.act("Ann", |call, now| call.make_host(carol, now)).expect("Ann may");
    room.pass(SECOND * 5);
    assert_eq!(room.seat("Carol").call.policy.hosts.len(), 2, "Bob's place is Carol's now");
    let ann = &mut room.seat("Ann").call;
    ann.roster.members.iter_mut().for_each(|member| member.is_host = true);
    let member = ann.roster.members[0].clone();
    ann.roster.members.resize(256, member);
    assert_eq!(ann.make_host(carol, Time::ZERO), Err(CallError::TooManyHosts));
}

/// Everybody at once: one commit, and the last of them hears the first.
#[test]
fn a_call_of_a_thousand() {
    let mut room = Room::new(9);
    let guests = (0..999).map(|_| room.knock("One of many")).collect::<Vec<_>>();
    let ids = guests.iter().map(Guest::id).collect::<Vec<_>>();
    room.act("Ann", |call, now| call.admit(&ids, now)).expect("Ann may");
    assert_eq!(room.log.len(), 1);
    assert!(room.log[0].len() < 400_000, "{} bytes", room.log[0].len());
    let mut guests = guests.into_iter();
    for name in ["first", "second"] {
        let call = room.enter(guests.next().expect("there are many")).expect("gets in");
        room.sit(name, call);
    }
    room.pass(SECOND * 2);
    assert_eq!(room.seat("second").call.roster().members.len(), 1000);
    let frame = room.seal("first", b"hello");
    assert!(frame.len() <= 5 + 5 + 16);
    assert!(room.open("second", &frame).is_ok() && room.open("Ann", &frame).is_ok());
    let full = room.knock("One too many").id();
    assert_eq!(room.act("Ann", |call, now| call.admit(&[full], now)), Err(CallError::Full));
}
