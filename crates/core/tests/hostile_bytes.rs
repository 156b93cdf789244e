//! Random and mutated bytes into every decoder that a stranger can reach: no panic, and the call goes on.

mod common;

use std::cell::RefCell;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::room::{FRAME, Room, open, seal};
use common::{SUITES, header};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, SizeRange};
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use subrosa::danger::ExportedKey;
use subrosa::sframe::{Header, KeyId, MAX_HEADER_LEN, StaticOpener, StaticSealer, UniqueKey};
use subrosa::{
    Call, Event, HandleError, HostAnswer, Invite, JoinError, Lane, Message, Opener, Opening, Output, Sealer,
};

/// One way to damage a message.
#[derive(Clone, Debug)]
enum Damage {
    /// Turn single bits.
    Bits(Vec<(Index, u8)>),
    /// Cut off the end.
    Truncate(Index),
    /// Cut out the middle.
    CutOut(Index, Index),
    /// Put something in.
    Insert(Index, Vec<u8>),
    /// Write over the beginning.
    Front(Vec<u8>),
    /// Go on with the other message from some place on.
    Splice(Index, Index),
    /// Something else altogether.
    Replace(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = |len: core::ops::Range<usize>| vec(any::<u8>(), SizeRange::from(len));
    prop_oneof![
        4 => vec((any::<Index>(), 0..8_u8), 1..4).prop_map(Damage::Bits),
        2 => any::<Index>().prop_map(Damage::Truncate),
        1 => any::<(Index, Index)>().prop_map(|(from, to)| Damage::CutOut(from, to)),
        1 => (any::<Index>(), bytes(1..40)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => bytes(1..24).prop_map(Damage::Front),
        2 => any::<(Index, Index)>().prop_map(|(at, from)| Damage::Splice(at, from)),
        2 => bytes(0..600).prop_map(Damage::Replace),
    ]
}

impl Damage {
    fn to(&self, message: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = message.to_vec();
        let place = |index: &Index| index.index(message.len() + 1);
        match self {
            Self::Bits(bits) => {
                bits.iter().for_each(|(at, bit)| bytes[at.index(message.len())] ^= 1 << bit);
            }
            Self::Truncate(at) => bytes.truncate(place(at)),
            Self::CutOut(from, to) => {
                let (from, to) = (place(from).min(place(to)), place(from).max(place(to)));
                bytes.drain(from..to);
            }
            Self::Insert(at, put) => _ = bytes.splice(place(at)..place(at), put.iter().copied()),
            Self::Front(put) => bytes.iter_mut().zip(put).for_each(|(byte, put)| *byte = *put),
            Self::Splice(at, from) => {
                bytes.truncate(place(at));
                bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
            Self::Replace(put) => bytes.clone_from(put),
        }
        bytes
    }
}

/// Runs cases that share what is expensive to set up. Shrinking replays against a state that has moved on, so it is off.
fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> TestCaseResult) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default()))
        .run(&strategy, test)
        .unwrap_or_else(|failure| panic!("{failure}"));
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(2000) })]

    #[test]
    fn a_header_that_is_read_is_written_back_the_same(bytes in vec(any::<u8>(), 0..40)) {
        if let Ok((header, len)) = Header::decode(&bytes) {
            let mut out = [0; MAX_HEADER_LEN];
            prop_assert_eq!(header.encode(&mut out), len);
            prop_assert_eq!(&out[..len], &bytes[..len]);
        }
    }

    #[test]
    fn a_header_that_is_written_is_read_back_the_same(kid: u64, counter: u64, shift in (0..64, 0..64)) {
        let header = Header { kid: KeyId(kid >> shift.0), counter: counter >> shift.1 };
        let mut out = [0; MAX_HEADER_LEN];
        let len = header.encode(&mut out);
        prop_assert_eq!(Header::decode(&out[..len]), Ok((header, len)));
    }

    #[test]
    fn an_invite_that_is_read_is_written_back_the_same(text in "\\PC*|#?[A-Za-z0-9_-]{110,118}|#AQ[A-Za-z0-9_-]{112}") {
        if let Ok(invite) = Invite::parse(&text) {
            prop_assert!(text.trim().ends_with(invite.to_fragment().as_str()));
        }
    }

    #[test]
    fn an_exported_key_that_is_read_is_written_back_the_same(
        bytes in vec(any::<u8>(), 0..60), suite in 0..7_u8, right_length: bool,
    ) {
        let mut bytes = bytes;
        if right_length {
            bytes.resize(22 + if suite == 4 { 16 } else { 32 }, 0);
            bytes[0] = 0;
            bytes[1] = suite;
        }
        if let Some(key) = ExportedKey::from_bytes(&bytes) {
            prop_assert_eq!(&key.into_bytes()[..], &bytes[..]);
        }
    }
}

