//! Getting in: R6, R9 to R11.

use core::time::Duration;

use bytes::Bytes;

use super::room::{Room, ann};
use crate::call::lobby::KnockFault;
use crate::call::*;
use crate::group::JoinFault;

fn lobby_message(room: &mut Room, payload: Bytes) -> Message {
    Message { lane: Lane::Mailbox(room.invite().lobby_mailbox()), payload }
}

fn handle(room: &mut Room, payload: Bytes) -> Result<(), HandleError> {
    let message = lobby_message(room, payload);
    room.act("Ann", |call, now| call.handle_message(&message, now))
}

#[test]
fn a_guest_knocks_is_seen_by_name_and_comes_in() {
    let mut room = Room::new(1);
    let guest = room.knock("Bob");
    let knock = room.seat("Ann").events.iter().rev().find_map(|event| match event {
        Event::Knock(knock) => Some(knock.clone()),
        _ => None,
    });
    let knock = knock.expect("Ann hears it");
    assert_eq!((knock.id, knock.name.as_str(), knock.kind), (guest.id(), "Bob", Kind::Person));

    room.act("Ann", |call, now| call.admit(&[guest.id()], now)).expect("Ann may");
    let bob = room.enter(guest).expect("Bob gets in");
    assert_eq!(
        (bob.epoch(), bob.log_position()),
        (Epoch(1), 1),
        "R6: he starts behind the commit that added him"
    );
    assert_eq!(bob.me(), knock.id);
    let ann = room.id("Ann");
    assert_eq!(bob.roster().cause, Cause::Joined { by: ann });
    assert_eq!(bob.roster().me().map(|me| (me.since, me.admitted_by)), Some((Some(Epoch(1)), Some(ann))));
    room.sit("Bob", bob);
    for name in ["Ann", "Bob"] {
        let roster = room.seat(name).call.roster();
        let names =
            roster.members.iter().map(|member| (member.name.as_str(), member.is_host)).collect::<Vec<_>>();
        assert_eq!(names, [("Ann", true), ("Bob", false)]);
    }
}

#[test]
fn several_come_in_with_one_commit_and_all_rosters_agree() {
    let mut room = Room::new(2);
    room.admit(&["Bob", "Carol", "Dave"]);
    assert_eq!(room.log.len(), 1);
    let ids = |room: &mut Room, name: &str| {
        room.seat(name).call.roster().members.iter().map(|member| member.id).collect::<Vec<_>>()
    };
    let of_ann = ids(&mut room, "Ann");
    assert_eq!(of_ann.len(), 4);
    for name in ["Bob", "Carol", "Dave"] {
        assert_eq!(ids(&mut room, name), of_ann, "{name}");
    }
}

#[test]
fn a_denied_guest_learns_it_from_a_host_and_from_nobody_else() {
    let mut room = Room::new(3);
    let bob = room.knock("Bob");
    room.act("Ann", |call, now| call.deny(bob.id(), now)).expect("Ann may");
    let answer = room.mailboxes[&bob.answer_mailbox()][0].clone();
    assert!(matches!(bob.open_answer(&answer), Ok(HostAnswer::Denied)));

    // R11: the server cannot deny anybody, nor hand one guest's answer to another.
    let carol = room.knock("Carol");
    assert_eq!(carol.open_answer(&answer).expect_err("Bob's"), JoinError::NotAnAnswer);
    for bit in 0..answer.len() * 8 {
        let mut forged = answer.to_vec();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(bob.open_answer(&forged).is_err());
    }
    let gone = room.act("Ann", |call, now| call.admit(&[bob.id()], now));
    assert_eq!(gone, Err(CallError::NotWaiting));
}

/// R9, R10: the server has everything but the link.
#[test]
fn a_stranger_with_the_servers_help_cannot_even_knock() {
    let mut room = Room::new(4);
    let genuine = room.invite();
    let mut guess = genuine.clone();
    guess.secret[31] ^= 1; // one bit off
    let profile = Profile::person("Mallory").expect("a good name");
    let (_, knock) = Guest::knock(guess, &profile, room.random()).expect("a knock");
    let seen = room.seat("Ann").events.len();
    assert_eq!(handle(&mut room, knock.payload), Err(HandleError::Knock(KnockFault::Unauthentic)));
    assert_eq!(room.seat("Ann").events.len(), seen, "Ann is not bothered");
}

