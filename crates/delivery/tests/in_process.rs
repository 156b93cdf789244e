//! What the in-process service promises beyond the contract: bounds of the whole, a tap, and an end.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use subrosa_delivery::{
    Appended, Bound, CallId, DeliveryError, DeliveryService, InProcess, Limits, MailboxId, Outcome, Record,
    RecordLane, Talk,
};

const CALL: CallId = CallId([1; 16]);
const OTHER_CALL: CallId = CallId([2; 16]);
const MAILBOX: MailboxId = MailboxId([1; 16]);
const OTHER_MAILBOX: MailboxId = MailboxId([2; 16]);

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[track_caller]
fn assert_full<T>(result: Result<T, DeliveryError>, expected: Bound) {
    match result.err() {
        Some(DeliveryError::Full(bound)) => assert_eq!(bound, expected),
        other => panic!("expected to be told of a bound, got {other:?}"),
    }
}

#[tokio::test]
async fn calls_are_bounded_and_the_end_of_one_makes_room() {
    let service = InProcess::new(Limits { max_calls: 1, ..Limits::default() });
    assert_eq!(service.append(CALL, 0, text("one")).await.unwrap(), Appended::Written);

    assert_full(service.append(OTHER_CALL, 0, text("two")).await, Bound::Calls);
    assert_full(service.follow(OTHER_CALL, 0).await, Bound::Calls);
    assert_full(service.listen_talk(OTHER_CALL).await, Bound::Calls);
    assert_eq!(service.append(CALL, 1, text("two")).await.unwrap(), Appended::Written);

    service.end_call(CALL).await.unwrap();
    assert_eq!(service.append(OTHER_CALL, 0, text("two")).await.unwrap(), Appended::Written);
}

#[tokio::test]
async fn a_call_counts_while_somebody_listens_and_no_longer() {
    let service = InProcess::new(Limits { max_calls: 1, ..Limits::default() });
    let listener = service.listen_talk(CALL).await.unwrap();
    assert_full(service.follow(OTHER_CALL, 0).await, Bound::Calls);

    drop(listener);
    service.follow(OTHER_CALL, 0).await.expect("a call without entries and listeners makes way");
}

#[tokio::test]
async fn mailboxes_are_bounded_and_closing_one_makes_room() {
    let service = InProcess::new(Limits { max_mailboxes: 1, ..Limits::default() });
    service.post(MAILBOX, text("knock")).await.unwrap();
    assert_full(service.post(OTHER_MAILBOX, text("knock")).await, Bound::Mailboxes);
    assert_full(service.open_mailbox(OTHER_MAILBOX).await, Bound::Mailboxes);

    service.close_mailbox(MAILBOX).await.unwrap();
    let reader = service.open_mailbox(OTHER_MAILBOX).await.unwrap();
    assert_full(service.post(MAILBOX, text("knock")).await, Bound::Mailboxes);

    drop(reader);
    service.post(MAILBOX, text("knock")).await.expect("an empty mailbox without readers makes way");
}

#[tokio::test]
async fn stored_bytes_are_bounded_over_all_lanes_and_given_back() {
    let service = InProcess::new(Limits { max_stored_bytes: 2_500, ..Limits::default() });
    let kilobyte = Bytes::from(vec![0; 1_000]);
    assert_eq!(service.append(CALL, 0, kilobyte.clone()).await.unwrap(), Appended::Written);
    service.post(MAILBOX, kilobyte.clone()).await.unwrap();
    let listener = service.listen_talk(CALL).await.unwrap();

    assert_full(service.append(CALL, 1, kilobyte.clone()).await, Bound::StoredBytes);
    assert_full(service.post(MAILBOX, kilobyte.clone()).await, Bound::StoredBytes);
    assert_full(service.publish_talk(CALL, kilobyte.clone()).await, Bound::StoredBytes);
    assert_eq!(service.read(CALL, 1).await.unwrap(), None);

    drop(listener);
    service.publish_talk(CALL, kilobyte.clone()).await.expect("what nobody hears needs no room");
    service.end_call(CALL).await.unwrap();
    service.post(MAILBOX, kilobyte).await.expect("an ended call gives its room back");
}

#[tokio::test]
async fn a_follower_who_still_holds_an_ended_log_still_pays_for_it() {
    let service = InProcess::new(Limits { max_stored_bytes: 1_500, ..Limits::default() });
    let kilobyte = Bytes::from(vec![0; 1_000]);
    assert_eq!(service.append(CALL, 0, kilobyte.clone()).await.unwrap(), Appended::Written);
    let mut log = service.follow(CALL, 0).await.unwrap();
    service.end_call(CALL).await.unwrap();
    assert_full(service.post(MAILBOX, kilobyte.clone()).await, Bound::StoredBytes);

    assert_eq!(log.next().await, Some((0, kilobyte.clone())), "what was stored can still be read");
    assert_eq!(log.next().await, None);
    assert_eq!(log.next().await, None, "the end stays the end");
    service.post(MAILBOX, kilobyte).await.expect("a log that is read to its end gives its room back");
}

#[tokio::test]
async fn empty_messages_are_not_free() {
    let service = InProcess::new(Limits { max_stored_bytes: 1_000, ..Limits::default() });
    let mut taken = 0;
    while service.post(MAILBOX, Bytes::new()).await.is_ok() {
        taken += 1;
        assert!(taken < 1_000, "empty messages fill the service, too");
    }
}