#[test]
fn damaged_invites_are_refused_or_are_other_invites() {
    let invite = Room::new(SUITES[0]).calls[0].invite();
    let link = invite.to_link("https://meet.example/standup");
    check(2000, (damage(), any::<bool>()), |(damage, whole)| {
        let text = if whole { link.as_str() } else { &invite.to_fragment().clone() };
        let damaged = damage.to(text.as_bytes(), b"https://meet.example/#AAAA");
        let damaged = String::from_utf8_lossy(&damaged);
        if let Ok(read) = Invite::parse(&damaged) {
            prop_assert!(damaged.trim().ends_with(read.to_fragment().as_str()));
        }
        Ok(())
    });
}

#[test]
fn damaged_standalone_frames_are_refused_and_the_genuine_one_opens() {
    for &suite in SUITES {
        let sealer = StaticSealer::new(UniqueKey::assume_unique(suite, KeyId(9), &[3; 32]));
        let mut opener = StaticOpener::new(suite);
        opener.add_key(KeyId(9), &[3; 32]);
        let state = RefCell::new((sealer, opener));
        check(2000, (damage(), vec(any::<u8>(), 0..100)), |(damage, payload)| {
            let (sealer, opener) = &mut *state.borrow_mut();
            let mut frame = BytesMut::new();
            sealer.seal(b"metadata", &payload, &mut frame).expect("it seals");
            let mut other = BytesMut::new();
            sealer.seal(b"metadata", b"another frame", &mut other).expect("it seals");
            let damaged = damage.to(&frame, &other);
            let outcome = opener.open(b"metadata", &mut BytesMut::from(&damaged[..]));
            if damaged == frame[..] || damaged == other[..] {
                prop_assert!(outcome.is_ok());
            } else {
                prop_assert!(outcome.is_err());
                let counter = header(&frame).counter;
                prop_assert_eq!(
                    opener.open(b"metadata", &mut frame).map(|opened| opened.counter),
                    Ok(counter)
                );
                prop_assert_eq!(&frame[..], &payload[..]);
            }
            Ok(())
        });
    }
}

#[test]
fn damaged_frames_of_a_call_are_refused_and_the_genuine_one_opens() {
    for &suite in SUITES {
        let room = Room::with_guests(suite, &["Bob", "Carl"]);
        let state = RefCell::new((room.camera(0), room.camera(2), room.opener(1)));
        check(2000, (damage(), vec(any::<u8>(), 0..100)), |(damage, payload)| {
            let (sealer, of_carl, opener) = &mut *state.borrow_mut();
            let mut frame = seal(sealer, &payload);
            let other = seal(of_carl, b"another frame");
            let damaged = damage.to(&frame, &other);
            if damaged != frame[..] && damaged != other[..] {
                let outcome = opener.open(FRAME, &mut BytesMut::from(&damaged[..]));
                prop_assert!(!matches!(outcome, Ok(Opening::Opened(_))), "{outcome:?}");
            }
            let counter = header(&frame).counter;
            prop_assert_eq!(open(opener, &mut frame).counter, counter);
            prop_assert_eq!(&frame[..], &payload[..]);
            Ok(())
        });
    }
}

