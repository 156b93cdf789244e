//! What goes over the log, the talk lane and the lobby's mailbox.

use std::time::Duration;

use bytes::Bytes;
use subrosa::danger::{seeded_random, tampered};
use subrosa::{
    Call, EntryFault, Event, Guest, HandleError, Lane, Message, Output, Profile, Random, SkipReason,
    TalkFault, Time, fuzzing,
};
use subrosa_fuzz_harness::pair::{Pair, drain, with_payload};

use crate::row::{FLOOD, Report, Row, timed};

const SIGNATURE_LEN: usize = 64;

fn later() -> Time {
    Time::ZERO + Duration::from_secs(10)
}

/// A call as an app has it, which drains it after each input, takes each roster, and lets nobody in by itself.
fn input(call: &mut Call, message: &Message, now: Time) -> (Duration, &'static str) {
    timed(|| {
        let outcome = call.handle_message(message, now);
        let mut answer = match outcome {
            Ok(()) => "taken",
            Err(HandleError::Talk(TalkFault::Unauthentic)) => "`Talk(Unauthentic)`",
            Err(HandleError::Talk(_)) => "`Talk(…)`",
            Err(HandleError::Knock(_)) => "`Knock(…)`",
            Err(_) => "another fault",
        };
        loop {
            match call.poll_output() {
                Output::Timeout(_) => return answer,
                Output::Event(Event::Roster(roster)) => call.roster_taken(roster.epoch, now).expect("shown"),
                Output::Event(Event::Skipped { reason, .. }) => {
                    answer = match reason {
                        SkipReason::Entry(EntryFault::Undecodable) => "skipped: `Undecodable`",
                        SkipReason::Entry(EntryFault::WrongPosition) => "skipped: `WrongPosition`",
                        SkipReason::Entry(EntryFault::WrongEpoch) => "skipped: `WrongEpoch`",
                        SkipReason::Entry(EntryFault::Invalid) => "skipped: `Invalid`",
                        SkipReason::Entry(EntryFault::NotOurs) => "skipped: `NotOurs`",
                        SkipReason::Entry(_) => "skipped",
                        SkipReason::Policy { .. } => "skipped, its author named",
                        _ => "skipped otherwise",
                    };
                }
                Output::Event(_) | Output::Send(_) => {}
            }
        }
    })
}

fn random(number: u32) -> Random {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    seeded_random(seed)
}

fn knock(call: &Call, number: u32) -> Message {
    let profile = Profile::person("Carl").expect("a name");
    Guest::knock(call.invite(), &profile, random(number)).expect("a knock").1
}

/// The host's commit that lets somebody in.
fn genuine_commit(pair: &mut Pair) -> Message {
    let knock = knock(&pair.ann, 0);
    pair.ann.handle_message(&knock, later()).expect("a knock");
    let sent = drain(&mut pair.ann, later());
    sent.into_iter().find(|it| matches!(it.lane, Lane::Log { .. })).expect("a commit")
}

