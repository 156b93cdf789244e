//! The log: R1 to R6, R24.

use core::time::Duration;

use bytes::Bytes;

use super::room::Room;
use crate::call::*;
use crate::group::EntryFault;
use crate::sframe::SealError;

const SECOND: Duration = Duration::from_secs(1);

fn policy(by: ParticipantId, violation: Violation) -> SkipReason {
    SkipReason::Policy { by, violation, tried: Attempt::default() }
}

/// A call of Ann and Bob, both hosts, and Carol and Dave.
fn two_hosts(seed: u64) -> Room {
    let mut room = Room::new(seed);
    room.admit(&["Bob", "Carol", "Dave"]);
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND * 12); // so that the next commits wait for nothing
    assert!(room.seat("Dave").call.roster().member(bob).expect("he is in").is_host);
    room
}

/// R24: both commit for the same position; one wins, the other's change is made again, since it still applies.
#[test]
fn two_commits_race_and_one_is_retried() {
    let mut room = two_hosts(1);
    let (carol, dave, now) = (room.id("Carol"), room.id("Dave"), room.now);
    for (host, victim) in [("Ann", carol), ("Bob", dave)] {
        let seat = room.seat(host);
        seat.call.remove(&[victim], now).expect("a host may");
        seat.drain(now);
    }
    let before = room.next();
    room.settle();
    assert_eq!(room.names(), ["Ann", "Bob"]);
    assert_eq!(room.next(), before + 2);
    let (ann, bob) = (room.id("Ann"), room.id("Bob"));
    assert_eq!(room.seat("Carol").call.ended(), Some(EndReason::Removed { by: ann }));
    assert_eq!(room.seat("Dave").call.ended(), Some(EndReason::Removed { by: bob }));
}

#[test]
fn two_hosts_remove_the_same_person_and_once_is_enough() {
    let mut room = two_hosts(2);
    let (carol, now) = (room.id("Carol"), room.now);
    for host in ["Ann", "Bob"] {
        let seat = room.seat(host);
        seat.call.remove(&[carol], now).expect("a host may");
        seat.drain(now);
    }
    let before = room.next();
    room.settle();
    assert_eq!((room.names(), room.next()), (vec!["Ann".into(), "Bob".into(), "Dave".into()], before + 1));
}

/// R6: a Welcome is released only when its commit stands in the log; the one of a losing commit never is.
#[test]
fn a_welcome_waits_until_its_commit_is_read_back() {
    let mut room = two_hosts(3);
    let erin = room.knock("Erin");
    let (carol, now) = (room.id("Carol"), room.now);
    room.seat("Ann").call.admit(&[erin.id()], now).expect("Ann may");
    room.seat("Ann").drain(now);
    let lost = std::mem::take(&mut room.seat("Ann").outbox); // slower than Bob's
    assert!(
        matches!(lost.as_slice(), [Message { lane: Lane::Log { .. }, .. }]),
        "the commit, and no answer yet"
    );
    room.act("Bob", |call, now| call.remove(&[carol], now)).expect("Bob may");
    // Bob's entry took the position that Ann's meant; hers was made again behind it.
    assert_ne!(room.log.last(), Some(&lost[0].payload));
    let answers = room.mailboxes[&erin.answer_mailbox()].len();
    assert_eq!(answers, 1);
    let call = room.enter(erin).expect("Erin gets in");
    assert_eq!(call.log_position(), room.next(), "R6");
    room.sit("Erin", call);
    assert_eq!(room.names(), ["Ann", "Bob", "Dave", "Erin"]);
}

/// R14: Erin's leaf was Carol's before. What is known of one must not pass to the other.
#[test]
fn a_reused_leaf_is_somebody_else() {
    let mut room = two_hosts(4);
    let carol = room.id("Carol");
    let leaf = room.seat("Ann").call.roster().member(carol).expect("she is in").leaf;
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("Ann may");
    room.admit(&["Erin"]);
    let (erin, ann) = (room.id("Erin"), room.id("Ann"));
    let roster = room.seat("Bob").call.roster();
    assert_eq!(roster.member(carol), None);
    let member = roster.member(erin).expect("she is in");
    assert_eq!(member.leaf, leaf, "MLS gives it to the next");
    assert_eq!((member.since, member.admitted_by), (Some(Epoch(4)), Some(ann)));
}

