//! Checks of the bounds of one lane: what is too much is refused, and harms nothing.

use bytes::Bytes;

use super::{Service, call, mailbox, next, take, text};
use crate::{Appended, Bound, DeliveryError, Limits, Talk};

/// Shows that each lane takes messages up to the limit, and none that is longer.
pub async fn messages_are_bounded(service: Service, limits: &Limits) {
    let limit = limits.max_entry_bytes;
    let fits = Bytes::from(vec![b'x'; limit]);
    let too_large = Bytes::from(vec![b'x'; limit + 1]);
    let mut talk = service.listen_talk(call(1)).await.expect("talk can be listened to");

    assert_too_large(service.append(call(1), 0, too_large.clone()).await, limit);
    assert_too_large(service.publish_talk(call(1), too_large.clone()).await, limit);
    assert_too_large(service.post(mailbox(1), too_large).await, limit);

    let written =
        service.append(call(1), 0, fits.clone()).await.expect("an entry may be as long as the limit");
    assert_eq!(written, Appended::Written, "a refused entry takes no position");
    service.publish_talk(call(1), fits.clone()).await.expect("talk may be as long as the limit");
    assert_eq!(next(&mut talk).await, Talk::Message(fits.clone()), "refused talk is not published");
    service.post(mailbox(1), fits.clone()).await.expect("a message may be as long as the limit");
    let mut reader = service.open_mailbox(mailbox(1)).await.expect("a mailbox can be opened");
    assert_eq!(next(&mut reader).await, fits, "a refused message is not in the mailbox");
}

/// Shows that a log is bounded, that a full one is still there, and that it fills no other.
pub async fn a_log_is_bounded(service: Service, limits: &Limits) {
    let end = limits.max_log_entries as u64;
    for position in 0..end {
        let written = service.append(call(1), position, text(position)).await.expect("a log takes its fill");
        assert_eq!(written, Appended::Written, "an empty position takes an entry");
    }
    let refused = service.append(call(1), end, text("one more")).await;
    assert_full(refused, Bound::LogEntries);

    let last = end - 1;
    let retried = service.append(call(1), last, text(last)).await.expect("a retry needs no room");
    assert_eq!(retried, Appended::Written, "a full log still knows its entries");
    let late = service.append(call(1), last, text("late")).await.expect("a loser needs no room");
    assert_eq!(late, Appended::Taken, "a full log still tells who lost");
    let mut log = service.follow(call(1), 0).await.expect("a full log can be followed");
    let stored: Vec<_> = (0..end).map(|position| (position, text(position))).collect();
    assert_eq!(take(&mut log, stored.len()).await, stored, "a full log has lost nothing");
    let other = service.append(call(2), 0, text("other")).await.expect("a full log fills no other");
    assert_eq!(other, Appended::Written, "an empty position takes an entry");
}

/// Shows that a mailbox is bounded, that a full one is still there, and that it fills no other.
pub async fn a_mailbox_is_bounded(service: Service, limits: &Limits) {
    for n in 0..limits.max_mailbox_messages {
        service.post(mailbox(1), text(n)).await.expect("a mailbox takes its fill");
    }
    assert_full(service.post(mailbox(1), text("one more")).await, Bound::MailboxMessages);

    let mut reader = service.open_mailbox(mailbox(1)).await.expect("a full mailbox can be opened");
    let stored: Vec<_> = (0..limits.max_mailbox_messages).map(text).collect();
    assert_eq!(take(&mut reader, stored.len()).await, stored, "a full mailbox has lost nothing");
    service.post(mailbox(2), text("other")).await.expect("a full mailbox fills no other");
}

#[track_caller]
fn assert_too_large<T: std::fmt::Debug>(result: Result<T, DeliveryError>, expected: usize) {
    match result {
        Err(DeliveryError::TooLarge { len, limit }) => assert_eq!((len, limit), (expected + 1, expected)),
        other => panic!("a message beyond the limit is refused as too large, not answered with {other:?}"),
    }
}

#[track_caller]
fn assert_full<T: std::fmt::Debug>(result: Result<T, DeliveryError>, expected: Bound) {
    match result {
        Err(DeliveryError::Full(bound)) => assert_eq!(bound, expected, "the bound that is reached is named"),
        other => panic!("what is beyond the bound is refused as full, not answered with {other:?}"),
    }
}