/// R10
#[test]
fn a_replayed_knock_is_nothing() {
    let mut room = Room::new(5);
    let profile = Profile::person("Bob").expect("a good name");
    let (invite, random) = (room.invite(), room.random());
    let (bob, knock) = Guest::knock(invite, &profile, random).expect("a knock");
    handle(&mut room, knock.payload.clone()).expect("a good knock");
    assert_eq!(handle(&mut room, knock.payload.clone()), Err(HandleError::Knock(KnockFault::Replayed)));
    room.act("Ann", |call, now| call.deny(bob.id(), now)).expect("Ann may");
    assert_eq!(handle(&mut room, knock.payload), Err(HandleError::Knock(KnockFault::Replayed)), "nor later");
}

#[test]
fn knocks_are_padded_and_hold_no_name_in_clear() {
    let mut room = Room::new(6);
    let mut sizes = Vec::new();
    for name in ["Jo", "Wolfeschlegelsteinhausenbergerdorff the Elder"] {
        let profile = Profile::person(name).expect("a good name");
        let (invite, random) = (room.invite(), room.random());
        let (_, knock) = Guest::knock(invite, &profile, random).expect("a knock");
        assert!(!knock.payload.windows(name.len()).any(|window| window == name.as_bytes()));
        sizes.push(knock.payload.len());
    }
    assert_eq!(sizes[0], sizes[1]);
}

#[test]
fn a_message_that_is_no_knock_changes_nothing() {
    let mut room = Room::new(7);
    let before = room.seat("Ann").call.digest();
    for (payload, fault) in [
        (vec![], KnockFault::Unauthentic),
        (vec![0; 31], KnockFault::Unauthentic),
        (vec![0; 1072], KnockFault::Unauthentic),
        (vec![0; 100_000], KnockFault::TooLong),
    ] {
        assert_eq!(handle(&mut room, Bytes::from(payload)), Err(HandleError::Knock(fault)));
    }
    assert_eq!(room.seat("Ann").call.digest(), before);
    let message = Message { lane: Lane::Mailbox(crate::MailboxId([0; 16])), payload: Bytes::new() };
    let elsewhere = room.act("Ann", |call, now| call.handle_message(&message, now));
    assert_eq!(elsewhere, Err(HandleError::UnknownMailbox));
}

/// R11: a member knows the PSK and sees the key package in the Add, so he can build a group of his own around a guest. The
/// guest takes answers from holders of the lobby key only.
#[test]
fn a_member_cannot_build_a_fake_call_around_a_guest() {
    let mut room = Room::new(8);
    room.admit(&["Bob"]);
    let victim = room.knock("Carol");
    let lobby = room.invite().lobby_mailbox();
    let knock = room.mailboxes.get(&lobby).and_then(|knocks| knocks.last()).cloned();
    let knock = knock.unwrap_or_default();
    // Bob seals under everything that he knows; what he lacks is the lobby's private key.
    let guess = crate::crypto::hpke::KeyPair::derive(&room.invite().secret[..]).private;
    assert!(crate::call::knock::open(&room.invite(), &guess, &knock).is_err());
    let (_, answer_key_of_another_knock) =
        crate::call::knock::seal(&room.invite(), b"a key package", &room.random()).expect("sealed");
    let answer = crate::call::knock::Answer::Admitted { welcome: b"fake".to_vec(), told: Default::default() };
    let nonce = crate::call::knock::nonce(&room.random()).expect("it is seeded");
    let forged = answer_key_of_another_knock.seal(&answer, nonce);
    assert_eq!(victim.open_answer(&forged).expect_err("not a host's"), JoinError::NotAnAnswer);
}

