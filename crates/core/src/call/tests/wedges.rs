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
