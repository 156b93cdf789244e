//! Several hosts, what each may do, and the invite that they share: R1 to R3, R12.

use core::time::Duration;

use super::room::Room;
use crate::call::policy::HostEntry;
use crate::call::*;
use crate::group::{EntryFault, Group};

const SECOND: Duration = Duration::from_secs(1);

/// Makes an entry for a log position.
type Forge<'a> = &'a dyn Fn(&mut Group, u64) -> Vec<u8>;

fn skipped(by: ParticipantId, violation: Violation) -> SkipReason {
    SkipReason::Policy { by, violation, tried: Attempt::default() }
}

/// Ann founded it; Bob is a host too, Carol a moderator; Dave is in.
fn room(seed: u64) -> Room {
    let mut room = Room::new(seed);
    room.admit(&["Bob", "Carol", "Dave"]);
    let (bob, carol) = (room.id("Bob"), room.id("Carol"));
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.act("Ann", |call, now| call.make_moderator(carol, now)).expect("Ann may");
    room.pass(SECOND * 12);
    room
}

impl Room {
    fn rights(&mut self, name: &str) -> (bool, bool) {
        let call = &self.seat(name).call;
        (call.is_host(), call.can_admit())
    }

    /// What stands in a guest's mailbox.
    fn answer(&self, guest: &Guest) -> HostAnswer {
        let answers = self.mailboxes.get(&guest.answer_mailbox()).expect("there is an answer");
        guest.open_answer(answers.last().expect("there is one")).expect("it is authentic")
    }
}

/// R12: a host needs the lobby's private key to hear guests, and gets it from another host.
#[test]
fn a_new_host_gets_the_lobbys_key_and_lets_guests_in() {
    let mut room = room(1);
    assert_eq!(
        ["Ann", "Bob", "Carol", "Dave"].map(|name| room.rights(name)),
        [(true, true), (true, true), (true, false), (false, false)]
    );
    let erin = room.knock("Erin");
    for host in ["Ann", "Bob"] {
        assert!(
            room.was_told(host, |event| matches!(event, Event::Knock(knock) if knock.id == erin.id())),
            "{host}"
        );
    }
    room.act("Bob", |call, now| call.admit(&[erin.id()], now)).expect("Bob may");
    let gone = Event::KnockGone(erin.id());
    assert!(room.was_told("Ann", |event| *event == gone), "Bob answered him");
    let call = room.enter(erin).expect("Erin gets in");
    assert_eq!(call.roster().me().and_then(|me| me.admitted_by), Some(room.id("Bob")));
}

#[test]
fn a_guest_whom_one_host_turns_away_waits_with_none() {
    let mut room = room(2);
    let erin = room.knock("Erin");
    room.act("Bob", |call, now| call.deny(erin.id(), now)).expect("Bob may");
    assert!(matches!(room.answer(&erin), HostAnswer::Denied));
    assert_eq!(room.act("Ann", |call, now| call.admit(&[erin.id()], now)), Err(CallError::NotWaiting));
}

/// A host who was made one late does not see those again who were turned away before.
#[test]
fn a_new_host_hears_who_waits_and_not_who_was_answered() {
    let mut room = Room::new(3);
    room.admit(&["Bob"]);
    let (denied, waits) = (room.knock("Mallory"), room.knock("Erin"));
    room.act("Ann", |call, now| call.deny(denied.id(), now)).expect("Ann may");
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND);
    let knock =
        |id: ParticipantId| move |event: &Event| matches!(event, Event::Knock(knock) if knock.id == id);
    assert!(room.was_told("Bob", knock(waits.id())));
    assert!(!room.was_told("Bob", knock(denied.id())));
}