#[tokio::test]
async fn a_slow_listener_loses_exactly_the_oldest() {
    let service = InProcess::new(Limits { talk_backlog: 2, ..Limits::default() });
    let mut slow = service.listen_talk(CALL).await.unwrap();
    let mut quick = service.listen_talk(CALL).await.unwrap();
    for message in ["a", "b", "c", "d", "e"] {
        service.publish_talk(CALL, text(message)).await.unwrap();
        assert_eq!(quick.next().await, Some(Talk::Message(text(message))));
    }

    assert_eq!(slow.next().await, Some(Talk::Lagged(3)));
    assert_eq!(slow.next().await, Some(Talk::Message(text("d"))));
    assert_eq!(slow.next().await, Some(Talk::Message(text("e"))));
    assert_eq!(slow.next().now_or_never(), None, "and waits for what is next");
}

#[tokio::test]
async fn limits_of_zero_refuse_and_do_not_panic() {
    let nothing = Limits {
        max_entry_bytes: 0,
        max_log_entries: 0,
        max_mailbox_messages: 0,
        max_mailboxes: 0,
        max_calls: 0,
        talk_backlog: 0,
        max_stored_bytes: 0,
    };
    let service = InProcess::new(nothing.clone());
    assert_full(service.append(CALL, 0, Bytes::new()).await, Bound::LogEntries);
    assert_full(service.listen_talk(CALL).await, Bound::Calls);
    assert_full(service.open_mailbox(MAILBOX).await, Bound::Mailboxes);
    assert_full(service.post(MAILBOX, Bytes::new()).await, Bound::StoredBytes);

    let talkative = InProcess::new(Limits { max_calls: 1, max_stored_bytes: 1_000, ..nothing });
    let mut listener = talkative.listen_talk(CALL).await.unwrap();
    talkative.publish_talk(CALL, Bytes::new()).await.unwrap();
    assert_eq!(listener.next().await, Some(Talk::Message(Bytes::new())), "a backlog of at least one is kept");
}

#[tokio::test]
async fn the_tap_sees_everything_in_order_and_losers_too() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let limits = Limits { max_entry_bytes: 8, ..Limits::default() };
    let service = InProcess::with_tap(limits, move |message: &Record| {
        record.lock().unwrap().push((message.lane, message.bytes.clone(), message.outcome));
    });

    assert_eq!(service.append(CALL, 0, text("first")).await.unwrap(), Appended::Written);
    assert_eq!(service.append(CALL, 0, text("loser")).await.unwrap(), Appended::Taken);
    assert_eq!(service.append(CALL, 0, text("first")).await.unwrap(), Appended::Written);
    assert!(service.append(CALL, 7, text("ahead")).await.is_err());
    service.publish_talk(CALL, text("unheard")).await.unwrap();
    service.post(MAILBOX, text("knock")).await.unwrap();
    assert!(service.post(MAILBOX, text("too large")).await.is_err());

    let log = |position| RecordLane::Log { call: CALL, position };
    let (talk, mailbox) = (RecordLane::Talk { call: CALL }, RecordLane::Mailbox { mailbox: MAILBOX });
    let expected = [
        (log(0), text("first"), Outcome::Accepted),
        (log(0), text("loser"), Outcome::Taken),
        (log(0), text("first"), Outcome::Accepted),
        (log(7), text("ahead"), Outcome::Refused),
        (talk, text("unheard"), Outcome::Accepted),
        (mailbox, text("knock"), Outcome::Accepted),
        (mailbox, text("too large"), Outcome::Refused),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_tap_sees_an_entry_before_any_reader_does() {
    let early = Arc::new(Mutex::new(None));
    let reader = Arc::clone(&early);
    let service = InProcess::with_tap(Limits::default(), move |_| {
        let log: &mut Option<subrosa_delivery::LogStream> = &mut reader.lock().unwrap();
        let follower = log.as_mut().expect("there is a follower");
        assert_eq!(follower.next().now_or_never(), None, "the follower has seen the entry before the tap");
    });
    *early.lock().unwrap() = Some(service.follow(CALL, 0).await.unwrap());
    assert_eq!(service.append(CALL, 0, text("entry")).await.unwrap(), Appended::Written);

    let mut follower = early.lock().unwrap().take().unwrap();
    assert_eq!(follower.next().await, Some((0, text("entry"))));
}

#[tokio::test]
async fn a_tap_that_panics_leaves_the_service_as_it_was() {
    let service = InProcess::with_tap(Limits::default(), |message: &Record| {
        assert_ne!(message.bytes, "poison");
    });
    let victim = service.clone();
    let poisoned = tokio::spawn(async move { victim.append(CALL, 0, text("poison")).await }).await;
    assert!(poisoned.is_err(), "the panic is the caller's");

    assert_eq!(service.append(CALL, 0, text("entry")).await.unwrap(), Appended::Written);
    assert_eq!(service.read(CALL, 0).await.unwrap(), Some(text("entry")));
}

#[tokio::test]
async fn streams_end_with_the_last_handle() {
    let service = InProcess::default();
    let other_handle = service.clone();
    let mut log = service.follow(CALL, 0).await.unwrap();
    let mut mailbox = service.open_mailbox(MAILBOX).await.unwrap();

    drop(service);
    assert_eq!(other_handle.append(CALL, 0, text("entry")).await.unwrap(), Appended::Written);
    drop(other_handle);
    assert_eq!(log.next().await, Some((0, text("entry"))));
    assert_eq!(log.next().await, None);
    assert_eq!(mailbox.next().await, None);
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let service = InProcess::default();
    let mut log = service.follow(CALL, 0).await.unwrap();
    assert_eq!(log.next().now_or_never(), None);
    assert_eq!(service.append(CALL, 0, text("entry")).await.unwrap(), Appended::Written);
    assert_eq!(log.next().await, Some((0, text("entry"))));
}
