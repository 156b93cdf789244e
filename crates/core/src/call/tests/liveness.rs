//! Who is there, and who is not: R13, R20 to R22.

use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::room::{FRAME, Room, Seat};
use crate::call::*;
use crate::keyring::FrameFault;
use crate::sframe::SealError;

const SECOND: Duration = Duration::from_secs(1);

/// Ann and Bob are hosts, Carol and Dave are in.
fn room(seed: u64) -> Room {
    Room::hosted(seed, &["Bob", "Carol", "Dave"], &["Bob"])
}

impl Room {
    fn told(&mut self, name: &str, event: &Event) -> bool {
        self.seat(name).events.contains(event)
    }

    /// What of the talk lane came since.
    fn talk_since(&self, mark: usize) -> Vec<Bytes> {
        self.talk[mark..].to_vec()
    }
}

/// An hour in which nothing happens but heartbeats: nobody is cut off, nobody is removed.
#[test]
fn a_quiet_hour_changes_nothing() {
    let mut room = room(1);
    room.pass(SECOND * 3600);
    for name in ["Ann", "Bob", "Carol", "Dave"] {
        assert_eq!(room.may_seal(name), Ok(()), "{name}");
        assert_eq!(room.seat(name).call.epoch(), Epoch(2));
        assert_eq!(room.seat(name).refused, [], "{name}");
    }
    assert!(room.talk.len() < 4 * 3600 / 10, "{} messages", room.talk.len());
}

/// R13
#[test]
fn a_newcomer_who_does_not_show_up_is_removed() {
    let mut room = room(2);
    let erin = room.knock("Erin"); // who has gone when the answer comes
    room.act("Ann", |call, now| call.admit(&[erin.id()], now)).expect("Ann may");
    room.pass(SECOND * 29);
    assert!(room.seat("Carol").call.roster().member(erin.id()).is_some());
    room.pass(SECOND * 2);
    assert!(room.seat("Carol").call.roster().member(erin.id()).is_none());
    assert!(room.told("Ann", &Event::Silent(erin.id())));
    assert!(!room.told("Bob", &Event::Silent(erin.id())), "one host is enough");
}

#[test]
fn who_falls_silent_is_removed_and_who_is_quiet_is_not() {
    let mut room = room(3);
    room.seats.remove("Dave");
    room.pass(SECOND * 150);
    let names = room.names();
    assert_eq!(names, ["Ann", "Bob", "Carol"]);
}

/// R21: hosts remove a silent host before members fall silent for want of his beats.
#[test]
fn a_silent_host_is_removed_before_anybody_is_cut_off() {
    let mut room = room(4);
    room.seats.remove("Ann"); // she would be the first to do it
    room.pass(SECOND * 40);
    assert_eq!(room.names(), ["Bob", "Carol", "Dave"]);
    for name in ["Bob", "Carol", "Dave"] {
        assert!(
            !room.was_told(name, |event| matches!(event, Event::CutOff { .. } | Event::HostSilent { .. })),
            "{name}"
        );
    }
    assert_eq!(room.seat("Bob").call.invite().number, 1, "R12: she knew the lobby's key");
}

