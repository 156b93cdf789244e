//! Before the door of a call: what could keep people out of it for good, or before it for ever.

use core::time::Duration;

use super::room::{MANY, Room};
use crate::call::identity::Contact;
use crate::call::*;
use crate::danger::seeded_random;
use crate::group::{Forgery, Joiner, Plan};

const SECOND: Duration = Duration::from_secs(1);

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

    // A key answers once; and a flood costs so much and no more.
    let handle = |room: &mut Room, payload: Vec<u8>| {
        let (now, message) = (room.now, Message { lane: knock.lane, payload: payload.into() });
        room.seat("Ann").call.handle_message(&message, now)
    };
    let replayed = handle(&mut room, knock.payload.to_vec());
    assert_eq!(replayed, Err(HandleError::Knock(KnockFault::Replayed)));
    let damaged = |at: usize| {
        let mut payload = knock.payload.to_vec();
        payload[at] ^= 1;
        payload
    };
    assert_eq!(handle(&mut room, damaged(100)), Err(HandleError::Knock(KnockFault::Unauthentic)));
    let refused = (200..400).map(|at| handle(&mut room, damaged(at)));
    let too_fast = refused.filter(|refused| *refused == Err(HandleError::Knock(KnockFault::TooFast))).count();
    assert!(too_fast >= 200 - 64, "{too_fast}");
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

/// Ann lets Erin in, Bob commits something at once, Erin comes within the time that she has.
fn erin_comes_late(seed: u64, after: Duration, committer: &str, removes: bool) -> (Room, ParticipantId) {
    let mut room = room(seed, &["Bob"]);
    let dave = room.id("Dave");
    let erin = room.knock("Erin");
    let id = erin.id();
    room.act("Ann", |call, now| call.admit(&[id], now)).expect("Ann may");
    room.pass(SECOND);
    room.act(committer, |call, now| if removes { call.remove(&[dave], now) } else { call.lock(now) })
        .expect("may");
    room.pass(after);
    let call = room.enter(erin).expect("she gets in");
    room.sit("Erin", call);
    (room, id)
}

#[test]
fn a_newcomer_who_comes_after_another_hosts_removal_stays() {
    let (mut room, erin) = erin_comes_late(4, SECOND * 8, "Bob", true);
    room.pass(SECOND * 60);
    assert!(room.seat("Ann").call.roster().member(erin).is_some(), "she was there within 10 s");
}

#[test]
fn a_newcomer_who_comes_after_another_hosts_lock_stays() {
    let (mut room, erin) = erin_comes_late(5, SECOND * 14, "Bob", false);
    room.pass(SECOND * 60);
    assert!(room.seat("Ann").call.roster().member(erin).is_some(), "she was there within 15 s");
}

#[test]
fn mailboxes_are_closed() {
    let (mut room, erin) = erin_comes_late(6, SECOND * 14, "Ann", false);
    room.pass(SECOND * 600);
    assert!(room.seat("Ann").call.roster().member(erin).is_some());
    assert_eq!(room.seat("Ann").call.mailboxes().len(), 1, "but for the lobby nothing is to be read");
}

/// A guest who is being let in gets no word that his link is old.
#[test]
fn a_replayed_knock_of_a_member_is_not_answered() {
    let mut room = room(18, &[]);
    let (invite, random) = (room.invite(), room.random());
    let (erin, knock) =
        Guest::knock(invite, &Profile::person("Erin").expect("good"), random).expect("a knock");
    room.post(&knock);
    room.settle();
    room.act("Ann", |call, now| call.admit(&[erin.id()], now)).expect("Ann may");
    room.act("Ann", |call, now| call.rotate_invite(now)).expect("Ann may");
    room.pass(SECOND * 3);
    room.post(&knock); // the server replays it
    room.settle();
    let mail = room.mailboxes[&erin.answer_mailbox()].clone();
    let answers = mail.iter().map(|answer| erin.open_answer(answer).expect("a host's")).collect::<Vec<_>>();
    assert_eq!(answers.len(), 1, "{answers:?}");
}