/// R11: even with an answer that opens (a host's device gone bad, say), the group has to be the link's.
#[test]
fn a_welcome_to_another_call_is_refused() {
    let (mut room, mut other) = (Room::new(9), Room::new(900));
    let guest = room.knock("Bob");
    let stranger = other.knock("Bob");
    other.act("Ann", |call, now| call.admit(&[stranger.id()], now)).expect("Ann may");
    let answer = other.mailboxes[&stranger.answer_mailbox()][0].clone();
    let Ok(HostAnswer::Admitted(admission)) = stranger.open_answer(&answer) else { panic!("admitted") };
    // The Welcome of the other call is not for this guest's key package.
    assert_eq!(
        guest.accept(admission, Time::ZERO).expect_err("refused"),
        JoinError::Refused(JoinFault::NotForUs)
    );
}

/// R11: a group made by somebody who is not a host of its policy, with the right id and the right PSK.
#[test]
fn a_welcome_by_somebody_who_is_no_host_is_refused() {
    let mut room = Room::new(10);
    room.admit(&["Bob"]);
    let guest = room.knock("Carol");
    let id = guest.id();
    // Bob has what Ann has, but for his place on the list of hosts.
    let key_package = guest.key_package_for_tests();
    let bob = &mut room.seat("Bob").call;
    let verified = bob.group.verify_key_package(&key_package).expect("a good key package");
    let psk_id = bob.invite().psk_id();
    let plan = crate::group::Plan { adds: vec![&verified], psk_id: &psk_id, ..Default::default() };
    let own = bob.group.stage_own(plan, bob.next).expect("the engine lets him");
    let admission = Admission::for_tests(own.welcome.expect("somebody is added"));
    assert_eq!(id, guest.id());
    assert_eq!(
        guest.accept(admission, Time::ZERO).expect_err("refused"),
        JoinError::Refused(JoinFault::NotByHost)
    );
}

/// R14: also of those who were here before him a newcomer knows since when, and who let them in, on the word of his host.
#[test]
fn a_newcomer_is_told_how_the_others_came_in() {
    let mut room = Room::new(16);
    room.admit(&["Bob"]);
    let (ann, bob) = (room.id("Ann"), room.id("Bob"));
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(Duration::from_secs(12));
    let carol = room.knock("Carol");
    room.act("Bob", |call, now| call.admit(&[carol.id()], now)).expect("Bob may");
    let call = room.enter(carol).expect("she gets in");
    let came = call.roster().members.iter().map(|m| (m.since, m.admitted_by)).collect::<Vec<_>>();
    assert_eq!(came, [(Some(Epoch(0)), None), (Some(Epoch(1)), Some(ann)), (Some(Epoch(3)), Some(bob))]);
    room.sit("Carol", call);
    // What is impossible is not believed.
    let mut roster = room.seat("Carol").call.roster().clone();
    let before = roster.clone();
    let nonsense = |leaf, since| crate::call::knock::Came { leaf, since, by: [7; 16] };
    roster.tell(&[nonsense(0, 99), nonsense(2, 0), nonsense(7, 0)]);
    assert_eq!(roster, before);
}

/// R11: the policy's invite must be the link's. A host's client that is tampered with could otherwise show the guest another lobby, in
/// which the next guests are his.
#[test]
fn a_welcome_with_another_invite_in_the_policy_is_refused() {
    let mut room = Room::new(15);
    let guest = room.knock("Bob");
    let ann = &mut room.seat("Ann").call;
    let verified = ann.group.verify_key_package(&guest.key_package_for_tests()).expect("a good one");
    let (old, psk) = (ann.invite(), ann.invite().psk());
    ann.wanted.rotate = true;
    let (policy, _) = ann.next_policy().expect("a new invite");
    let change = crate::group::Plan { policy: Some(policy.encode()), ..Default::default() };
    ann.group.stage_own(change, 0).expect("the engine lets her");
    ann.group.merge_own().expect("the engine lets her");
    ann.group.store_psk(&old.psk_id(), &psk[..]).expect("storage works");
    let psk_id = old.psk_id();
    let plan = crate::group::Plan { adds: vec![&verified], psk_id: &psk_id, ..Default::default() };
    let own = ann.group.stage_own(plan, 1).expect("the engine lets her");
    let admission = Admission::for_tests(own.welcome.expect("somebody is added"));
    let refused = guest.accept(admission, Time::ZERO).expect_err("refused");
    assert_eq!(refused, JoinError::Refused(JoinFault::NotByHost));
}