/// R1
#[test]
fn who_is_no_host_is_ignored_and_named_whatever_he_tries() {
    let mut room = room(4);
    let (dave, carol) = (room.id("Dave"), room.id("Carol"));
    assert_eq!(room.act("Dave", |call, now| call.remove(&[carol], now)), Err(CallError::NotHost));
    assert_eq!(room.act("Dave", |call, now| call.lock(now)), Err(CallError::NotHost));
    assert_eq!(room.act("Dave", |call, now| call.rotate_invite(now)), Err(CallError::NotHost));

    let friend = room.knock("Friend").key_package_for_tests();
    let psk_id = room.invite().psk_id();
    let leaf = room.seat("Ann").call.roster().member(carol).expect("she is in").leaf;
    let mut policy = room.seat("Dave").call.policy.clone();
    policy.hosts.push(HostEntry::new(room.seat("Dave").call.group.own_signature_key(), true));
    let policy = policy.encode();
    let nothing = Attempt::default();
    let attempts: [(Forge<'_>, Attempt); 4] = [
        (
            &|group, position| {
                let friend = group.verify_key_package(&friend).expect("well made");
                let plan = crate::group::Plan { adds: vec![&friend], psk_id: &psk_id, ..Default::default() };
                group.stage_own(plan, position).expect("the engine lets him").commit
            },
            Attempt { admits: 1, ..nothing },
        ),
        (
            &|group, position| {
                let plan = crate::group::Plan { removes: vec![leaf], ..Default::default() };
                group.stage_own(plan, position).expect("the engine lets him").commit
            },
            Attempt { removes: 1, ..nothing },
        ),
        (
            &|group, position| group.forge_policy(policy.clone(), None, position),
            Attempt { policy: Some(PolicyChange { hosts: true, ..PolicyChange::default() }), ..nothing },
        ),
        (
            &|group, position| {
                group.stage_own(Default::default(), position).expect("the engine lets him").commit
            },
            nothing,
        ),
    ];
    for (forge, tried) in attempts {
        let entry = room.forge("Dave", forge);
        room.seat("Dave").call.group.drop_own().expect("storage works");
        let mut honest = room.seats.remove("Dave").expect("he is here");
        room.refuses(entry, skipped(dave, Violation::NotAHost));
        assert_eq!(room.last_attempt("Carol"), tried, "everybody sees who tried what");
        honest.events.clear();
        room.seats.insert("Dave", honest);
        room.settle();
    }
    assert_eq!(room.seat("Ann").call.diagnostics().policy_violations, 4);
}

/// R2: what not even a host may do.
#[test]
fn no_host_brings_his_own_psk_reinits_mixes_policy_and_people_or_lets_in_from_outside() {
    let mut room = room(5);
    let bob = room.id("Bob");
    let erin = room.knock("Erin").key_package_for_tests();
    let (psk_id, policy) = (room.invite().psk_id(), room.seat("Bob").call.policy.encode());
    let attempts: [(Forge<'_>, SkipReason); 4] = [
        (&|group, position| group.forge_psk(position), skipped(bob, Violation::Invite)),
        (&|group, position| group.forge_reinit(position), skipped(bob, Violation::Proposal)),
        (
            &|group, position| {
                let erin = group.verify_key_package(&erin).expect("well made");
                group.forge_policy(policy.clone(), Some((&erin, &psk_id)), position)
            },
            skipped(bob, Violation::PolicyNotAlone),
        ),
        (&|group, position| group.forge_external_commit(position), SkipReason::Entry(EntryFault::NotPrivate)),
    ];
    for (forge, reason) in attempts {
        let entry = room.forge("Bob", forge);
        let bob = room.seats.remove("Bob").expect("he is here");
        room.refuses(entry, reason);
        room.seats.insert("Bob", bob);
        room.settle();
    }
}

#[test]
fn a_locked_call_does_not_grow_whoever_wants_it() {
    let mut room = room(6);
    let bob = room.id("Bob");
    let erin = room.knock("Erin");
    room.act("Carol", |call, now| call.lock(now)).expect("a moderator may");
    assert!(["Ann", "Bob", "Carol", "Dave"].iter().all(|name| room.seat(name).call.is_locked()));
    assert_eq!(room.act("Ann", |call, now| call.admit(&[erin.id()], now)), Err(CallError::Locked));
    let (key_package, psk_id) = (erin.key_package_for_tests(), room.invite().psk_id());
    let entry = room.forge("Bob", |group, position| {
        let erin = group.verify_key_package(&key_package).expect("well made");
        let plan = crate::group::Plan { adds: vec![&erin], psk_id: &psk_id, ..Default::default() };
        group.stage_own(plan, position).expect("the engine lets him").commit
    });
    room.seat("Bob").call.group.drop_own().expect("storage works");
    let bobs = room.seats.remove("Bob").expect("he is here");
    room.refuses(entry, skipped(bob, Violation::Locked));
    room.seats.insert("Bob", bobs);
    room.settle();

    room.pass(SECOND);
    room.act("Ann", |call, now| call.unlock(now)).expect("Ann may");
    room.pass(SECOND * 2);
    room.act("Ann", |call, now| call.admit(&[erin.id()], now)).expect("open again");
    room.pass(SECOND * 2);
    assert!(room.enter(erin).is_ok());
}

/// A lock that is on its way stops admissions that were on their way behind it.
#[test]
fn who_was_to_be_admitted_waits_on_when_the_call_is_locked() {
    let mut room = room(7);
    let erin = room.knock("Erin");
    let now = room.now;
    let ann = &mut room.seat("Ann").call;
    ann.lock(now).expect("Ann may");
    ann.admit(&[erin.id()], now).expect("not locked yet");
    room.act("Ann", |_, _| ());
    room.pass(SECOND * 3);
    assert!(room.seat("Ann").call.is_locked());
    assert_eq!(room.seat("Ann").call.roster().members.len(), 4);
    room.act("Ann", |call, now| call.unlock(now)).expect("Ann may");
    room.pass(SECOND * 3);
    assert_eq!(room.act("Ann", |call, now| call.admit(&[erin.id()], now)), Ok(()), "he still waits");
}

#[test]
fn a_moderator_does_all_but_let_people_in() {
    let mut room = room(8);
    let (ann, carol, dave) = (room.id("Ann"), room.id("Carol"), room.id("Dave"));
    let erin = room.knock("Erin");
    let refused = Err(CallError::MayNotAdmit);
    assert_eq!(room.act("Carol", |call, now| call.admit(&[erin.id()], now)), refused);
    assert_eq!(room.act("Carol", |call, now| call.make_host(dave, now)), refused);
    assert_eq!(room.act("Carol", |call, now| call.rotate_invite(now)), refused);
    // Nor with a tampered client: not by a commit that adds, nor by giving herself the right, nor by an invite of her own.
    let (key_package, psk_id) = (erin.key_package_for_tests(), room.invite().psk_id());
    let key = room.seat("Carol").call.group.own_signature_key();
    let mut herself = room.seat("Carol").call.policy.clone();
    herself.hosts.retain(|host| host.key != key);
    herself.hosts.push(HostEntry::new(key, true));
    let mut invite = room.seat("Carol").call.policy.clone();
    let lobby_key = crate::crypto::hpke::KeyPair::derive(b"hers").public;
    let secret = zeroize::Zeroizing::new([3; 32]);
    invite.set_invite(&Invite { call: room.invite().call, number: 1, secret, lobby_key });
    let attempts: [Forge<'_>; 3] = [
        &|group, position| {
            let erin = group.verify_key_package(&key_package).expect("well made");
            let plan = crate::group::Plan { adds: vec![&erin], psk_id: &psk_id, ..Default::default() };
            group.stage_own(plan, position).expect("the engine lets her").commit
        },
        &|group, position| group.forge_policy(herself.encode(), None, position),
        &|group, position| group.forge_policy(invite.encode(), None, position),
    ];
    for forge in attempts {
        let entry = room.forge("Carol", forge);
        room.seat("Carol").call.group.drop_own().expect("storage works");
        let carols = room.seats.remove("Carol").expect("she is here");
        room.refuses(entry, skipped(carol, Violation::MayNotAdmit));
        room.seats.insert("Carol", carols);
        room.settle();
    }
    room.act("Carol", |call, now| call.make_moderator(dave, now)).expect("she may");
    room.pass(SECOND);
    assert_eq!(room.rights("Dave"), (true, false));
    room.act("Carol", |call, now| call.remove(&[ann], now)).expect("she may");
    room.pass(SECOND * 2);
    assert_eq!(room.names(), ["Bob", "Carol", "Dave"]);
}

/// R12: whoever has the old link only has nothing any more; who waits with it learns so.
#[test]
fn after_a_rotation_old_links_stop_working_and_new_ones_work() {
    let mut room = room(9);
    let waits = room.knock("Waits");
    let old = room.invite();
    room.act("Ann", |call, now| call.rotate_invite(now)).expect("Ann may");
    for name in ["Ann", "Bob", "Carol", "Dave"] {
        assert!(room.was_told(name, |event| *event == Event::InviteRotated), "{name}");
        assert_ne!(room.seat(name).call.invite(), old, "{name}");
    }
    assert!(matches!(room.answer(&waits), HostAnswer::LinkExpired));
    // Whoever comes later with the old link learns that it is one; and nothing made with it opens with the new key.
    let (late, knock) = Guest::knock(old, &Profile::person("Late").expect("a good name"), room.random())
        .expect("it is well made");
    let moved =
        Message { lane: Lane::Mailbox(room.invite().lobby_mailbox()), payload: knock.payload.clone() };
    room.post(&knock);
    room.settle();
    assert!(matches!(room.answer(&late), HostAnswer::LinkExpired));
    let refused = room.act("Ann", |call, now| call.handle_message(&moved, now));
    assert_eq!(refused, Err(HandleError::Knock(KnockFault::Unauthentic)));
    let is_late = |event: &Event| matches!(event, Event::Knock(knock) if knock.id == late.id());
    assert!(!room.was_told("Ann", is_late) && !room.was_told("Bob", is_late));
    // Bob has the new lobby's key.
    room.pass(SECOND * 2);
    assert_eq!(room.rights("Bob"), (true, true));
    let erin = room.knock("Erin");
    room.act("Bob", |call, now| call.admit(&[erin.id()], now)).expect("Bob may");
    assert!(room.enter(erin).is_ok());
}

/// R12: a host who is removed or demoted knew the lobby's key.
#[test]
fn removing_demoting_or_losing_a_host_rotates_the_invite() {
    for (seed, how) in [(10, "removed"), (11, "demoted"), (12, "left")] {
        let mut room = room(seed);
        let (bob, old) = (room.id("Bob"), room.invite());
        match how {
            "removed" => room.act("Ann", |call, now| call.remove(&[bob], now)).expect("Ann may"),
            "demoted" => room.act("Ann", |call, now| call.unmake_host(bob, now)).expect("Ann may"),
            _ => room.act("Bob", |call, now| call.leave(now)).expect("anybody may"),
        }
        room.pass(SECOND * 2);
        assert_eq!(room.invite().number, old.number + 1, "{how}");
        if how == "demoted" {
            assert_eq!(room.rights("Bob"), (false, false));
            assert_eq!(room.seat("Bob").call.mailboxes(), [], "he hears no knocks");
        }
    }
}

/// A moderator removes the only other host: somebody with the right to it rotates, as soon as there is one.
#[test]
fn another_host_rotates_when_the_first_does_not() {
    let mut room = room(13);
    let (carol, old) = (room.id("Carol"), room.invite());
    let carols = room.seats.remove("Carol").expect("she is here");
    let bobs_key = room.id("Bob");
    drop(carols);
    // Ann, who would be first, has crashed; Bob demotes nobody but removes her, and has to rotate himself.
    room.seats.get_mut("Ann").expect("she is here").no_log = true;
    let ann = room.id("Ann");
    room.act("Bob", |call, now| call.remove(&[ann, carol], now)).expect("Bob may");
    room.pass(SECOND * 3);
    let call = &room.seat("Bob").call;
    assert_eq!(call.invite().number, old.number + 1);
    assert_eq!(call.roster().members.iter().filter(|member| member.is_host).count(), 1);
    assert!(call.roster().member(bobs_key).is_some_and(|bob| bob.may_admit));
    assert_eq!(room.rights("Bob"), (true, true), "with the key that he made");
}

/// R3
#[test]
fn a_host_may_step_down_but_not_the_last_one() {
    let mut room = room(14);
    let (ann, bob, carol) = (room.id("Ann"), room.id("Bob"), room.id("Carol"));
    room.act("Ann", |call, now| call.unmake_host(ann, now)).expect("two others stay");
    room.pass(SECOND * 3);
    assert_eq!(room.rights("Ann"), (false, false));
    room.act("Bob", |call, now| call.unmake_host(carol, now)).expect("Bob may");
    room.pass(SECOND * 3);
    assert_eq!(room.act("Bob", |call, now| call.unmake_host(bob, now)), Err(CallError::LastHost));
    assert_eq!(room.act("Bob", |call, now| call.unmake_host(carol, now)), Err(CallError::NotAHost));
}

#[test]
fn a_changed_configuration_is_everybodys() {
    let mut room = room(15);
    let config = CallConfig { max_participants: 5, retention: SECOND * 8, ..CallConfig::default() };
    room.act("Bob", |call, now| call.set_config(&config, now)).expect("Bob may");
    for name in ["Ann", "Bob", "Carol", "Dave"] {
        assert_eq!(room.seat(name).call.config(), config, "{name}");
    }
    let other_bits = CallConfig { epoch_bits: 5, ..config.clone() };
    let fixed = Err(CallError::Config(ConfigError::Fixed));
    assert_eq!(room.act("Bob", |call, now| call.set_config(&other_bits, now)), fixed);
    let hasty = CallConfig { heartbeat: SECOND * 20, ..config };
    let unfit = Err(CallError::Config(ConfigError::Windows));
    assert_eq!(room.act("Bob", |call, now| call.set_config(&hasty, now)), unfit);
}

/// R12: who was removed knows the invite. After a host that is seen to at once, otherwise the hosts are asked.
#[test]
fn hosts_are_advised_to_rotate_after_a_removal() {
    let mut room = room(27);
    room.admit(&["Erin"]);
    let erin = room.id("Erin");
    room.act("Ann", |call, now| call.remove(&[erin], now)).expect("Ann may");
    room.pass(SECOND);
    for (name, told) in [("Ann", true), ("Bob", true), ("Dave", false)] {
        assert_eq!(room.was_told(name, |event| *event == Event::RotationAdvised), told, "{name}");
    }
}
