//! A server that keeps the log from somebody, and what it may add to that: nobody seals for who was removed for longer than the
//! liveness window (R21).

use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::room::{FRAME, Room};
use crate::call::*;
use crate::sframe::SealError;

const SECOND: Duration = Duration::from_secs(1);
/// The window, and the second that a room's step takes.
const BOUND: Duration = Duration::from_secs(31);

/// Ann is the host; Bob, Carol, Dave, Erin and Finn are in.
fn room(seed: u64, hosts: &[&str]) -> Room {
    Room::hosted(seed, &["Bob", "Carol", "Dave", "Erin", "Finn"], hosts)
}

impl Room {
    /// The server shows somebody the next entries, up to one.
    fn show(&mut self, name: &str, until: usize) {
        let now = self.now;
        for position in self.seat(name).call.log_position() as usize..until {
            let lane = Lane::Log { position: position as u64 };
            let payload = self.log[position].clone();
            self.seat(name).take_in(lane, payload, now);
        }
    }

    fn hands_over(&mut self, from: &str, to: &str) {
        let (old, new) = (self.id(from), self.id(to));
        self.act(from, |call, now| call.make_host(new, now)).expect("he may");
        self.pass(SECOND * 3);
        self.act(from, |call, now| call.unmake_host(old, now)).expect("he may");
        self.pass(SECOND * 3);
    }

    /// Lets time pass; returns how long after a moment somebody sealed last.
    fn seals_until(
        &mut self,
        name: &str,
        seconds: u32,
        since: Time,
        mut each: impl FnMut(&mut Self, u32),
    ) -> Duration {
        let mut last = Duration::ZERO;
        for second in 1..=seconds {
            self.pass(SECOND);
            each(self, second);
            if self.may_seal(name).is_ok() {
                last = self.now - since;
            }
        }
        last
    }
}

/// Each of the handovers is honest, and each new host would be worth a window of his own.
#[test]
fn withheld_handovers_prolong_nothing() {
    let mut room = room(1, &[]);
    let dave = room.id("Dave");
    room.seat("Carol").no_log = true;
    let mut shown = Vec::new();
    for (from, to) in [("Ann", "Bob"), ("Bob", "Erin"), ("Erin", "Finn")] {
        room.hands_over(from, to);
        shown.push(room.log.len());
    }
    room.act("Finn", |call, now| call.remove(&[dave], now)).expect("he may");
    assert!(room.seat("Finn").call.roster().member(dave).is_none());
    let removed_at = room.now;
    let last = room.seals_until("Carol", 200, removed_at, |room, second| {
        for (at, until) in [2, 20, 40].into_iter().zip(&shown) {
            if second == at {
                room.show("Carol", *until);
            }
        }
    });
    assert!(last <= BOUND, "{last:?}");
}

/// The only host listens for nobody. He makes Bob a host; the server appends that, and does not show it to him.
#[test]
fn the_only_host_does_not_wait_for_his_own_commit_for_ever() {
    let mut room = room(2, &[]);
    let (bob, dave) = (room.id("Bob"), room.id("Dave"));
    room.seat("Ann").no_log = true;
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("she may");
    assert!(room.seat("Bob").call.is_host());
    room.act("Bob", |call, now| call.remove(&[dave], now)).expect("he may");
    let removed_at = room.now;
    assert!(room.may_seal("Ann").is_ok());
    let last = room.seals_until("Ann", 100, removed_at, |_, _| {});
    assert!(last <= BOUND, "{last:?}");
    assert!(room.was_told("Ann", |event| *event == Event::CutOff { silent: vec![bob] }));
    // To Bob she was a host who falls silent.
    room.seat("Ann").no_log = false;
    room.settle();
    assert_eq!(room.seat("Ann").call.ended(), Some(EndReason::Removed { by: bob }));
}