/// R3: a host is a key. Whoever gets a removed host's leaf gets none of his rights.
#[test]
fn a_removed_hosts_leaf_makes_nobody_a_host() {
    let mut room = two_hosts(24);
    let (bob, dave) = (room.id("Bob"), room.id("Dave"));
    let leaf = room.seat("Ann").call.roster().member(bob).expect("he is in").leaf;
    room.act("Ann", |call, now| call.remove(&[bob], now)).expect("Ann may");
    room.pass(SECOND * 5); // his rotation
    room.admit(&["Erin"]);
    let erin = room.id("Erin");
    let member = room.seat("Dave").call.roster().member(erin).expect("she is in").clone();
    assert_eq!((member.leaf, member.is_host, member.may_admit), (leaf, false, false));
    assert!(!room.seat("Erin").call.is_host());
    assert_eq!(room.act("Erin", |call, now| call.remove(&[dave], now)), Err(CallError::NotHost));
    let daves = room.seat("Ann").call.roster().member(dave).expect("he is in").leaf;
    let entry = room.forge("Erin", |group, position| {
        let plan = crate::group::Plan { removes: vec![daves], ..Default::default() };
        group.stage_own(plan, position).expect("the engine lets her").commit
    });
    room.seat("Erin").call.group.drop_own().expect("storage works");
    room.seats.remove("Erin");
    room.refuses(entry, policy(erin, Violation::NotAHost));
    // Nor does his talk, or his key, come back with another leaf.
    assert!(room.seat("Ann").call.departed.len() == 1);
}

/// R5: the server shows two genuine entries in each other's places. They mean nothing there; and who was shown them so falls silent,
/// since the hosts' heartbeats are not of his epoch any more.
#[test]
fn entries_that_are_swapped_mean_nothing() {
    let mut room = two_hosts(25);
    room.pass(SECOND * 12);
    room.seat("Carol").no_log = true;
    let before = room.digest("Carol");
    let first = room.next();
    room.act("Ann", |call, now| call.lock(now)).expect("Ann may");
    room.pass(SECOND * 3);
    room.act("Ann", |call, now| call.unlock(now)).expect("Ann may");
    assert_eq!(room.next(), first + 2);
    let now = room.now;
    for (position, shown) in [(first, first + 1), (first + 1, first)] {
        let payload = room.log[shown as usize].clone();
        room.seat("Carol").take_in(Lane::Log { position }, payload, now);
        assert_eq!(room.last_skip("Carol"), SkipReason::Entry(EntryFault::WrongPosition));
    }
    assert_eq!(room.digest("Carol"), before);
    room.pass(SECOND * 31);
    assert_eq!(room.may_seal("Carol"), Err(SealError::Paused));
}

#[test]
fn an_entry_that_gets_lost_is_sent_again_byte_for_byte() {
    let mut room = Room::new(5);
    let bob = room.knock("Bob");
    let now = room.now;
    room.seat("Ann").call.admit(&[bob.id()], now).expect("Ann may");
    room.seat("Ann").drain(now);
    let first = std::mem::take(&mut room.seat("Ann").outbox); // the network eats it
    let at = room.seat("Ann").wakes_at;
    assert!(at > now && at <= now + Duration::from_secs(2));
    room.pass(Duration::from_secs(3));
    assert_eq!(room.log.as_slice(), &[first[0].payload.clone()]);
    let call = room.enter(bob).expect("Bob gets in");
    room.sit("Bob", call);
}

