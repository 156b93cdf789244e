//! Checks of the log: one order, the same for all.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{Service, call, ended, joined, mailbox, next, take, text};
use crate::{Appended, CallId, DeliveryError};

/// Shows that a position takes one entry, and keeps it.
pub async fn a_position_is_written_once(service: Service) {
    assert_eq!(read(&service, 0).await, None, "a call that has not begun has no entries");

    assert_eq!(append(&service, 0, "first").await, Appended::Written, "an empty position takes an entry");
    assert_eq!(
        append(&service, 0, "second").await,
        Appended::Taken,
        "a filled position takes no other entry"
    );
    assert_eq!(read(&service, 0).await, Some(text("first")), "an entry stays as it was written");
    assert_eq!(read(&service, 1).await, None, "who lost a position has not written the next one");

    assert_eq!(append(&service, 1, "second").await, Appended::Written, "the next position takes an entry");
    assert_eq!(read(&service, 1).await, Some(text("second")), "an entry can be read back once it is written");
}

/// Shows that a writer whose acknowledgement was lost may ask again.
pub async fn a_retry_is_written_again(service: Service) {
    fill(&service, call(1), 2).await;
    for position in [0, 1, 1] {
        let retried = append(&service, position, format!("entry {position}")).await;
        assert_eq!(retried, Appended::Written, "the same entry at the same position is written, once more");
    }

    assert_eq!(append(&service, 2, "entry 2").await, Appended::Written, "a retry moves no later position");
    let mut log = service.follow(call(1), 0).await.expect("a log can be followed");
    assert_eq!(take(&mut log, 3).await, entries(0..3), "a retry does not write twice");
}

/// Shows that positions are filled in order, and that who is ahead learns where the log ends.
pub async fn a_gap_is_refused(service: Service) {
    gap_refused(&service, 1, 0).await;
    fill(&service, call(1), 2).await;
    gap_refused(&service, 3, 2).await;
    gap_refused(&service, u64::MAX, 2).await;

    assert_eq!(read(&service, 3).await, None, "a refused entry is not stored");
    assert_eq!(append(&service, 2, "entry 2").await, Appended::Written, "the log goes on at its end");
}

/// Lets `writers` race for each of `positions`, and shows that one wins each and all others are told.
pub async fn one_winner_per_position(service: Service, writers: usize, positions: u64) {
    let start = Arc::new(Barrier::new(writers));
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let (service, start) = (Arc::clone(&service), Arc::clone(&start));
        tasks.spawn(async move {
            let mut won = Vec::new();
            for position in 0..positions {
                start.wait().await;
                let entry = text(format_args!("writer {writer} at {position}"));
                let appended = service.append(call(1), position, entry.clone()).await;
                if appended.expect("a race is no error") == Appended::Written {
                    won.push((position, entry));
                }
                start.wait().await;
            }
            won
        });
    }

    let mut winners = BTreeMap::new();
    for (position, entry) in joined(tasks).await.into_iter().flatten() {
        let other = winners.insert(position, entry);
        assert_eq!(other, None, "two writers were told that they have won the same position");
    }
    for position in 0..positions {
        let winner = winners.get(&position).expect("somebody wins each position");
        let stored = service.read(call(1), position).await.expect("a log can be read");
        assert_eq!(stored.as_ref(), Some(winner), "a position holds the entry whose writer was told so");
    }
}

/// Lets `writers` each write `each` entries, trying the next position where one is taken, as hosts do.
pub async fn a_loser_tries_the_next_position(service: Service, writers: usize, each: usize) {
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        tasks.spawn(write_anywhere(Arc::clone(&service), writer, each));
    }
    let mut acknowledged: Vec<(u64, Bytes)> = joined(tasks).await.into_iter().flatten().collect();
    acknowledged.sort();

    let mut log = service.follow(call(1), 0).await.expect("a log can be followed");
    let stored = take(&mut log, writers * each).await;
    assert_eq!(stored, acknowledged, "the log holds what was acknowledged, each entry once");
}

/// Shows that the log can be followed from any position, and goes on live from there.
pub async fn the_log_replays_from_any_position(service: Service) {
    fill(&service, call(1), 5).await;
    let mut followers = Vec::new();
    for from in 0..=5 {
        let mut log = service.follow(call(1), from).await.expect("a log can be followed");
        let stored = take(&mut log, (5 - from) as usize).await;
        assert_eq!(
            stored,
            entries(from..5),
            "a follower gets what is stored, from the position it asked for"
        );
        followers.push(log);
    }

    assert_eq!(append(&service, 5, "entry 5").await, Appended::Written, "a followed log takes entries");
    for log in &mut followers {
        assert_eq!(
            next(log).await,
            (5, text("entry 5")),
            "what is new follows what was stored, without a gap"
        );
    }
}

/// Shows that a follower may be there before the call, or ahead of it.
pub async fn a_follower_sees_later_entries(service: Service) {
    let mut early = service.follow(call(1), 0).await.expect("a call that has not begun can be followed");
    let mut ahead = service.follow(call(1), 2).await.expect("a position beyond the end can be followed");
    fill(&service, call(1), 4).await;

    assert_eq!(take(&mut early, 4).await, entries(0..4), "who was there first sees all, in order");
    assert_eq!(take(&mut ahead, 2).await, entries(2..4), "who is ahead sees nothing before its position");
}