/// R21: the server keeps a removal from Carol. She cannot know it, but she notices that Ann's beats are not there any more.
#[test]
fn who_is_not_told_of_a_removal_is_cut_off_within_the_window() {
    let mut room = room(5);
    room.pass(SECOND * 10);
    let dave = room.id("Dave");
    room.seat("Carol").no_log = true;
    let removed_at = room.now;
    room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    room.pass(SECOND * 31);
    assert_eq!(room.may_seal("Carol"), Err(SealError::Paused));
    assert!(
        room.was_told("Carol", |event| *event == Event::HostSilent { newer_epoch: true }),
        "both hosts are in the new epoch"
    );
    assert!(room.seat("Carol").call.is_cut_off());
    assert!(room.now - removed_at <= SECOND * 31);
    let mut frame = room.seal("Ann", b"for the new epoch");
    let fault = room.seat("Carol").opener.open(FRAME, &mut frame).expect_err("not now");
    assert_eq!(fault.reason, FrameFault::Paused);

    // When she gets the log again, she goes on by herself.
    room.seat("Carol").no_log = false;
    room.settle();
    room.pass(SECOND * 15);
    assert!(room.told("Carol", &Event::Resumed));
    assert_eq!(room.may_seal("Carol"), Ok(()));
    // What her camera made meanwhile was not sealed, so its next pictures mean nothing to the others without a keyframe.
    let events = &room.seat("Carol").events;
    let resumed = events.iter().position(|event| *event == Event::Resumed).expect("she was told");
    let asked = |event: &&Event| matches!(event, Event::KeyframeNeeded { tracks, .. } if tracks.len() == 1);
    assert_eq!(events[resumed..].iter().filter(asked).count(), 1);
}

/// R21: a host who was removed, and whose beats the server goes on handing to Carol, does not make up for the others.
#[test]
fn a_removed_host_who_keeps_beating_convinces_nobody() {
    let mut room = room(6);
    room.pass(SECOND * 10);
    let bob = room.id("Bob");
    for name in ["Bob", "Carol"] {
        room.seat(name).no_log = true; // his client ignores the removal, hers does not get it
    }
    room.act("Ann", |call, now| call.remove(&[bob], now)).expect("Ann may");
    room.pass(SECOND * 31);
    assert!(room.seat("Bob").call.is_host(), "as he sees it");
    assert_eq!(room.may_seal("Carol"), Err(SealError::Paused));
    let ann = room.id("Ann");
    assert!(room.told("Carol", &Event::CutOff { silent: vec![ann] }));
}

/// R21: the server hands out beats slowly, to have a stock of them for when it keeps a removal back.
#[test]
fn a_backlog_of_beats_does_not_keep_anybody_alive() {
    let mut room = room(7);
    room.pass(SECOND * 5);
    let mark = room.talk.len();
    room.seat("Carol").deaf = true;
    room.pass(SECOND * 20); // two beats of each host are kept back
    let kept = room.talk_since(mark);
    let dave = room.id("Dave");
    room.seat("Carol").no_log = true;
    room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    let removed_at = room.now;
    // One of them every ten seconds, so that there is always a new one.
    for message in kept {
        let now = room.now;
        room.seat("Carol").take_in(Lane::Talk, message, now);
        room.pass(SECOND * 10);
        if room.may_seal("Carol").is_err() {
            break;
        }
    }
    assert_eq!(room.may_seal("Carol"), Err(SealError::Paused));
    assert!(room.now - removed_at <= SECOND * 31, "{:?}", room.now - removed_at);
}

/// R22
#[test]
fn without_any_host_the_call_stops_unless_its_users_want_to_go_on() {
    let mut room = Room::new(8);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND * 12);
    let mut ann = room.seats.remove("Ann").expect("she is here");
    assert_eq!(room.act("Bob", |call, now| call.go_on_without_host(now)), Err(CallError::HostsThere));
    room.pass(SECOND * 40);
    for name in ["Bob", "Carol"] {
        assert_eq!(room.may_seal(name), Err(SealError::Paused));
        assert!(room.told(name, &Event::HostSilent { newer_epoch: false }));
    }
    room.act("Bob", |call, now| call.go_on_without_host(now)).expect("no host is there");
    assert_eq!(room.may_seal("Bob"), Ok(()), "he goes on");
    assert_eq!(room.may_seal("Carol"), Err(SealError::Paused), "she has not said so");
    room.act("Carol", |call, now| call.go_on_without_host(now)).expect("no host is there");
    let frame = room.seal("Bob", b"among ourselves");
    assert!(room.open("Carol", &frame).is_ok());
    room.pass(SECOND * 300);
    assert_eq!(room.may_seal("Bob"), Ok(()));
    // Ann's machine wakes up again: the call is what it was.
    ann.heard = room.talk.len();
    room.seats.insert("Ann", ann);
    room.pass(SECOND * 25);
    assert!(room.told("Bob", &Event::Resumed));
    assert_eq!(room.act("Bob", |call, now| call.go_on_without_host(now)), Err(CallError::HostsThere));
}

