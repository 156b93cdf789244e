//! What could make a call stand still, or keep people out of it, for good.

use core::time::Duration;

use super::room::Room;
use crate::call::identity::Contact;
use crate::call::*;
use crate::danger::seeded_random;
use crate::group::{Forgery, Joiner, Plan};

const SECOND: Duration = Duration::from_secs(1);
const MANY: [&str; 20] = [
    "Bob", "g01", "g02", "g03", "g04", "g05", "g06", "g07", "g08", "g09", "g10", "g11", "g12", "g13", "g14",
    "g15", "g16", "g17", "g18", "g19",
];

/// Ann and these are hosts; Bob, Carol and Dave are in.
fn room(seed: u64, hosts: &[&str]) -> Room {
    Room::hosted(seed, &["Bob", "Carol", "Dave"], hosts)
}

impl Room {
    fn answers(&self, guest: &Guest) -> Vec<HostAnswer> {
        let mail = self.mailboxes.get(&guest.answer_mailbox()).cloned().unwrap_or_default();
        mail.iter().map(|answer| guest.open_answer(answer).expect("a host made it")).collect()
    }
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

/// R12: whoever knocks with an old link learns that it is one, also after the rotation. Nothing more.
#[test]
fn an_old_link_says_that_it_is_old() {
    let mut room = room(5, &[]);
    let old = room.invite();
    room.act("Ann", |call, now| call.rotate_invite(now)).expect("Ann may");
    room.pass(SECOND * 60);
    let random = room.random();
    let (guest, knock) =
        Guest::knock(old, &Profile::person("Erin").expect("a good name"), random).expect("a knock");
    room.post(&knock);
    room.settle();
    assert!(matches!(room.answers(&guest)[..], [HostAnswer::LinkExpired]));
    let id = guest.id();
    assert!(!room.was_told("Ann", |event| matches!(event, Event::Knock(knock) if knock.id == id)));

    // A flood of them costs so much and no more.
    let (now, mut refused) = (room.now, 0);
    for _ in 0..200 {
        let handled = room.seat("Ann").call.handle_message(&knock, now);
        refused += usize::from(handled == Err(HandleError::Knock(KnockFault::TooFast)));
    }
    assert!(refused >= 200 - 64, "{refused}");
    let Lane::Mailbox(_) = knock.lane else { panic!("a knock goes into a mailbox") };
    let mut damaged = knock.payload.to_vec();
    damaged[100] ^= 1;
    let damaged = Message { lane: knock.lane, payload: damaged.into() };
    let handled = room.seat("Ann").call.handle_message(&damaged, now + SECOND);
    assert_eq!(handled, Err(HandleError::Knock(KnockFault::Unauthentic)));
}

#[test]
fn a_guest_who_goes_away_does_not_wait_any_more() {
    let mut room = room(6, &["Bob"]);
    let (erin, finn) = (room.knock("Erin"), room.knock("Finn"));
    let (erins, finns) = (erin.id(), finn.id());
    assert_eq!(room.seat("Ann").call.waiting().iter().map(|knock| knock.id).collect::<Vec<_>>().len(), 2);
    let withdrawal = erin.withdraw();
    room.post(&withdrawal);
    room.settle();
    for host in ["Ann", "Bob"] {
        assert!(room.was_told(host, |event| *event == Event::KnockGone(erins)));
        assert_eq!(room.seat(host).call.waiting().iter().map(|knock| knock.id).collect::<Vec<_>>(), [finns]);
    }
    assert_eq!(room.act("Ann", |call, now| call.admit(&[erins], now)), Err(CallError::NotWaiting));
    // Nobody else can say so, and nobody twice.
    let now = room.now;
    for payload in [withdrawal.payload.clone(), vec![7; 64].into()] {
        let message = Message { lane: withdrawal.lane, payload };
        let handled = room.seat("Ann").call.handle_message(&message, now);
        assert_eq!(handled, Err(HandleError::Knock(KnockFault::Unauthentic)));
    }
}

/// R4: the host's clock expires knocks.
#[test]
fn nobody_waits_for_ever() {
    let mut room = room(7, &[]);
    let erin = room.knock("Erin").id();
    room.pass(SECOND * 3600 * 3);
    assert_eq!(room.seat("Ann").call.waiting().len(), 1);
    room.pass(SECOND * 3601);
    assert!(room.was_told("Ann", |event| *event == Event::KnockGone(erin)));
    assert!(room.seat("Ann").call.waiting().is_empty());
}

/// R3: with the last host the call is over, also for those who wait before its door.
#[test]
fn guests_learn_that_the_call_is_over() {
    let mut room = room(8, &[]);
    let erin = room.knock("Erin");
    room.act("Ann", |call, now| call.leave(now)).expect("she may");
    assert!(matches!(room.answers(&erin)[..], [HostAnswer::CallOver]));
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

/// A leaf with a parent node's key: the engine adds it, and then takes no Welcome any more. So it is not added.
#[test]
fn a_poisoned_leaf_does_not_keep_others_out() {
    let mut room = Room::new(12);
    room.admit(&MANY);
    let host = room.id("g15");
    room.act("Ann", |call, now| call.make_host(host, now)).expect("Ann may");
    room.pass(SECOND * 20);
    room.act("g15", |call, now| call.lock(now)).expect("he may"); // with a path, so there are parents
    room.act("g15", |call, now| call.unlock(now)).expect("he may");
    room.pass(SECOND * 20);
    let parent = room.seat("g16").call.group.parent_keys().into_iter().next().expect("there are some");

    let keys = FreshKeys::generate(&seeded_random([91; 32])).expect("it is seeded");
    let credential = keys.credential(&Profile::person("Mallory").expect("a good name"), b"");
    let joiner = Joiner::forge(seeded_random([90; 32]), keys.signer, credential, Forgery::LeafKey(parent));
    let (mallory, knock) = Guest::forge(room.invite(), Contact(keys.contact.private), joiner);
    let handled = room.act("Ann", |call, now| call.handle_message(&knock, now));
    assert_eq!(handled, Err(HandleError::Knock(KnockFault::KeyReused)));

    // Nor when a host's client is tampered with.
    let (psk_id, package) = (room.invite().psk_id(), mallory.key_package_for_tests());
    let g15 = room.id("g15");
    let entry = room.forge("g15", |group, position| {
        let mallory = group.verify_key_package(&package).expect("well made");
        let plan = Plan { adds: vec![&mallory], psk_id: &psk_id, ..Plan::default() };
        let commit = group.stage_own(plan, position).expect("the engine lets him").commit;
        group.drop_own().expect("storage works");
        commit
    });
    let g15s = room.seats.remove("g15").expect("he is here");
    let tried = Attempt::default();
    room.refuses(entry, SkipReason::Policy { by: g15, violation: Violation::KeyReused, tried });
    room.seats.insert("g15", g15s);
    room.settle();
    room.admit(&["Zoe"]);
    assert_eq!(room.names().len(), 22);
}

/// Proofs as long as they may be: the answers stay below what a delivery service takes, and hosts are told when that is the end.
#[test]
fn answers_stay_below_a_services_limit() {
    let config = CallConfig {
        newcomer_window: SECOND * 600, // none of them ever shows up
        silence_limit: SECOND * 3600,
        ..CallConfig::default()
    };
    let mut room = Room::with(13, &config);
    let knock = |room: &mut Room| {
        let random = room.random();
        let keys = FreshKeys::generate(&random).expect("it is seeded");
        let profile = Profile::person("One of many").expect("a good name");
        let knocked = Guest::knock_with(room.invite(), &profile, keys, &[7; MAX_PROOF_LEN], random);
        let (guest, knock) = knocked.expect("a knock");
        room.act("Ann", |call, now| call.handle_message(&knock, now)).expect("she hears it");
        guest.id()
    };
    let is_full = (0..60).any(|_| {
        let ids = (0..10).map(|_| knock(&mut room)).collect::<Vec<_>>();
        let admitted = room.act("Ann", |call, now| call.admit(&ids, now));
        room.pass(SECOND * 3);
        admitted == Err(CallError::Full)
    });
    assert!(is_full, "the host is told");
    let longest = room.mailboxes.values().flatten().map(bytes::Bytes::len).max().expect("there are answers");
    assert!((900_000..=1 << 20).contains(&longest), "{longest}");
    let there = room.seat("Ann").call.roster().members.len();
    assert!((380..=450).contains(&there), "{there}");
    assert!(!room.was_told("Ann", |event| matches!(event, Event::GuestUnusable(_) | Event::CommitFailed(_))));
}