#[test]
fn entries_come_in_order_and_once() {
    let mut room = Room::new(6);
    room.admit(&["Bob", "Carol"]);
    let carol = room.id("Carol");
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("Ann may");
    let before = room.digest("Bob");
    let entry = |position, room: &Room| Message {
        lane: Lane::Log { position },
        payload: room.log[position as usize % room.log.len()].clone(),
    };
    let (again, early) = (entry(0, &room), entry(3, &room));
    assert_eq!(room.act("Bob", |call, now| call.handle_message(&again, now)), Ok(()));
    let gap = room.act("Bob", |call, now| call.handle_message(&early, now));
    assert_eq!(gap, Err(HandleError::Gap { expected: 2 }));
    assert_eq!(room.digest("Bob"), before);
}

/// R5: whatever the server writes into the log is skipped by all alike.
#[test]
fn garbage_in_the_log_is_skipped_and_touches_nobody() {
    let mut room = Room::new(7);
    room.admit(&["Bob", "Carol"]);
    let genuine = room.log[0].clone();
    let entry = SkipReason::Entry;
    room.refuses(Bytes::new(), entry(EntryFault::Undecodable));
    room.refuses(vec![0; 100], entry(EntryFault::Undecodable));
    room.refuses(vec![0; (1 << 20) + 1], entry(EntryFault::Undecodable));
    room.refuses(genuine.slice(..genuine.len() - 1), entry(EntryFault::Undecodable));
    room.refuses([&genuine[..], b"x"].concat(), entry(EntryFault::Undecodable));
    // R5: an old entry names its own position, wherever it is put.
    room.refuses(genuine, entry(EntryFault::WrongPosition));
    let mut other = Room::new(8);
    other.admit(&["Bob"]);
    room.refuses(other.log[0].clone(), entry(EntryFault::WrongCall));
    let carol = room.id("Carol");
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("the call goes on");
    assert_eq!(room.names(), ["Ann", "Bob"]);
}

/// R5: damaged at any place, a commit is skipped, and the genuine one still applies behind it, made again.
#[test]
fn a_damaged_commit_is_skipped_by_all() {
    let mut room = Room::new(9);
    room.admit(&["Bob", "Carol"]);
    let (carol, now) = (room.id("Carol"), room.now);
    room.seat("Ann").call.remove(&[carol], now).expect("Ann may");
    room.seat("Ann").drain(now);
    let genuine = std::mem::take(&mut room.seat("Ann").outbox)[0].payload.clone();
    let mut damaged = genuine.to_vec();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    room.inject(damaged);
    assert_eq!(room.last_skip("Bob"), SkipReason::Entry(EntryFault::Invalid));
    assert_eq!(room.names(), ["Ann", "Bob"], "Ann made it again for the next position");
}

/// R5: the loser of a race, put at the next position by the server.
#[test]
fn a_losing_commit_cannot_be_replayed() {
    let mut room = two_hosts(10);
    let (carol, dave, now) = (room.id("Carol"), room.id("Dave"), room.now);
    room.seat("Bob").call.remove(&[dave], now).expect("Bob may");
    room.seat("Bob").drain(now);
    let losing = room.seat("Bob").outbox[0].payload.clone();
    room.act("Ann", |call, now| call.remove(&[carol], now)).expect("Ann may");
    room.refuses(losing, SkipReason::Entry(EntryFault::WrongPosition));
}

/// R1: an ordinary member's commits are skipped by everybody, and reported with his name.
#[test]
fn a_member_who_is_no_host_commits_in_vain() {
    let mut room = Room::new(11);
    room.admit(&["Bob", "Carol"]);
    let (bob, carol) = (room.id("Bob"), room.id("Carol"));
    let carols_leaf = room.seat("Ann").call.roster().member(carol).expect("she is in").leaf;
    let knock = room.knock("Mallory");
    for attempt in 0..3 {
        let position = room.next();
        let group = &mut room.seat("Bob").call.group;
        let key_package = group.verify_key_package(&knock.key_package_for_tests()).expect("a good one");
        let psk_id = knock.psk_id_for_tests();
        let mut plan = crate::group::Plan { psk_id: &psk_id, ..Default::default() };
        match attempt {
            0 => plan.removes = vec![carols_leaf],
            1 => plan.adds = vec![&key_package],
            _ => {} // an empty commit, with a path
        }
        let commit = group.stage_own(plan, position).expect("the engine lets him").commit;
        group.drop_own().expect("storage works");
        // Bob himself cannot read his own entry back; the others judge it.
        let bystanders = ["Ann", "Carol"];
        let before = bystanders.map(|name| room.digest(name));
        room.inject(commit);
        for (name, before) in bystanders.iter().zip(before) {
            assert_eq!(room.last_skip(name), policy(bob, Violation::NotAHost));
            assert_eq!(room.digest(name), before, "R5: the secret tree is as it was");
        }
    }
    assert_eq!(room.names(), ["Ann", "Bob", "Carol"]);
    room.act("Bob", |call, now| call.leave(now)).expect("his own ratchet still works");
    room.pass(SECOND);
    assert_eq!(room.names(), ["Ann", "Carol"]);
}