#[test]
fn damaged_answers_are_not_answers_and_the_genuine_one_is() {
    let mut room = Room::new(SUITES[0]);
    let (guest, knock) = room.knock("Bob");
    room.calls[0].handle_message(&knock, room.now).expect("a knock");
    room.pump();
    let lane = Lane::Mailbox(guest.answer_mailbox());
    let answer = room.mail.iter().find(|mail| mail.lane == lane).expect("an answer").payload.clone();
    check(1000, damage(), |damage| {
        let damaged = damage.to(&answer, &knock.payload);
        if damaged != answer[..] {
            prop_assert_eq!(guest.open_answer(&damaged).err(), Some(JoinError::NotAnAnswer));
        }
        Ok(())
    });
    assert!(matches!(guest.open_answer(&answer), Ok(HostAnswer::Admitted(_))));
    room.enter(guest);
    assert_eq!(room.calls[1].roster().members.len(), 2);
}

/// Frames of Ann and Bob, from one to the other, whatever happens around them.
struct Media {
    sealers: [Sealer; 2],
    openers: [Opener; 2],
}

impl Media {
    fn new(room: &Room) -> Self {
        Self { sealers: [0, 1].map(|who| room.camera(who)), openers: [1, 0].map(|who| room.opener(who)) }
    }

    fn passes(&mut self) {
        for (sealer, opener) in self.sealers.iter_mut().zip(&mut self.openers) {
            let mut frame = seal(sealer, b"genuine");
            open(opener, &mut frame);
            assert_eq!(&frame[..], b"genuine");
        }
    }
}

/// What a call wants, but for what it reports of things that went wrong.
fn next_but_trouble(call: &mut Call) -> Output {
    loop {
        match call.poll_output() {
            Output::Event(Event::Trouble(_)) => {}
            other => return other,
        }
    }
}

/// A host's call takes no harm from what is in the lobby's mailbox, and nothing of it is kept.
#[test]
fn damaged_knocks_are_refused_and_the_genuine_one_is_heard() {
    let room = Room::with_guests(SUITES[0], &["Bob"]);
    let media = Media::new(&room);
    let state = RefCell::new((room, media));
    check(150, damage(), |damage| {
        let (room, media) = &mut *state.borrow_mut();
        let ((_, knock), (_, other)) = (room.knock("Carl"), room.knock("Dora"));
        let (now, host) = (room.now, &mut room.calls[0]);
        let damaged = Bytes::from(damage.to(&knock.payload, &other.payload));
        let damaged = Message { lane: knock.lane, payload: damaged };
        if ![&knock, &other].contains(&&damaged) {
            let outcome = host.handle_message(&damaged, now);
            prop_assert!(matches!(outcome, Err(HandleError::Knock(_))), "{outcome:?}");
            prop_assert!(matches!(next_but_trouble(host), Output::Timeout(_)), "nothing came of it");
        }
        prop_assert_eq!(host.handle_message(&knock, now), Ok(()));
        prop_assert!(matches!(next_but_trouble(host), Output::Event(Event::Knock(_))));
        media.passes();
        Ok(())
    });
}

