//! Checks of mailboxes: what is posted is there for all who come.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Service, ended, joined, mailbox, next, take, text};

/// Shows that who opens a mailbox late gets everything from the first message, as often as it is opened.
pub async fn a_mailbox_keeps_its_messages(service: Service) {
    for knock in ["first", "second", "third"] {
        service.post(mailbox(1), text(knock)).await.expect("a mailbox takes a message");
    }
    let mut reader = service.open_mailbox(mailbox(1)).await.expect("a mailbox can be opened");
    let stored = [text("first"), text("second"), text("third")];
    assert_eq!(take(&mut reader, 3).await, stored, "a reader gets what is stored, from the first message");

    service.post(mailbox(1), text("fourth")).await.expect("an open mailbox takes a message");
    assert_eq!(next(&mut reader).await, text("fourth"), "what is new follows what was stored");
    let mut later = service.open_mailbox(mailbox(1)).await.expect("a mailbox can be opened twice");
    assert_eq!(take(&mut later, 3).await, stored, "reading takes nothing out of a mailbox");
}

/// Shows that several readers of a mailbox each get all of it, in one order, while many post.
pub async fn every_reader_gets_every_message(service: Service) {
    let (posters, each) = (5, 10);
    let mut readers = JoinSet::new();
    for _ in 0..3 {
        let mut reader = service.open_mailbox(mailbox(1)).await.expect("an empty mailbox can be opened");
        readers.spawn(async move { take(&mut reader, posters * each).await });
    }
    let mut tasks = JoinSet::new();
    for poster in 0..posters {
        let service = Arc::clone(&service);
        tasks.spawn(async move {
            for n in 0..each {
                let knock = text(format_args!("poster {poster}, knock {n}"));
                service.post(mailbox(1), knock).await.expect("a mailbox takes a message");
                tokio::task::yield_now().await; // so that posters mix on one thread, too
            }
        });
    }
    joined(tasks).await;

    let mut seen = joined(readers).await;
    assert!(seen.iter().all(|messages| *messages == seen[0]), "all readers of a mailbox see one order");
    seen[0].sort();
    seen[0].dedup();
    assert_eq!(seen[0].len(), posters * each, "every message is in the mailbox, once");
}

/// Shows that a message is in the mailbox that it was posted to, and in no other.
pub async fn mailboxes_are_separate(service: Service) {
    service.post(mailbox(2), text("other")).await.expect("a mailbox takes a message");
    service.post(mailbox(1), text("mine")).await.expect("a mailbox takes a message");
    let mut reader = service.open_mailbox(mailbox(1)).await.expect("a mailbox can be opened");
    assert_eq!(next(&mut reader).await, text("mine"), "a reader sees its own mailbox only");
}

/// Shows that a closed mailbox is gone, and only that one.
pub async fn a_closed_mailbox_is_forgotten(service: Service) {
    service.post(mailbox(1), text("before")).await.expect("a mailbox takes a message");
    service.post(mailbox(2), text("other")).await.expect("a mailbox takes a message");
    let mut reader = service.open_mailbox(mailbox(1)).await.expect("a mailbox can be opened");
    assert_eq!(next(&mut reader).await, text("before"), "a reader gets what is stored");

    service.close_mailbox(mailbox(1)).await.expect("a mailbox can be closed");
    ended(&mut reader).await;
    service.post(mailbox(1), text("after")).await.expect("a closed mailbox's id is as if never used");
    let mut reader = service.open_mailbox(mailbox(1)).await.expect("a mailbox can be opened");
    assert_eq!(next(&mut reader).await, text("after"), "a closed mailbox has forgotten its messages");

    let mut other = service.open_mailbox(mailbox(2)).await.expect("a mailbox can be opened");
    assert_eq!(next(&mut other).await, text("other"), "closing one mailbox leaves the others alone");
    service.close_mailbox(mailbox(3)).await.expect("closing a mailbox that is not there is no error");
}