/// A host whom the service does not serve does not take the others for silent.
#[test]
fn who_wakes_up_after_an_outage_removes_nobody() {
    let mut room = room(9);
    for name in ["Ann", "Bob", "Carol", "Dave"] {
        room.seat(name).deaf = true;
    }
    room.pass(SECOND * 600);
    assert!(["Ann", "Bob", "Carol", "Dave"].iter().all(|name| room.may_seal(name) == Err(SealError::Paused)));
    for name in ["Ann", "Bob", "Carol", "Dave"] {
        room.seat(name).deaf = false;
    }
    room.pass(SECOND * 60);
    assert_eq!(room.names(), ["Ann", "Bob", "Carol", "Dave"]);
    for name in ["Ann", "Bob", "Carol", "Dave"] {
        assert_eq!(room.may_seal(name), Ok(()), "{name}");
    }
}

/// R20: talk is authentic, of its epoch, new, and its sender's to say.
#[test]
fn talk_that_is_forged_replayed_or_not_the_senders_to_say_is_refused() {
    let mut room = room(10);
    room.pass(SECOND * 20);
    let mark = room.talk.len();
    room.pass(SECOND * 10);
    let said = room.talk_since(mark);
    assert!(!said.is_empty());
    let now = room.now;
    let refusal = |room: &mut Room, payload: Bytes| {
        let message = Message { lane: Lane::Talk, payload };
        room.seat("Carol").call.handle_message(&message, now).err()
    };
    let mut replays = 0;
    for message in &said {
        // Carol does not even look at what is for hosts, or her own.
        let fault = refusal(&mut room, message.clone());
        assert!(matches!(fault, None | Some(HandleError::Talk(TalkFault::Replayed))), "{fault:?}");
        replays += usize::from(fault.is_some());
        for at in 0..message.len() {
            let mut damaged = message.to_vec();
            damaged[at] ^= 0x10;
            let fault = refusal(&mut room, damaged.into());
            // In the header it may be another's, another kind's, or another epoch's; but nothing comes of it.
            assert!(fault.is_none_or(|fault| matches!(fault, HandleError::Talk(_))));
        }
    }
    assert_eq!(replays, 2, "a beat of each host");
    for garbage in [&b""[..], b"\x00", &[0xff; 300]] {
        let fault = refusal(&mut room, Bytes::copy_from_slice(garbage));
        assert!(matches!(fault, None | Some(HandleError::Talk(_))));
    }
    assert_eq!(room.may_seal("Carol"), Ok(()));
    let dave = room.seat("Dave");
    let (beat, announcement) = dave.call.forge_talk(7);
    for forged in [beat, announcement] {
        assert_eq!(refusal(&mut room, forged), Some(HandleError::Talk(TalkFault::NotEntitled)));
    }
}

/// Talk and log are two lanes: an announcement that overtakes its commit waits for it.
#[test]
fn talk_of_an_epoch_that_is_not_reached_yet_waits_for_it() {
    let mut room = room(11);
    room.seat("Carol").no_log = true;
    let dave = room.id("Dave");
    let mark = room.talk.len();
    room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    room.pass(SECOND * 3); // the deadline passes, and Ann announces
    assert!(room.talk.len() > mark);
    room.seat("Carol").no_log = false;
    room.settle();
    assert!(room.told("Carol", &Event::Switched(Epoch(3))), "at once, as it was announced");
    assert!(room.seat("Carol").refused.is_empty(), "{:?}", room.seat("Carol").refused);
}