/// R1: a member's only proposal is to remove himself. Not even a host proposes another's removal; he commits it.
#[test]
fn nobody_proposes_that_somebody_else_is_removed() {
    let mut room = two_hosts(26);
    let carol = room.id("Carol");
    let leaf = room.seat("Ann").call.roster().member(carol).expect("she is in").leaf;
    for name in ["Dave", "Bob"] {
        let entry = room.forge(name, |group, position| group.forge_remove_proposal(leaf, position));
        let maker = room.seats.remove(name).expect("he is here");
        room.refuses(entry, SkipReason::Entry(EntryFault::Invalid));
        assert!(!room.was_told("Ann", |event| matches!(event, Event::Leaving(_))));
        room.seats.insert(name, maker);
        room.settle();
    }
    room.act("Ann", |call, now| call.lock(now)).expect("Ann may");
    room.pass(SECOND * 3);
    assert!(room.names().contains(&"Carol".to_owned()), "no commit covers it");
}

/// R2: what a host may not do either.
#[test]
fn a_host_who_breaks_the_policy_is_skipped_and_named() {
    let mut room = two_hosts(12);
    let bob = room.id("Bob");
    let erin = room.knock("Erin");
    let position = room.next();
    let forged = |room: &mut Room, forge: &dyn Fn(&mut Group, u64) -> Vec<u8>| {
        let position = room.next();
        forge(&mut room.seat("Bob").call.group, position)
    };
    let keys = FreshKeys::generate(&room.random()).expect("it is seeded");
    let renamed = keys.credential(&Profile::person("Ann").expect("a good name"), b"");
    let entry = forged(&mut room, &|group, position| group.forge_renaming(renamed.clone(), position));
    let before = room.digest("Carol");
    room.inject(entry);
    assert_eq!(room.last_skip("Carol"), policy(bob, Violation::IdentityChanged));

    let same_name = keys.credential(&Profile::person("Bob").expect("a good name"), b"");
    let entry =
        forged(&mut room, &|group, position| group.forge_rekeying(same_name.clone(), &keys.signer, position));
    room.inject(entry);
    assert_eq!(room.last_skip("Carol"), policy(bob, Violation::IdentityChanged));

    let key_package = erin.key_package_for_tests();
    let entry = forged(&mut room, &|group, position| {
        let verified = group.verify_key_package(&key_package).expect("a good one");
        group.forge_unbound_add(&verified, position).0
    });
    room.inject(entry);
    assert_eq!(room.last_skip("Carol"), policy(bob, Violation::Invite));

    let entry = forged(&mut room, &|group, position| group.forge_update_proposal(position));
    room.inject(entry);
    assert_eq!(room.last_skip("Carol"), SkipReason::Entry(EntryFault::Invalid));

    let entry = forged(&mut room, &|group, position| group.forge_application_message(position));
    room.inject(entry);
    assert_eq!(room.last_skip("Carol"), SkipReason::Entry(EntryFault::NotHandshake));

    assert_eq!(room.digest("Carol"), before);
    assert_eq!(room.next(), position + 5);
}

