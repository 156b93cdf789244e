//! A commit that cannot be applied by some: R7.

use core::time::Duration;

use bytes::BytesMut;

use super::room::{FRAME, Room};
use crate::call::*;
use crate::group::{Group, Plan};
use crate::sframe::SealError;

const SECOND: Duration = Duration::from_secs(1);

/// Ann and Bob are hosts; Carol, Dave, Erin and Frank are in. Ann's client is tampered with.
fn room(seed: u64) -> Room {
    Room::hosted(seed, &["Bob", "Carol", "Dave", "Erin", "Frank"], &["Bob"])
}

impl Room {
    /// Keys to which a path of Ann's is sealed: she alone has made paths so far, so each of the others learns it by his leaf's key.
    fn leaf_keys(&mut self, names: &[&str]) -> Vec<Vec<u8>> {
        let leaves = self.seat("Ann").call.group.leaves();
        let ids = names.iter().map(|name| self.id(name)).collect::<Vec<_>>();
        let roster = self.seat("Ann").call.roster();
        let leaf = |id: &ParticipantId| roster.member(*id).expect("they are in").leaf;
        let theirs = ids.iter().map(leaf).collect::<Vec<_>>();
        leaves.iter().filter(|l| theirs.contains(&l.index)).map(|l| l.encryption_key.clone()).collect()
    }

    /// Somebody commits the removal of a leaf, with a path of which the owners of some keys learn something wrong.
    fn forge_path(
        &mut self,
        by: &str,
        removes: u32,
        spoils: impl Fn(&[u8]) -> bool + Send + 'static,
    ) -> Vec<u8> {
        let plan = Plan { removes: vec![removes], ..Plan::default() };
        let forge =
            |group: &mut Group, position| group.forge_path(plan, Box::new(spoils), position).expect("he can");
        self.forge(by, forge)
    }

    /// Ann removes Frank, with a path that is wrong for some.
    fn wrong_path(&mut self, for_whom: &[&str]) {
        let wrong_for = self.leaf_keys(for_whom);
        let frank = self.id("Frank");
        let leaf = self.seat("Ann").call.roster().member(frank).expect("he is in").leaf;
        let entry = self.forge_path("Ann", leaf, move |key| wrong_for.iter().any(|wrong| wrong == key));
        self.seats.remove("Ann"); // who made it stays away
        self.inject(entry);
    }
}

#[test]
fn who_cannot_apply_a_hosts_commit_says_so_stops_and_knocks_again() {
    let mut room = room(1);
    let (ann, carol) = (room.id("Ann"), room.id("Carol"));
    let position = room.next();
    room.wrong_path(&["Carol"]);
    let stranded = Event::Stranded { position, by: ann };
    assert!(room.was_told("Carol", |event| *event == stranded));
    for other in ["Bob", "Dave", "Erin"] {
        assert!(room.seat(other).call.epoch() > Epoch(2), "{other} applied it");
        let said = Event::MemberStranded { id: carol, position };
        assert!(room.was_told(other, |event| *event == said), "{other} knows");
    }
    room.seal("Carol", b"until the deadline");
    assert_eq!(room.act("Carol", |call, now| call.leave(now)), Err(CallError::Stranded));
    room.pass(SECOND);
    assert_eq!(room.seat("Carol").call.ended(), Some(EndReason::Stranded { by: ann }));
    assert_eq!(room.seat("Carol").sealer.seal(FRAME, b"", &mut BytesMut::new()), Err(SealError::Ended));
    let roster = room.seat("Bob").call.roster();
    assert!(roster.member(carol).is_none(), "a host took her off the roster");

    // One call of the API.
    let carols = room.seats.remove("Carol").expect("she is here");
    let random = room.random();
    let (guest, knock) = carols.call.rejoin(random).expect("she knows the invite");
    room.post(&knock);
    room.settle();
    room.pass(SECOND);
    room.act("Bob", |call, now| call.admit(&[guest.id()], now)).expect("Bob may");
    room.pass(SECOND * 3);
    let call = room.enter(guest).expect("she gets in");
    assert_eq!(call.roster().me().map(|me| me.name.as_str()), Some("Carol"));
    room.sit("Carol", call);
    room.pass(SECOND * 2);
    let frame = room.seal("Carol", b"back again");
    assert!(room.open("Dave", &frame).is_ok());
}

/// Half of the members cannot apply it, the other half can: nobody guesses, and nobody waits for ever.
#[test]
fn a_path_that_is_wrong_for_half_of_the_members_leaves_the_other_half_a_call() {
    let mut room = room(2);
    let ann = room.id("Ann");
    room.wrong_path(&["Carol", "Erin"]);
    room.pass(SECOND * 2);
    for name in ["Carol", "Erin"] {
        assert_eq!(room.seat(name).call.ended(), Some(EndReason::Stranded { by: ann }), "{name}");
    }
    assert_eq!(room.names(), ["Ann", "Bob", "Dave"]);
}

#[test]
fn a_path_that_is_wrong_for_all_leaves_its_maker_alone() {
    let mut room = room(3);
    let ann = room.id("Ann");
    room.wrong_path(&["Bob", "Carol", "Dave", "Erin"]);
    room.pass(SECOND * 2);
    for name in ["Bob", "Carol", "Dave", "Erin"] {
        assert_eq!(room.seat(name).call.ended(), Some(EndReason::Stranded { by: ann }), "{name}");
    }
    assert_eq!(room.seat("Frank").call.ended(), Some(EndReason::Removed { by: ann }));
}

/// R1 before R7: what an ordinary member commits means nothing, to those who could apply it and to those who could not.
#[test]
fn nobody_is_stranded_by_who_is_no_host() {
    let mut room = room(4);
    let (carol, frank) = (room.id("Carol"), room.id("Frank"));
    let leaf = room.seat("Ann").call.roster().member(frank).expect("he is in").leaf;
    let entry = room.forge_path("Carol", leaf, |_| true);
    let carols = room.seats.remove("Carol").expect("she is here");
    let tried = Attempt::default();
    room.refuses(entry, SkipReason::Policy { by: carol, violation: Violation::NotAHost, tried });
    assert_eq!(room.last_attempt("Dave"), Attempt { removes: 1, ..tried });
    room.seats.insert("Carol", carols);
    room.settle();
    assert_eq!(room.names().len(), 6);
    // The call goes on.
    room.act("Ann", |call, now| call.remove(&[frank], now)).expect("Ann may");
    assert_eq!(room.names().len(), 5);
}