/// 50 epochs passed Carol by; the log has them all.
#[test]
fn who_was_away_for_fifty_epochs_catches_up() {
    let config = CallConfig { silence_limit: SECOND * 1800, ..CallConfig::default() };
    let mut room = Room::with(12, &config);
    room.admit(&["Bob", "Carol"]);
    let bob = room.id("Bob");
    room.act("Ann", |call, now| call.make_host(bob, now)).expect("Ann may");
    room.pass(SECOND * 12);
    room.seat("Carol").no_log = true;
    room.seat("Carol").deaf = true;
    let before = room.log.len();
    for round in 0..50 {
        let change = |call: &mut Call, now| if round % 2 == 0 { call.lock(now) } else { call.unlock(now) };
        room.act("Ann", change).expect("Ann may");
        room.pass(SECOND * 4);
    }
    assert_eq!(room.log.len() - before, 50);
    let carol = room.id("Carol");
    let behind = |room: &mut Room| room.seat("Ann").call.diagnostics().participants[&carol].epochs_behind;
    assert_eq!(behind(&mut room), Some(50), "the host knows it by what she does not acknowledge");
    assert_eq!(room.may_seal("Carol"), Err(SealError::Paused));
    room.seat("Carol").no_log = false;
    room.seat("Carol").deaf = false;
    room.settle();
    assert_eq!(room.seat("Carol").call.epoch(), room.seat("Ann").call.epoch());
    room.pass(SECOND * 45);
    assert_eq!(behind(&mut room), Some(0));
    let frame = room.seal("Carol", b"what did I miss");
    assert!(room.open("Ann", &frame).is_ok());
}

/// R23: all have the same code, a new one with every epoch; and a pair keeps its own.
#[test]
fn codes_agree_and_change_with_the_epoch() {
    let mut room = room(13);
    let (bob, carol, dave) = (room.id("Bob"), room.id("Carol"), room.id("Dave"));
    let before = room.seat("Ann").call.code();
    assert!(["Bob", "Carol", "Dave"].iter().all(|name| room.seat(name).call.code() == before));
    let pair = room.seat("Bob").call.pair_code(carol);
    assert!(pair.is_some() && pair == room.seat("Carol").call.pair_code(bob));
    assert!(pair != room.seat("Bob").call.pair_code(dave));
    assert!(room.seat("Bob").call.pair_code(bob).is_none(), "with oneself");
    room.act("Ann", |call, now| call.remove(&[dave], now)).expect("Ann may");
    assert!(room.seat("Ann").call.code() != before);
    assert!(room.seat("Bob").call.code() == room.seat("Carol").call.code());
    assert!(pair == room.seat("Carol").call.pair_code(bob), "it is about the two of them");
}

/// R22 is for a call without hosts. One who is heard says that the others may well be there too.
#[test]
fn nobody_goes_on_while_one_host_is_there() {
    let mut room = room(23);
    room.seat("Carol").no_log = true; // a removal is withheld
    let ann = room.seats.remove("Ann").expect("here"); // one of two hosts is not heard
    room.seat("Bob").no_log = true;
    room.pass(SECOND * 35);
    assert!(room.seat("Carol").call.is_cut_off());
    assert_eq!(room.act("Carol", |call, now| call.go_on_without_host(now)), Err(CallError::HostsThere));
    drop(ann);
}

#[test]
fn who_goes_on_without_hosts_is_cut_off_when_one_of_two_is_back() {
    let mut room = room(24);
    for name in ["Ann", "Bob", "Carol"] {
        room.seat(name).no_log = true;
    }
    let ann = room.seats.remove("Ann").expect("here");
    let mut bob = room.seats.remove("Bob").expect("here");
    room.pass(SECOND * 40);
    room.act("Carol", |call, now| call.go_on_without_host(now)).expect("no host is there");
    bob.heard = room.talk.len();
    room.seats.insert("Bob", bob);
    room.pass(SECOND * 30);
    assert!(room.seat("Carol").call.is_cut_off(), "Ann is still not heard, Bob is");
    let sealed = room.seat("Carol").sealer.seal(FRAME, b"", &mut BytesMut::new()).map(drop);
    assert_eq!(sealed, Err(SealError::Paused));
    drop(ann);
}