pub fn log(report: &mut Report) {
    let mut pair = Pair::new();
    let commit = genuine_commit(&mut pair);
    let own = input(&mut pair.bob, &commit, later()).0;
    let row = |what, who, answer, count| Row {
        what,
        who,
        answer,
        bound: "decoded once, skipped by all; what is told of it is counted",
        count,
        genuine: Some(own),
    };

    // By the server. Bob reads them.
    let mut add = |row, entry: Vec<u8>| {
        let entry = Bytes::from(entry);
        let send = move |pair: &mut Pair, _| {
            let message = next_entry(pair, entry.clone());
            input(&mut pair.ann, &message, Time::ZERO);
            input(&mut pair.bob, &message, Time::ZERO)
        };
        report.add(row, Pair::new(), send, still_lets_in);
    };
    let undecodable = "skipped: `Undecodable`";
    add(row("log entry: 300 bytes of garbage", "server", undecodable, FLOOD), vec![1; 300]);
    add(row("log entry: 1 MB of garbage", "server", undecodable, FLOOD), vec![1; 1_000_000]);
    add(row("log entry: an old one", "server", "skipped: `WrongPosition`", FLOOD), Pair::new().first_entry);

    // The costliest is the host's own, for the position where it is, damaged at its end: one for each that she makes anew.
    let send = |(pair, now): &mut (Pair, Time), _| {
        let mut entry = commit_at(pair, now).to_vec();
        *entry.last_mut().expect("a signature") ^= 1;
        let message = next_entry(pair, entry.into());
        pair.ann.handle_message(&message, *now).expect("an entry is skipped");
        input(&mut pair.bob, &message, *now)
    };
    let mut pair = Pair::new();
    let carls = knock(&pair.ann, 0);
    pair.ann.handle_message(&carls, later()).expect("a knock");
    let damaged =
        row("log entry: a host's commit, its signature damaged", "server", "skipped: `Invalid`", 100);
    report.add(damaged, (pair, later()), send, |(pair, _)| lets_in(&mut pair.ann));

    // By Bob. Ann reads them.
    let mut add = |row, mut entry: Box<dyn FnMut(&mut Call) -> Bytes>| {
        let send = move |pair: &mut Pair, _| {
            let entry = entry(&mut pair.bob);
            let message = next_entry(pair, entry);
            input(&mut pair.bob, &message, Time::ZERO);
            input(&mut pair.ann, &message, Time::ZERO)
        };
        report.add(row, Pair::new(), send, still_lets_in);
    };
    add(
        row("log entry: garbage that he signed", "member", undecodable, FLOOD),
        Box::new(|bob| fuzzing::entry(bob, &[1; 300]).into()),
    );
    add(
        row("log entry: a commit that he may not make", "member", "skipped, its author named", 400),
        Box::new(|bob| tampered::spoil_path(bob, |_| false).expect("a commit").payload),
    );
    let change = |content: &mut Vec<u8>| {
        let middle = content.len() / 2;
        content[middle] ^= 1;
    };
    add(
        row("log entry: the same, damaged before he signs it", "member", "skipped: `Invalid`", 400),
        Box::new(move |bob| {
            let entry = tampered::spoil_path(bob, |_| false).expect("a commit").payload;
            let mut content = entry[..entry.len() - SIGNATURE_LEN].to_vec();
            change(&mut content);
            fuzzing::entry(bob, &content).into()
        }),
    );
}

fn next_entry(pair: &Pair, payload: Bytes) -> Message {
    Message { lane: Lane::Log { position: pair.ann.log_position() }, payload }
}

/// Waits for the commit that Ann makes to let somebody in, for the log's next position.
fn commit_at(pair: &mut Pair, now: &mut Time) -> Bytes {
    let position = pair.ann.log_position();
    for _ in 0..1_000 {
        let sent = drain(&mut pair.ann, *now);
        if let Some(commit) = sent.into_iter().find(|it| it.lane == Lane::Log { position }) {
            return commit.payload;
        }
        *now = *now + Duration::from_secs(1);
        pair.ann.handle_timeout(*now);
    }
    panic!("she does not let anybody in");
}

pub fn talk(report: &mut Report) {
    let beat = |pair: &mut Pair, now: Time| {
        pair.ann.handle_timeout(now);
        drain(&mut pair.ann, now).into_iter().find(|it| it.lane == Lane::Talk).expect("a beat")
    };
    let mut pair = Pair::new();
    let first = beat(&mut pair, later());
    let own = input(&mut pair.bob, &first, later()).0;
    let row = |what, who, answer, bound| Row { what, who, answer, bound, count: FLOOD, genuine: Some(own) };

    let mut pair = Pair::new();
    let genuine = beat(&mut pair, later());
    let garbage = with_payload(&genuine, vec![1; 300]);
    report.add(
        row("talk: garbage", "server", "`Talk(…)`", "nothing is kept"),
        pair,
        move |pair, _| input(&mut pair.bob, &garbage, later()),
        still_lets_in,
    );

    let mut pair = Pair::new();
    let genuine = beat(&mut pair, later());
    let mut payload = genuine.payload.to_vec();
    *payload.last_mut().expect("a tag") ^= 1;
    let forged = with_payload(&genuine, payload);
    report.add(
        row("talk: a forged beat", "server", "`Talk(Unauthentic)`", "one AEAD call, nothing is kept"),
        pair,
        move |pair, _| input(&mut pair.bob, &forged, later()),
        still_lets_in,
    );

    let mut pair = Pair::new();
    let genuine = beat(&mut pair, later());
    assert_eq!(input(&mut pair.bob, &genuine, later()).1, "taken");
    report.add(
        row("talk: a beat, once more", "server", "`Talk(…)`", "its counter, before its tag"),
        pair,
        move |pair, _| input(&mut pair.bob, &genuine, later()),
        still_lets_in,
    );

    for (what, kind, answer) in
        [("talk: garbage of his own", 1, "`Talk(…)`"), ("talk: challenges, another one each", 3, "taken")]
    {
        let pair = Pair::new();
        let send = move |pair: &mut Pair, number: u32| {
            let challenge = [&number.to_be_bytes()[..], &[0; 4]].concat();
            let payload = fuzzing::say(&mut pair.bob, kind, &challenge).expect("he may");
            input(&mut pair.ann, &Message { lane: Lane::Talk, payload }, later())
        };
        let bound = "one AEAD call, one signature; 10 challenges a second are answered";
        report.add(row(what, "member", answer, bound), pair, send, still_lets_in);
    }
}

