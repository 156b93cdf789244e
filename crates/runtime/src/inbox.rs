//! What comes for a call: a task for each lane reads it, in order, and goes on where it was when a stream breaks off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use subrosa::{CallId, Lane, MailboxId, Message};
use subrosa_delivery::{DeliveryService, Talk};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use crate::tasks::{AGAIN, Task};

/// Messages that wait for the call; who reads lanes waits then, and what comes stays with the service.
const WAITING: usize = 64;
/// After so long knocks that came too fast are looked at again: time enough for a hundred.
const KNOCKS_PUT_OFF: Duration = Duration::from_secs(1);

/// A message, and for those of mailboxes whom to tell what became of it.
pub(crate) struct Incoming {
    pub(crate) message: Message,
    taken: Option<oneshot::Sender<bool>>,
}

impl Incoming {
    /// It came too fast: it is handed in once more later, and before it none of its mailbox.
    pub(crate) fn put_off(&mut self) {
        if let Some(taken) = self.taken.take() {
            taken.send(false).unwrap_or_default(); // the mailbox may be closed
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            taken.send(true).unwrap_or_default();
        }
    }
}

/// All that is read for a call.
pub(crate) struct Inbox {
    service: Arc<dyn DeliveryService>,
    messages: mpsc::Receiver<Incoming>,
    to_call: mpsc::Sender<Incoming>,
    /// From where to read the log, when the call says so.
    reread: watch::Sender<u64>,
    /// The log and the talk lane.
    _lanes: [Task; 2],
    mailboxes: BTreeMap<MailboxId, Task>,
}

impl Inbox {
    pub(crate) fn open(service: Arc<dyn DeliveryService>, call: CallId, from: u64) -> Self {
        let (to_call, messages) = mpsc::channel(WAITING);
        let (reread, rereads) = watch::channel(from);
        let lanes = [
            Task::spawn(read_log(Arc::clone(&service), call, rereads, to_call.clone())),
            Task::spawn(hear_talk(Arc::clone(&service), call, to_call.clone())),
        ];
        Self { service, messages, to_call, reread, _lanes: lanes, mailboxes: BTreeMap::new() }
    }

    /// The next message. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Incoming {
        match self.messages.recv().await {
            Some(incoming) => incoming,
            None => std::future::pending().await, // not while `to_call` is here
        }
    }

    /// Reads the log again, from a position on.
    pub(crate) fn reread_log(&self, from: u64) {
        self.reread.send_replace(from);
    }

    /// Reads these mailboxes and no others; those that were read and are not any more.
    pub(crate) fn read_mailboxes(&mut self, named: &[MailboxId]) -> Vec<MailboxId> {
        let done = self.mailboxes.keys().filter(|mailbox| !named.contains(mailbox)).copied();
        let done = done.collect::<Vec<_>>();
        self.mailboxes.retain(|mailbox, _| named.contains(mailbox));
        for mailbox in named {
            self.mailboxes.entry(*mailbox).or_insert_with(|| {
                Task::spawn(read_mailbox(Arc::clone(&self.service), *mailbox, self.to_call.clone()))
            });
        }
        done
    }
}

async fn read_log(
    service: Arc<dyn DeliveryService>,
    call: CallId,
    mut reread: watch::Receiver<u64>,
    to_call: mpsc::Sender<Incoming>,
) {
    let mut next = *reread.borrow_and_update();
    loop {
        if let Ok(mut log) = service.follow(call, next).await {
            loop {
                tokio::select! {
                    Ok(()) = reread.changed() => {
                        next = *reread.borrow_and_update();
                        break;
                    }
                    entry = log.next() => {
                        let Some((position, payload)) = entry else { break };
                        next = position + 1;
                        let message = Message { lane: Lane::Log { position }, payload };
                        if to_call.send(Incoming { message, taken: None }).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
        // The service was away, or somebody ended the log: the call judges by itself whether it is over.
        sleep(AGAIN).await;
    }
}

async fn hear_talk(service: Arc<dyn DeliveryService>, call: CallId, to_call: mpsc::Sender<Incoming>) {
    loop {
        if let Ok(mut talk) = service.listen_talk(call).await {
            while let Some(said) = talk.next().await {
                let Talk::Message(payload) = said else { continue }; // what is lost of talk is said again
                let message = Message { lane: Lane::Talk, payload };
                if to_call.send(Incoming { message, taken: None }).await.is_err() {
                    return;
                }
            }
        }
        sleep(AGAIN).await;
    }
}

async fn read_mailbox(
    service: Arc<dyn DeliveryService>,
    mailbox: MailboxId,
    to_call: mpsc::Sender<Incoming>,
) {
    // Reading takes nothing out of a mailbox and its order is the same each time, so what was handed in before is passed over. (Where
    // somebody closed it meanwhile it is another one; but then nobody names it much longer.)
    let mut taken = 0_usize;
    loop {
        if let Ok(mut messages) = service.open_mailbox(mailbox).await {
            let mut number = 0;
            while let Some(payload) = messages.next().await {
                number += 1;
                if number <= taken {
                    continue;
                }
                let message = Message { lane: Lane::Mailbox(mailbox), payload };
                if hand_in(&to_call, message).await.is_none() {
                    return;
                }
                taken = number;
            }
        }
        sleep(AGAIN).await;
    }
}

/// Hands a message in until it was looked at; `None` if the call is gone.
async fn hand_in(to_call: &mpsc::Sender<Incoming>, message: Message) -> Option<()> {
    loop {
        let (taken, was_taken) = oneshot::channel();
        to_call.send(Incoming { message: message.clone(), taken: Some(taken) }).await.ok()?;
        if was_taken.await.ok()? {
            return Some(());
        }
        sleep(KNOCKS_PUT_OFF).await;
    }
}
