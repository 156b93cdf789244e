//! Stories that need a network: crashes, races, outages, and a server that means harm. In every one of them the room watches
//! besides over all that a call [promises](subrosa_testkit::room::Promise).

mod crashes;
mod mended;
mod network;
mod races;
mod villains;

use core::time::Duration;

use subrosa::{Call, CallError, Cause, ParticipantId, Time};
use subrosa_testkit::room::{Room, RoomConfig};

/// What each side of R21 has by default.
const WINDOW: Duration = Duration::from_secs(30);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A call of Ann, a host, and these guests.
fn room_of(seed: u64, guests: &[&str]) -> Room {
    room_like(seed, RoomConfig::default(), guests)
}

fn room_like(seed: u64, config: RoomConfig, guests: &[&str]) -> Room {
    let mut room = Room::new(seed, config);
    room.join_all(guests);
    room.pass(seconds(20));
    room
}

fn id(room: &Room, name: &str) -> ParticipantId {
    room.person(name).id()
}

fn make_host(room: &mut Room, by: &str, names: &[&str]) {
    for name in names {
        let id = id(room, name);
        room.act(by, |call, now| call.make_host(id, now)).expect("the host may");
    }
    // Time to hand on the lobby's key.
    room.pass(seconds(20));
}

fn remove(room: &mut Room, by: &str, name: &str) {
    let id = id(room, name);
    room.act(by, |call, now| call.remove(&[id], now)).expect("the host may");
}

#[track_caller]
fn tell(room: &mut Room, by: &str, command: impl FnOnce(&mut Call, Time) -> Result<(), CallError>) {
    if let Err(error) = room.act(by, command) {
        panic!("{by}: {error}");
    }
}

/// Names of those on the newest roster, sorted.
fn roster(room: &Room) -> Vec<&str> {
    let newest = room.epochs().last().expect("there is a call");
    let mut names = newest.members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>();
    names.sort_unstable();
    names
}

/// How many were removed by hosts so far.
fn removals(room: &Room) -> usize {
    let removed = |cause: &Cause| match cause {
        Cause::Commit { removed, .. } => removed.len(),
        _ => 0,
    };
    room.epochs().iter().map(|record| removed(&record.cause)).sum()
}

/// Returns how many frames opened while some time passed.
fn opened_in(room: &mut Room, time: Duration) -> u64 {
    let before = room.report().frames.opened;
    room.pass(time);
    room.report().frames.opened - before
}
