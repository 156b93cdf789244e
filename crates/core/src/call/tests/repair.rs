//! R1 in large calls: members repair blank parts of the tree where the policy lets them, and have no other power by it.

use core::time::Duration;

use super::room::*;
use crate::call::commits::STAGGER;
use crate::call::*;
use crate::group::Plan;

const SECOND: Duration = Duration::from_secs(1);
/// A tree of five blocks.
const PEOPLE: usize = 80;

/// A call of that many, let in at once.
fn crowd(seed: u64, members_repair: bool) -> (Room, Vec<&'static str>) {
    let config = CallConfig { members_repair, ..CallConfig::default() };
    let mut room = Room::with(seed, &config);
    let names = (1..PEOPLE).map(|n| &*format!("p{n:02}").leak()).collect::<Vec<_>>();
    room.admit(&names);
    (room, names)
}

fn removal(room: &mut Room, name: &str) -> usize {
    let id = room.id(name);
    let at = room.log.len();
    room.act("Ann", |call, now| call.remove(&[id], now)).expect("Ann may");
    room.log[at].len()
}

/// Returns who committed, in order, as everybody was told; nobody heard anything else.
fn committers(room: &mut Room, name: &str) -> Vec<ParticipantId> {
    let causes = room.seat(name).events.iter().filter_map(|event| match event {
        Event::Roster(roster) => Some(roster.cause.clone()),
        _ => None,
    });
    causes.filter_map(|cause| if let Cause::Commit { by, .. } = cause { Some(by) } else { None }).collect()
}

#[test]
fn after_a_mass_admission_members_repair_the_tree_and_removals_are_short() {
    let (mut blank, _) = crowd(70, false);
    blank.pass(SECOND * 30);
    assert_eq!(blank.log.len(), 1, "without the policy nobody does anything");
    let long = removal(&mut blank, "p40");

    let (mut room, _) = crowd(70, true);
    room.pass(SECOND * 30);
    let repairs = room.log.len() - 1;
    assert!((3..=5).contains(&repairs), "{repairs}: for most parts of the tree one");
    let short = removal(&mut room, "p40");
    assert!(short * 7 < long * 4, "{short} bytes, and {long} without");
    room.pass(SECOND * 5);
    let code = room.seat("Ann").call.code();
    for (name, seat) in room.seats.iter().filter(|(name, _)| **name != "p40") {
        assert!(seat.call.code() == code, "{name} is with us");
        assert!(!seat.events.iter().any(|event| matches!(event, Event::Skipped { .. })), "{name}");
    }
}

/// Everybody seals and opens under the epoch that a member made.
#[test]
fn a_members_repair_is_an_epoch_like_any_other() {
    let (mut room, _) = crowd(71, true);
    room.pass(SECOND * 30);
    let by = committers(&mut room, "p01");
    let ann = room.id("Ann");
    assert!(by.iter().any(|by| *by != ann), "members did it");
    let newest = room.seat("p01").call.epoch();
    assert_eq!(room.seat("p79").call.sealing_epoch(), Some(newest));
    let frame = room.seal("p79", b"hello");
    assert_eq!(room.open("p05", &frame).expect("it opens").0, room.id("p79"));
}

/// Whoever wants to leave leaves with the next commit, whoever makes it.
#[test]
fn who_leaves_meanwhile_is_covered() {
    let (mut room, _) = crowd(72, true);
    room.act("p33", |call, now| call.leave(now)).expect("he may");
    room.pass(SECOND * 30);
    assert_eq!(room.seat("p33").call.ended(), Some(EndReason::Left));
    assert_eq!(room.seat("p01").call.roster().members.len(), PEOPLE - 1);
}

/// The one whose turn it is does not do it: the next one does.
#[test]
fn somebody_else_does_it_if_the_first_one_does_not() {
    let (mut room, names) = crowd(73, true);
    let first = *names.iter().min_by_key(|name| room.seats[**name].call.repair_at).expect("many are here");
    let due = core::mem::replace(&mut room.seat(first).call.repair_at, Time::NEVER);
    let until_then = due - room.now;
    room.pass(until_then + STAGGER / 2);
    assert_eq!(room.log.len(), 1, "it was his turn, and he did nothing");
    room.pass(STAGGER);
    assert_eq!(room.log.len(), 2, "somebody did");
    let lazy = room.id(first);
    let by = committers(&mut room, if first == "p01" { "p02" } else { "p01" });
    assert!(by.len() == 1 && by[0] != lazy, "{by:?}");
}

/// Where nothing is to be repaired a member's commit is skipped, as everywhere.
#[test]
fn a_member_does_not_commit_where_nothing_is_blank() {
    let (mut room, _) = crowd(74, true);
    room.pass(SECOND * 30);
    let epoch = room.seat("Ann").call.epoch();
    let entry = room
        .forge("p02", |group, at| group.stage_own(Plan::default(), at).expect("the engine lets him").commit);
    let position = room.next();
    room.post(&Message { lane: Lane::Log { position }, payload: entry.into() });
    room.settle();
    assert_eq!(room.seat("Ann").call.epoch(), epoch);
    let skipped = |event: &Event| {
        let Event::Skipped { reason: SkipReason::Policy { violation, .. }, .. } = event else { return false };
        *violation == Violation::NotAHost
    };
    assert!(room.seat("Ann").events.iter().any(skipped));
}

/// And where something is, he may do that and nothing else.
#[test]
fn a_member_who_may_repair_may_not_remove() {
    let (mut room, _) = crowd(75, true);
    let entry = room.forge("p02", |group, at| {
        let plan = Plan { removes: vec![40], ..Plan::default() };
        group.stage_own(plan, at).expect("the engine lets him").commit
    });
    let position = room.next();
    room.post(&Message { lane: Lane::Log { position }, payload: entry.into() });
    room.settle();
    assert_eq!(room.seat("p01").call.roster().members.len(), PEOPLE);
}