/// Carol's machine sleeps, and her clock with it. The server records what is said meanwhile, and plays it when she is back.
#[test]
fn beats_that_were_recorded_while_somebody_slept_keep_nobody_going() {
    let mut room = room(3, &["Bob"]);
    room.pass(SECOND * 60);
    let mut carol = room.seats.remove("Carol").expect("she is here");
    let slept_at = room.now;
    let mut recorded: Vec<(u32, Bytes)> = Vec::new();
    for second in 1..=100 {
        let mark = room.talk.len();
        room.pass(SECOND);
        recorded.extend(room.talk[mark..].iter().map(|message| (second, message.clone())));
    }
    let dave = room.id("Dave");
    room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    carol.call.woke_up(slept_at);
    carol.drain(slept_at);
    for second in 1..=200 {
        let now = slept_at + SECOND * second;
        carol.call.handle_timeout(now);
        carol.drain(now);
        for (_, message) in recorded.iter().filter(|(at, _)| *at == second) {
            carol.take_in(Lane::Talk, message.clone(), now);
        }
        let sealed = carol.sealer.seal(FRAME, b"", &mut BytesMut::new());
        assert_eq!(sealed.err(), Some(SealError::Paused), "{second} s after she woke up");
    }
}

#[test]
fn whoever_wakes_up_in_an_honest_call_goes_on_with_the_next_beats() {
    let mut room = room(4, &["Bob"]);
    room.act("Carol", |call, now| call.woke_up(now));
    assert_eq!(room.may_seal("Carol"), Err(SealError::Paused));
    room.pass(SECOND * 21);
    assert_eq!(room.may_seal("Carol"), Ok(()));
    room.act("Ann", |call, now| call.woke_up(now));
    room.pass(SECOND * 21);
    assert_eq!(room.may_seal("Ann"), Ok(()), "a host too");
    assert_eq!(room.names().len(), 6);
}

/// A host's beats that are authentic and say nothing keep nobody going; so he is as good as silent, and hosts remove him.
#[test]
fn a_host_whose_beats_say_nothing_is_removed() {
    let mut room = room(5, &["Bob"]);
    let bob = room.id("Bob");
    let (beat, _) = room.seat("Bob").call.forge_talk(u64::MAX);
    room.talk.push(beat);
    room.settle();
    room.pass(SECOND * 60);
    assert!(room.seat("Ann").call.roster().member(bob).is_none());
    assert!(["Ann", "Carol", "Dave"].iter().all(|name| room.may_seal(name).is_ok()));
}

/// The same of one who never echoes anything.
#[test]
fn a_host_who_never_echoes_is_removed() {
    let mut room = room(12, &[]);
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    let mut bobs = room.seats.remove("Bob").expect("he is here");
    for number in 0..7 {
        let (beat, _) = bobs.call.forge_talk(number);
        room.talk.push(beat);
        room.settle();
        room.pass(SECOND * 10);
    }
    assert!(room.seat("Ann").call.roster().member(bob).is_none());
    room.pass(SECOND * 10);
    assert!(["Ann", "Carol", "Dave"].iter().all(|name| room.may_seal(name).is_ok()));
}

/// What R22 leaves to the user, and at which price: the event says that the hosts may well be there.
#[test]
fn who_goes_on_without_hosts_that_are_kept_from_him_is_warned() {
    let mut room = room(6, &[]);
    let dave = room.id("Dave");
    room.seat("Carol").no_log = true;
    room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    room.pass(SECOND * 31);
    assert!(room.was_told("Carol", |event| *event == Event::HostSilent { newer_epoch: true }));
    room.act("Carol", |call, now| call.go_on_without_host(now)).expect("no host is heard");
    assert!(room.seat("Carol").call.is_going_on());
    assert_eq!(room.may_seal("Carol"), Ok(()), "Dave reads her, and it is her own wish");
    assert!(room.seat("Carol").call.roster().member(dave).is_some(), "her roster says so");
}

/// The server appends the commit that makes Bob a host, and shows Ann garbage in its place, again and again.
#[test]
fn garbage_does_not_keep_the_only_host_going() {
    let mut room = room(7, &[]);
    let (bob, dave) = (room.id("Bob"), room.id("Dave"));
    room.seat("Ann").no_log = true;
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("she may");
    assert!(room.seat("Bob").call.is_host());
    room.act("Bob", |call, now| call.remove(&[dave], now)).expect("he may");
    assert!(room.seat("Carol").call.roster().member(dave).is_none());
    let removed_at = room.now;
    let mut last = Duration::ZERO;
    for second in 1..=300_u32 {
        room.pass(SECOND);
        if second % 20 == 0 {
            let now = room.now;
            let position = room.seat("Ann").call.log_position();
            room.seat("Ann").take_in(Lane::Log { position }, Bytes::from_static(b"garbage"), now);
            room.settle();
        }
        if room.may_seal("Ann").is_ok() {
            last = room.now - removed_at;
        }
    }
    assert!(last <= SECOND * 31, "Ann seals for Dave for {last:?}");
}

