//! What members may say to each other beside the log, and what becomes of it (R20).

use core::time::Duration;

use super::room::Room;
use crate::call::*;
use crate::sframe::{Header, KeyId, MAX_HEADER_LEN};

const SECOND: Duration = Duration::from_secs(1);

/// Ann and Bob are hosts, Carol and Dave are in.
fn room(seed: u64) -> Room {
    Room::hosted(seed, &["Bob", "Carol", "Dave"], &["Bob"])
}

/// Every member has the key that talk is sealed under; the signature says who of them it was.
#[test]
fn a_member_cannot_speak_in_a_hosts_name() {
    let mut room = room(1);
    let ann = room.id("Ann");
    let leaf = room.seat("Carol").call.roster().member(ann).expect("in").leaf;
    let forged = room.seat("Dave").call.forge_beat_of(leaf, 1 << 40).expect("she is there");
    let now = room.now;
    let message = Message { lane: Lane::Talk, payload: forged };
    let refused = room.seat("Carol").call.handle_message(&message, now);
    assert_eq!(refused, Err(HandleError::Talk(TalkFault::Unauthentic)));
}

/// That a knock was answered is for those to say who may admit.
#[test]
fn a_member_cannot_hide_a_knock_from_the_hosts() {
    let mut room = room(2);
    let erin = room.knock("Erin");
    let hash =
        room.seat("Ann").call.lobby.as_ref().expect("hers").waiting(erin.id()).expect("waits").short_hash();
    let forged = room.seat("Dave").call.forge_settled(vec![hash]);
    let now = room.now;
    let refused = room.seat("Ann").call.handle_message(&Message { lane: Lane::Talk, payload: forged }, now);
    assert_eq!(refused, Err(HandleError::Talk(TalkFault::NotEntitled)));
    room.act("Ann", |call, now| call.admit(&[erin.id()], now)).expect("he still waits");
}

#[test]
fn what_is_said_ahead_is_bounded() {
    let mut room = room(8);
    let now = room.now;
    let carol = &mut room.seat("Carol").call;
    for n in 0..10_000_u32 {
        // Of the epoch to come; anybody can write that.
        let header = Header { kid: KeyId((carol.epoch().0 + 1) & 15), counter: n.into() };
        let mut head = [0; MAX_HEADER_LEN];
        let len = header.encode(&mut head);
        let payload = [&head[..len], &[7; 64]].concat();
        _ = carol.handle_message(&Message { lane: Lane::Talk, payload: payload.into() }, now);
    }
    assert_eq!(carol.presence.ahead_for_tests(), 64);
}

#[test]
fn talk_keys_go_with_the_retention() {
    let mut room = room(11);
    room.pass(SECOND * 20);
    room.act("Ann", |call, now| call.lock(now)).expect("Ann may");
    assert_eq!(room.seat("Carol").call.presence.lines_for_tests(), 2);
    room.pass(SECOND * 11);
    assert_eq!(room.seat("Carol").call.presence.lines_for_tests(), 1);
}

/// R12: the list of answered knocks that goes with a handover is for those to send who may admit.
#[test]
fn a_member_cannot_hand_the_lobbys_key_over() {
    let mut room = room(9);
    let (carol, mark) = (room.id("Carol"), room.talk.len());
    room.act("Ann", |call, now| call.make_host(carol, now)).expect("Ann may");
    let said = room.talk[mark..].to_vec();
    let forged = said.iter().find_map(|bytes| room.seat("Dave").call.forge_handover(bytes, Vec::new()));
    room.seat("Carol").call.lobby = None; // as if it had not come yet
    let message = Message { lane: Lane::Talk, payload: forged.expect("Dave heard it") };
    let now = room.now;
    let refused = room.seat("Carol").call.handle_message(&message, now);
    assert_eq!(refused, Err(HandleError::Talk(TalkFault::NotEntitled)));
    assert!(room.seat("Carol").call.lobby.is_none());
}

/// R12: whoever sends it, it is genuine only if the policy has its public half.
#[test]
fn a_handed_over_key_that_is_not_the_lobbys_is_not_taken() {
    let mut room = room(20);
    let carol = room.id("Carol");
    room.seat("Carol").deaf = true;
    room.act("Ann", |call, now| call.make_host(carol, now)).expect("Ann may");
    let other = crate::crypto::hpke::KeyPair::generate(&room.random()).expect("a key").private;
    let bob = &mut room.seat("Bob").call;
    bob.outputs.clear();
    bob.lobby = Some(lobby::Lobby::new(other, []));
    bob.hand_over(carol);
    let Output::Send(said) = bob.poll_output() else { panic!("he says it") };
    let now = room.now;
    room.seat("Carol").call.handle_message(&said, now).expect("authentic");
    assert!(room.seat("Carol").call.lobby.is_none());
}