pub fn lobby(report: &mut Report) {
    let mut pair = Pair::new();
    let genuine = knock(&pair.ann, 0);
    let own = input(&mut pair.ann, &genuine, Time::ZERO).0;
    let row = |what, who, answer, bound| Row { what, who, answer, bound, count: FLOOD, genuine: Some(own) };
    // A thousand come in a second.
    let at = |number: u32| Time::ZERO + Duration::from_millis(number.into());

    let opened = "R10: 100 a second are opened, of others nothing is kept";
    let send = move |pair: &mut Pair, number| {
        let lane = Lane::Mailbox(pair.ann.invite().lobby_mailbox());
        input(&mut pair.ann, &Message { lane, payload: Bytes::from(vec![1; 1_072]) }, at(number))
    };
    report.add(row("knock: garbage", "server", "`Knock(…)`", opened), Pair::new(), send, still_lets_in);

    let send = move |pair: &mut Pair, number| {
        let knock = fuzzing::knock(&pair.ann.invite(), &[3; 300], &random(number)).expect("it is short");
        input(&mut pair.ann, &knock, at(number))
    };
    report.add(
        row("knock: sealed garbage", "link holder", "`Knock(…)`", opened),
        Pair::new(),
        send,
        still_lets_in,
    );

    let bound = "R10: 2,048 wait, 65,536 of an invite are remembered; then it has to be rotated";
    let send = move |pair: &mut Pair, number| {
        let knock = knock(&pair.ann, number);
        input(&mut pair.ann, &knock, at(number))
    };
    report.add(row("knock: new guests", "link holder", "taken", bound), Pair::new(), send, |pair| {
        // Whoever has the link can fill the lobby: the host gives out another.
        let now = Time::ZERO + Duration::from_secs(90_000);
        pair.ann.handle_timeout(now);
        pair.ann.rotate_invite(now).is_ok() && lets_in(&mut pair.ann)
    });
}

fn still_lets_in(pair: &mut Pair) -> bool {
    lets_in(&mut pair.ann)
}

/// Whether the host still lets guests in, given a minute.
fn lets_in(ann: &mut Call) -> bool {
    let mut now = Time::ZERO + Duration::from_secs(100_000);
    let mut sent = Vec::new();
    for _ in 0..10 {
        now = now + Duration::from_secs(1);
        write_what_she_sent(ann, &mut sent, now);
    }
    let profile = Profile::person("Zoe").expect("a name");
    let (zoe, knock) = Guest::knock(ann.invite(), &profile, seeded_random([77; 32])).expect("a knock");
    if ann.handle_message(&knock, now).is_err() {
        return false;
    }
    for _ in 0..60 {
        now = now + Duration::from_secs(1);
        write_what_she_sent(ann, &mut sent, now);
        if ann.roster().member(zoe.id()).is_some() {
            return true;
        }
    }
    false
}

fn write_what_she_sent(ann: &mut Call, sent: &mut Vec<Message>, now: Time) {
    for message in std::mem::take(sent) {
        if matches!(message.lane, Lane::Log { .. }) {
            let _ = ann.handle_message(&message, now);
        }
    }
    ann.handle_timeout(now);
    *sent = drain(ann, now);
}