/// She hands over and leaves; the server withholds both from her.
#[test]
fn leaving_does_not_keep_the_only_host_going() {
    let mut room = room(8, &[]);
    let (bob, dave) = (room.id("Bob"), room.id("Dave"));
    room.seat("Ann").no_log = true;
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("she may");
    room.act("Ann", |call, now| call.leave(now)).expect("she may");
    room.act("Bob", |call, now| call.remove(&[dave], now)).expect("he may");
    let removed_at = room.now;
    let mut last = Duration::ZERO;
    for _ in 1..=200_u32 {
        room.pass(SECOND);
        if room.may_seal("Ann").is_ok() {
            last = room.now - removed_at;
        }
    }
    assert!(
        last <= SECOND * 31,
        "Ann seals for Dave for {last:?}; ended: {:?}",
        room.seat("Ann").call.ended()
    );
}

/// How long she slept, her clock does not tell.
#[test]
fn the_only_host_who_slept_with_a_commit_under_way_does_not_seal() {
    let mut room = room(9, &[]);
    let (bob, dave) = (room.id("Bob"), room.id("Dave"));
    room.seat("Ann").no_log = true;
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("she may");
    room.act("Bob", |call, now| call.remove(&[dave], now)).expect("he may");
    room.act("Ann", |call, now| call.woke_up(now));
    assert!(room.may_seal("Ann").is_err(), "an hour has passed, and she does not know who is a host");
}

/// An outage of the log, and a wish meanwhile: nobody can have become a host.
#[test]
fn a_wish_during_an_outage_of_the_log_cuts_the_only_host_off_from_nothing() {
    let mut room = room(10, &[]);
    let bob = room.id("Bob");
    room.seat("Ann").no_log = true;
    room.act("Ann", |call, now| call.lock(now)).expect("she may");
    room.pass(SECOND * 31);
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("she may");
    assert_eq!(room.may_seal("Ann"), Ok(()), "her commit that is under way only locks");
}

/// Garbage took the place of her commit, and she thinks better of it. As soon as Bob speaks in a later epoch of hers, it is certain that
/// he follows no other log.
#[test]
fn an_offer_that_came_to_nothing_is_forgotten() {
    let mut room = room(11, &[]);
    let bob = room.id("Bob");
    let garbage = Bytes::from_static(b"garbage");
    room.log.push(garbage);
    let now = room.now;
    room.seat("Ann").call.make_host(bob, now).expect("she may");
    room.seat("Ann").call.wanted.make_host.clear();
    room.settle();
    assert!(!room.seat("Bob").call.is_host());
    assert!(room.seat("Ann").call.offered.is_some());
    room.act("Ann", |call, now| call.lock(now)).expect("she may");
    assert!(room.seat("Ann").call.offered.is_none(), "Bob has acknowledged the lock");
    room.pass(SECOND * 60);
    assert_eq!(room.may_seal("Ann"), Ok(()));
}

/// R21: hosts remove a silent host before anybody is cut off; also one who was silent from the first moment on, whenever that was.
#[test]
fn a_new_host_whose_machine_is_gone_cuts_nobody_off() {
    let mut worst = Vec::new();
    for phase in 0..10 {
        let mut room = Room::new(20 + u64::from(phase));
        room.admit(&["Bob", "Carol", "Dave"]);
        let bob = room.id("Bob");
        room.pass(SECOND * (60 + phase));
        room.seats.remove("Bob");
        room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
        let mut off = 0;
        for _ in 0..300 {
            room.pass(SECOND / 10);
            off += u32::from(room.may_seal("Carol").is_err());
        }
        worst.push(off);
    }
    assert_eq!(
        worst, [0; 10],
        "tenths of a second that Carol does not seal, by the seconds since Ann's beat"
    );
}