/// Shows that two followers see one order while writers race.
pub async fn followers_see_one_order(service: Service) {
    let (writers, each) = (5, 20);
    let mut followers = JoinSet::new();
    for _ in 0..2 {
        let mut log = service.follow(call(1), 0).await.expect("a call that has not begun can be followed");
        followers.spawn(async move { take(&mut log, writers * each).await });
    }
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        tasks.spawn(write_anywhere(Arc::clone(&service), writer, each));
    }
    joined(tasks).await;

    let seen = joined(followers).await;
    assert_eq!(seen[0], seen[1], "all followers see one order");
    for (expected, (position, entry)) in (0..).zip(&seen[0]) {
        assert_eq!(*position, expected, "a follower sees the positions in order and without gaps");
        let stored = service.read(call(1), expected).await.expect("a log can be read");
        assert_eq!(stored.as_ref(), Some(entry), "a follower sees what a reader sees");
    }
}

/// Shows that nothing of one call is seen in another.
pub async fn calls_are_separate(service: Service) {
    let (mine, other) = (call(1), call(2));
    let mut log = service.follow(mine, 0).await.expect("a call that has not begun can be followed");
    let mut talk = service.listen_talk(mine).await.expect("a call that has not begun can be listened to");

    for position in 0..3 {
        let entry = text(format_args!("other entry {position}"));
        let written = service.append(other, position, entry).await.expect("an append is answered");
        assert_eq!(written, Appended::Written, "an empty position takes an entry");
    }
    service.publish_talk(other, text("other talk")).await.expect("talk can be published");
    assert_eq!(read(&service, 0).await, None, "an entry of one call is not in another");
    gap_refused(&service, 3, 0).await;

    fill(&service, mine, 1).await;
    service.publish_talk(mine, text("talk")).await.expect("talk can be published");
    assert_eq!(next(&mut log).await, (0, text("entry 0")), "a follower sees its own call only");
    assert_eq!(
        next(&mut talk).await,
        crate::Talk::Message(text("talk")),
        "a listener hears its own call only"
    );
}

/// Shows that an ended call is gone, and only that one.
pub async fn an_ended_call_is_forgotten(service: Service) {
    fill(&service, call(1), 3).await;
    fill(&service, call(2), 1).await;
    service.post(mailbox(1), text("knock")).await.expect("a mailbox takes a message");
    let mut log = service.follow(call(1), 0).await.expect("a log can be followed");
    let mut talk = service.listen_talk(call(1)).await.expect("talk can be listened to");
    assert_eq!(take(&mut log, 3).await, entries(0..3), "a follower gets what is stored");

    service.end_call(call(1)).await.expect("a call can be ended");
    ended(&mut log).await;
    ended(&mut talk).await;
    for position in 0..3 {
        assert_eq!(read(&service, position).await, None, "an ended call has no entries");
    }
    gap_refused(&service, 3, 0).await;
    assert_eq!(
        append(&service, 0, "anew").await,
        Appended::Written,
        "an ended call's id is as if never used"
    );
    let mut anew = service.follow(call(1), 0).await.expect("a log can be followed");
    assert_eq!(next(&mut anew).await, (0, text("anew")), "a new log holds nothing of the one before it");

    let other = service.read(call(2), 0).await.expect("a log can be read");
    assert_eq!(other, Some(text("entry 0")), "the end of one call leaves the others alone");
    let mut knocks = service.open_mailbox(mailbox(1)).await.expect("a mailbox can be opened");
    assert_eq!(next(&mut knocks).await, text("knock"), "mailboxes stay when a call ends");
    service.end_call(call(3)).await.expect("ending a call that is not there is no error");
}

async fn append(service: &Service, position: u64, entry: impl std::fmt::Display) -> Appended {
    service.append(call(1), position, text(entry)).await.expect("an append is answered")
}

async fn read(service: &Service, position: u64) -> Option<Bytes> {
    service.read(call(1), position).await.expect("a log can be read")
}

async fn gap_refused(service: &Service, position: u64, end: u64) {
    match service.append(call(1), position, text("ahead")).await {
        Err(DeliveryError::Gap { end: told }) => assert_eq!(told, end, "a gap tells where the log ends"),
        other => panic!("an entry beyond the end is refused as a gap, not answered with {other:?}"),
    }
}

/// Writes `entry 0`, `entry 1`, … into an empty log.
async fn fill(service: &Service, call: CallId, count: u64) {
    for (position, entry) in entries(0..count) {
        let appended = service.append(call, position, entry).await.expect("an append is answered");
        assert_eq!(appended, Appended::Written, "an empty position takes an entry");
    }
}

/// What `fill` writes, as a follower sees it.
fn entries(positions: std::ops::Range<u64>) -> Vec<(u64, Bytes)> {
    positions.map(|position| (position, text(format_args!("entry {position}")))).collect()
}

/// Writes `count` entries of one writer, each at the first position that it can get; returns where they are.
async fn write_anywhere(service: Service, writer: usize, count: usize) -> Vec<(u64, Bytes)> {
    let mut written = Vec::new();
    let mut position = 0;
    while written.len() < count {
        let entry = text(format_args!("writer {writer}, entry {}", written.len()));
        let appended = service.append(call(1), position, entry.clone()).await;
        if appended.expect("whoever goes on from a taken position leaves no gap") == Appended::Written {
            written.push((position, entry));
        }
        position += 1;
        tokio::task::yield_now().await; // so that writers race on one thread, too
    }
    written
}