/// R2: what is not a PrivateMessage does not reach MLS at all; an external commit is a PublicMessage.
#[test]
fn only_private_messages_count() {
    let mut room = two_hosts(13);
    let erin = room.knock("Erin");
    let position = room.next();
    let group = &mut room.seat("Ann").call.group;
    let key_package = group.verify_key_package(&erin.key_package_for_tests()).expect("a good one");
    let psk_id = erin.psk_id_for_tests();
    let plan = crate::group::Plan { adds: vec![&key_package], psk_id: &psk_id, ..Default::default() };
    let welcome = group.stage_own(plan, position).expect("a commit").welcome.expect("with a welcome");
    group.drop_own().expect("storage works");
    let signed = group.enclose(welcome);
    room.refuses(signed, SkipReason::Entry(EntryFault::NotPrivate));
}

/// R5: a refused commit can be put to the group again and is refused for the same reason, not for being known already:
/// nothing of the first try is left. And the sender's next message still opens.
#[test]
fn a_refused_commit_leaves_the_secret_tree_as_it_was() {
    let mut room = Room::new(14);
    room.admit(&["Bob", "Carol"]);
    let position = room.next();
    let bob = &mut room.seat("Bob").call;
    let commit = bob.group.stage_own(crate::group::Plan::default(), position).expect("lets him").commit;
    bob.group.drop_own().expect("storage works");
    let carol = &mut room.seat("Carol").call;
    for _ in 0..3 {
        let entry = crate::group::LogEntry::decode(&commit, carol.id, carol.group.epoch(), position);
        match carol.group.process(entry.expect("it decodes")) {
            Ok(crate::group::Processed::Commit { staged, .. }) => carol.group.refuse(staged),
            _ => panic!("it is an authentic commit each time"),
        }
    }
}

#[test]
fn who_leaves_is_taken_off_the_roster_by_a_host() {
    let mut room = Room::new(15);
    room.admit(&["Bob", "Carol"]);
    let bob = room.id("Bob");
    room.act("Bob", |call, now| call.leave(now)).expect("anybody may");
    room.pass(SECOND);
    assert_eq!(room.names(), ["Ann", "Carol"]);
    assert_eq!(room.seat("Bob").call.ended(), Some(EndReason::Left));
    assert_eq!(room.next(), 3, "the wish, and Ann's commit");
    assert!(room.seat("Carol").events.contains(&Event::Leaving(bob)));
    let Cause::Commit { left, removed, .. } = room.seat("Carol").call.roster().cause.clone() else {
        panic!()
    };
    assert_eq!((left, removed), (vec![bob], vec![]));
}

#[test]
fn two_leave_at_once_and_one_commit_covers_both() {
    let mut room = Room::new(16);
    room.admit(&["Bob", "Carol", "Dave"]);
    let now = room.now;
    for name in ["Bob", "Carol"] {
        room.seat(name).call.leave(now).expect("anybody may");
        room.seat(name).drain(now);
    }
    room.settle();
    room.pass(SECOND);
    assert_eq!(room.names(), ["Ann", "Dave"]);
    for name in ["Bob", "Carol"] {
        assert_eq!(room.seat(name).call.ended(), Some(EndReason::Left));
    }
}

/// R2: a host cannot keep somebody in the call who asked to leave.
#[test]
fn a_commit_that_ignores_a_leave_is_skipped() {
    let mut room = two_hosts(17);
    let (bob, now) = (room.id("Bob"), room.now);
    room.seat("Carol").call.leave(now).expect("anybody may");
    room.seat("Carol").drain(now);
    let wish = std::mem::take(&mut room.seat("Carol").outbox);
    room.post(&wish[0]);
    // Everybody but Ann reads the wish; she is slow, so Bob's commit comes first.
    let position = room.next();
    let message = Message { lane: Lane::Log { position: position - 1 }, payload: wish[0].payload.clone() };
    let seat = room.seat("Bob");
    seat.call.handle_message(&message, now).expect("in order");
    seat.drain(now);
    seat.outbox.clear();
    let group = &mut seat.call.group;
    group.forge_deafness();
    let commit = group.stage_own(crate::group::Plan::default(), position).expect("lets him").commit;
    group.drop_own().expect("storage works");
    room.log.push(Bytes::from(commit));
    room.settle();
    assert_eq!(room.last_skip("Dave"), policy(bob, Violation::LeaveIgnored));
    assert!(room.seat("Carol").call.ended().is_some(), "Ann's commit took her off");
}