/// Talk that a server made up, damaged or replays. Nothing comes of it; the genuine message, behind it, is heard.
#[test]
fn damaged_talk_is_refused_and_the_genuine_one_keeps_the_call_alive() {
    let room = Room::with_guests(SUITES[0], &["Bob"]);
    let state = RefCell::new((room, Bytes::new()));
    check(300, damage(), |damage| {
        let (room, other) = &mut *state.borrow_mut();
        // Ten seconds later: a heartbeat of Ann's, now and then a challenge of Bob's.
        room.now = room.now + Duration::from_secs(10);
        let now = room.now;
        room.calls.iter_mut().for_each(|call| call.handle_timeout(now));
        room.collect();
        let said = core::mem::take(&mut room.talk);
        prop_assert!(!said.is_empty());
        for message in &said {
            let damaged = Bytes::from(damage.to(&message.payload, other));
            let is_damaged = said.iter().all(|genuine| genuine.payload != damaged);
            let damaged = Message { lane: Lane::Talk, payload: damaged };
            for call in room.calls.iter_mut().filter(|_| is_damaged) {
                let outcome = call.handle_message(&damaged, now);
                prop_assert!(matches!(outcome, Ok(()) | Err(HandleError::Talk(_))), "{outcome:?}");
            }
            *other = message.payload.clone();
        }
        room.talk.extend(said);
        room.pump();
        prop_assert!(room.calls.iter().all(|call| !call.is_cut_off() && call.roster().members.len() == 2));
        Ok(())
    });
}

/// Log entries that a server made up or damaged. Each uses up its position, is skipped by all and changes nothing; the
/// genuine one, which lost its place to it, is made again right behind.
#[test]
fn damaged_log_entries_are_skipped_and_the_genuine_one_is_applied() {
    let room = Room::with_guests(SUITES[0], &["Bob"]);
    let (media, other) = (Media::new(&room), room.log[0].clone());
    let state = RefCell::new((room, media, other));
    check(300, (damage(), any::<bool>()), |(damage, leaves)| {
        let (room, media, other) = &mut *state.borrow_mut();
        let (epoch, now) = (room.calls[0].epoch(), room.now);

        // What is to happen now: Carl is admitted, or he is removed, or he leaves.
        let guest = (room.calls.len() == 2).then(|| room.knock("Carl"));
        match &guest {
            Some((_, knock)) => room.calls[0].handle_message(knock, now).expect("a knock"),
            None if leaves => room.calls[2].leave(now).expect("he may"),
            None => {
                let carl = room.calls[2].me();
                room.calls[0].remove(&[carl], now).expect("she may");
            }
        }
        room.collect();
        room.let_in();
        room.collect();
        let genuine = room.log.pop().expect("an entry");

        let position = room.log.len() as u64;
        let damaged = Bytes::from(damage.to(&genuine, other));
        let is_damaged = damaged != genuine;
        room.log.push(damaged);
        room.events.clear();
        room.pump();
        for who in 0..room.calls.len() {
            let skipped = room.events.iter().any(|(whose, event)| {
                *whose == who && matches!(event, Event::Skipped { position: p, .. } if *p == position)
            });
            prop_assert_eq!(skipped, is_damaged);
        }
        prop_assert_eq!(room.calls[0].epoch().0, epoch.0 + 1, "it happened after all, and once");
        match guest {
            Some((guest, _)) => room.enter(guest),
            None => prop_assert!(room.calls.pop().is_some_and(|carl| carl.ended().is_some())),
        }
        prop_assert!(room.calls.iter().all(|call| call.epoch() == room.calls[0].epoch()));
        prop_assert!(room.calls.iter().all(|call| call.log_position() == room.log.len() as u64));
        media.passes();
        room.settle();
        media.passes();
        *other = genuine;
        Ok(())
    });
}

/// Garbage at every position, for long: it starves the log for as long as it lasts, and splits nobody from the others.
#[test]
fn a_flood_of_garbage_in_the_log_is_skipped_entry_by_entry() {
    let mut room = Room::with_guests(SUITES[0], &["Bob"]);
    let mut media = Media::new(&room);
    let (epoch, genuine) = (room.calls[0].epoch(), room.log[0].clone());
    for length in 0..2000 {
        let garbage = if length % 2 == 0 { vec![length as u8; length] } else { genuine.to_vec() };
        room.log.push(Bytes::from(garbage));
    }
    room.pump();
    assert!(
        room.calls.iter().all(|call| (call.epoch(), call.log_position()) == (epoch, room.log.len() as u64))
    );
    media.passes();
    room.admit(&["Carl"]);
    room.settle();
    media.passes();
}