/// R11: the engine takes a Welcome that is bound to no secret at all, which somebody without the invite could have made.
#[test]
fn a_welcome_that_is_not_bound_to_the_invite_is_refused() {
    let mut room = Room::new(14);
    let guest = room.knock("Bob");
    let ann = &mut room.seat("Ann").call;
    let verified = ann.group.verify_key_package(&guest.key_package_for_tests()).expect("a good one");
    let (_, welcome) = ann.group.forge_unbound_add(&verified, 0);
    let admission = Admission::for_tests(welcome);
    let refused = guest.accept(admission, Time::ZERO).expect_err("refused");
    assert_eq!(refused, JoinError::Refused(JoinFault::WrongInvite));
}

#[test]
fn commands_say_what_is_wrong_and_change_nothing() {
    let mut room = Room::new(11);
    room.admit(&["Bob"]);
    let (ann_id, bob_id) = (room.id("Ann"), room.id("Bob"));
    let nobody = ParticipantId([9; 16]);
    let before = room.seat("Ann").call.digest();
    assert_eq!(room.act("Ann", |call, now| call.admit(&[nobody], now)), Err(CallError::NotWaiting));
    assert_eq!(room.act("Ann", |call, now| call.deny(nobody, now)), Err(CallError::NotWaiting));
    assert_eq!(room.act("Ann", |call, now| call.remove(&[nobody], now)), Err(CallError::NotOnRoster));
    assert_eq!(room.act("Ann", |call, now| call.remove(&[ann_id], now)), Err(CallError::Yourself));
    // R1
    assert_eq!(room.act("Bob", |call, now| call.remove(&[ann_id], now)), Err(CallError::NotHost));
    assert_eq!(room.act("Bob", |call, now| call.admit(&[], now)), Err(CallError::NotHost));
    assert_eq!(room.act("Bob", |call, now| call.make_host(bob_id, now)), Err(CallError::NotHost));
    assert_eq!(room.seat("Ann").call.digest(), before);
    assert_eq!(room.log.len(), 1);
}

#[test]
fn a_full_call_admits_nobody() {
    let mut room = Room::with(12, &CallConfig { max_participants: 2, ..CallConfig::default() });
    let (bob, carol) = (room.knock("Bob").id(), room.knock("Carol").id());
    assert_eq!(room.act("Ann", |call, now| call.admit(&[bob, carol], now)), Err(CallError::Full));
    room.act("Ann", |call, now| call.admit(&[bob], now)).expect("one fits");
    assert_eq!(room.act("Ann", |call, now| call.admit(&[carol], now)), Err(CallError::Full));
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused() {
    let create = |config: CallConfig| {
        let random = crate::danger::seeded_random([1; 32]);
        Call::create(&ann(), &config, random, Time::ZERO).map(drop).expect_err("it contradicts itself")
    };
    let base = CallConfig::default;
    for (config, error) in [
        (CallConfig { epoch_bits: 2, ..base() }, ConfigError::EpochBits),
        (CallConfig { epoch_bits: 9, ..base() }, ConfigError::EpochBits),
        (CallConfig { max_participants: 0, ..base() }, ConfigError::Participants),
        (CallConfig { max_participants: 2001, ..base() }, ConfigError::Participants),
        (CallConfig { switch_deadline: base().removal_retention, ..base() }, ConfigError::Durations),
        (CallConfig { retention: core::time::Duration::MAX, ..base() }, ConfigError::Durations),
    ] {
        assert_eq!(create(config), CreateError::Config(error));
    }
}

/// R25: with a seed, all bytes of a call can be repeated; without, none.
#[test]
fn the_same_seed_gives_the_same_call() {
    let story = |seed| {
        let mut room = Room::new(seed);
        room.admit(&["Bob", "Carol", "Dave", "Erin", "Frank"]);
        let carol = room.id("Carol"); // her removal has a path, which is sealed to several
        room.act("Ann", |call, now| call.remove(&[carol], now)).expect("Ann may");
        let frame = room.seal("Ann", b"frame");
        (room.log.clone(), room.mailboxes.clone(), frame)
    };
    assert_eq!(story(13), story(13));
    assert_ne!(story(13).0, story(14).0);
}