/// R13
#[test]
fn a_newcomer_who_talks_but_never_acknowledges_is_removed() {
    let mut room = room(25);
    let erin = room.knock("Erin");
    room.act("Ann", |call, now| call.admit(&[erin.id()], now)).expect("Ann may");
    let id = erin.id();
    let call = room.enter(erin).expect("in");
    let mut seat = Seat::new(call, room.talk.len());
    seat.takes_rosters = false;
    seat.drain(room.now);
    room.seats.insert("Erin", seat);
    room.settle();
    room.pass(SECOND * 60);
    assert!(room.seat("Carol").call.roster().member(id).is_none());
}

/// R13: whoever is heard again before his removal stands in the log stays.
#[test]
fn who_is_heard_again_in_time_stays() {
    let mut room = Room::new(26);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND * 12);
    let carol = room.id("Carol");
    let carols = room.seats.remove("Carol").expect("she is here");
    room.seat("Ann").call.not_before = room.now + SECOND * 140; // her entries do not get through
    room.pass(SECOND * 125);
    assert!(room.told("Ann", &Event::Silent(carol)));
    room.seats.insert("Carol", carols);
    room.pass(SECOND * 60);
    assert_eq!(room.names(), ["Ann", "Bob", "Carol"]);
}

/// R13: while the talk lane is down nobody's time runs out, a newcomer's neither: his acknowledgement still counts after it.
#[test]
fn a_newcomer_who_acknowledges_after_an_outage_is_in() {
    let mut room = room(27);
    let erin = room.knock("Erin");
    room.act("Ann", |call, now| call.admit(&[erin.id()], now)).expect("Ann may");
    let call = room.enter(erin).expect("in");
    let epoch = call.epoch();
    let mut seat = Seat::new(call, room.talk.len());
    seat.takes_rosters = false;
    seat.drain(room.now);
    room.seats.insert("Erin", seat);
    room.settle();
    for name in ["Ann", "Bob", "Carol", "Dave"] {
        room.seat(name).deaf = true;
    }
    room.pass(SECOND * 40);
    for name in ["Ann", "Bob", "Carol", "Dave"] {
        room.seat(name).deaf = false;
    }
    room.pass(SECOND * 5);
    room.act("Erin", |call, now| call.roster_taken(epoch, now)).expect("it was shown");
    room.seat("Erin").takes_rosters = true;
    room.pass(SECOND * 60);
    assert_eq!(room.names(), ["Ann", "Bob", "Carol", "Dave", "Erin"]);
}

/// R20: the committer's announcement says who has taken the epoch, and so tells each what the others have.
#[test]
fn an_announcement_says_who_is_there() {
    let mut room = Room::new(28);
    room.admit(&["Bob", "Carol"]);
    let carol = room.id("Carol");
    let behind = |room: &mut Room| {
        let participants = room.seat("Bob").call.diagnostics().participants;
        participants.get(&carol).and_then(|about| about.epochs_behind)
    };
    assert_eq!(behind(&mut room), Some(0), "before she has said a word to Bob");
}

/// R22: what was recorded while he was cut off was not sealed, so the others need a keyframe when he goes on.
#[test]
fn who_goes_on_without_hosts_is_asked_for_keyframes() {
    let mut room = Room::new(29);
    room.admit(&["Bob", "Carol"]);
    room.pass(SECOND * 12);
    room.seats.remove("Ann");
    room.pass(SECOND * 40);
    let asked = |event: &Event| matches!(event, Event::KeyframeNeeded { .. });
    let before = room.seat("Bob").events.iter().filter(|event| asked(event)).count();
    room.act("Bob", |call, now| call.go_on_without_host(now)).expect("no host is there");
    assert_eq!(room.seat("Bob").events.iter().filter(|event| asked(event)).count(), before + 1);
}