/// The host with the lowest leaf commits departures; if it does not, the next steps in.
#[test]
fn another_host_steps_in_when_the_first_does_not_commit_a_departure() {
    let mut room = two_hosts(18);
    let ann = room.seats.remove("Ann").expect("she was here"); // her machine crashes
    room.act("Carol", |call, now| call.leave(now)).expect("anybody may");
    assert!(room.seat("Carol").call.ended().is_none());
    room.pass(Duration::from_secs(3));
    assert_eq!(room.seat("Carol").call.ended(), Some(EndReason::Left));
    drop(ann);
}

/// R3
#[test]
fn when_the_last_host_leaves_the_call_ends_for_all() {
    let mut room = Room::new(19);
    room.admit(&["Bob"]);
    room.act("Ann", |call, now| call.leave(now)).expect("anybody may");
    assert_eq!(room.seat("Ann").call.ended(), Some(EndReason::Left));
    assert_eq!(room.seat("Bob").call.ended(), Some(EndReason::LastHostLeft));
    let command = room.act("Bob", |call, now| call.leave(now));
    assert_eq!(command, Err(CallError::Ended));
}

/// R3: one of two hosts may leave; the call goes on.
#[test]
fn one_of_two_hosts_leaves_and_the_other_carries_on() {
    let mut room = two_hosts(20);
    room.act("Ann", |call, now| call.leave(now)).expect("anybody may");
    room.pass(Duration::from_secs(3));
    assert_eq!(room.names(), ["Bob", "Carol", "Dave"]);
    let dave = room.id("Dave");
    room.act("Bob", |call, now| call.remove(&[dave], now)).expect("Bob is a host");
    assert_eq!(room.names(), ["Bob", "Carol"]);
}

/// R3: a signature key that was here before does not come back, not even for a member who came later and never saw it.
#[test]
fn newcomers_know_which_keys_were_here_before() {
    let mut room = Room::new(21);
    let bob = room.knock("Bob");
    let key_package = bob.key_package_for_tests();
    room.act("Ann", |call, now| call.admit(&[bob.id()], now)).expect("Ann may");
    let call = room.enter(bob).expect("Bob gets in");
    room.sit("Bob", call);
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.remove(&[bob], now)).expect("Ann may");
    room.seats.remove("Bob");
    room.pass(SECOND);
    room.admit(&["Carol"]); // she never saw Bob
    let (ann, position) = (room.id("Ann"), room.next());
    let group = &mut room.seat("Ann").call.group;
    let verified = group.verify_key_package(&key_package).expect("a good one");
    let psk_id = room.invite().psk_id();
    let group = &mut room.seat("Ann").call.group;
    let plan = crate::group::Plan { adds: vec![&verified], psk_id: &psk_id, ..Default::default() };
    let commit = group.stage_own(plan, position).expect("the engine lets her").commit;
    group.drop_own().expect("storage works");
    room.inject(commit);
    assert_eq!(room.last_skip("Carol"), policy(ann, Violation::KeyReused));
}

/// R24: there is one own commit under way at most; whatever is wanted meanwhile goes into the next.
#[test]
fn what_is_wanted_while_a_commit_is_under_way_goes_into_the_next_one() {
    let mut room = Room::new(22);
    room.admit(&["Bob", "Carol", "Dave"]);
    let (bob, carol, dave, now) = (room.id("Bob"), room.id("Carol"), room.id("Dave"), room.now);
    let before = room.next();
    for id in [bob, carol, dave] {
        let seat = room.seat("Ann");
        seat.call.remove(&[id], now).expect("Ann may");
        seat.drain(now);
        assert_eq!(seat.outbox.len(), 1);
    }
    room.settle();
    room.pass(SECOND * 2);
    assert_eq!((room.names(), room.next()), (vec!["Ann".to_owned()], before + 2));
}
