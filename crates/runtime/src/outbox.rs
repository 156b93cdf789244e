//! What a call wants sent: a task for each lane, so that no lane waits for another and the call for none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use subrosa::{CallId, Lane, MailboxId, Message};
use subrosa_delivery::{Appended, Bound, DeliveryError, DeliveryService};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::pulse::{Health, Pulse};
use crate::tasks::{AGAIN, Task};

/// What waits for the service at most, in messages. A call sends log entries again until it reads them, and what is lost of talk does no
/// harm; mail waits as long as guests do, and each guest of a large call gets an answer.
const LOG: usize = 16;
const TALK: usize = 256;
const MAIL: usize = 1 << 13;

/// What is to be done about a mailbox.
enum Errand {
    Post(MailboxId, Bytes),
    Close(MailboxId),
}

/// The ways out of a call.
pub(crate) struct Outbox {
    log: mpsc::Sender<(u64, Bytes)>,
    talk: mpsc::Sender<Bytes>,
    mail: mpsc::Sender<Errand>,
    tasks: [Task; 3],
}

impl Outbox {
    pub(crate) fn open(service: &Arc<dyn DeliveryService>, call: CallId, pulse: &Pulse) -> Self {
        let (log, entries) = mpsc::channel(LOG);
        let (talk, words) = mpsc::channel(TALK);
        let (mail, errands) = mpsc::channel(MAIL);
        let tasks = [
            Task::spawn(append(Arc::clone(service), call, entries, pulse.clone())),
            Task::spawn(say(Arc::clone(service), call, words, pulse.clone())),
            Task::spawn(run_errands(Arc::clone(service), errands)),
        ];
        Self { log, talk, mail, tasks }
    }

    /// Sends a message, some time. What there is no room for is lost: the service has been away for long then.
    pub(crate) fn send(&self, Message { lane, payload }: Message) {
        match lane {
            Lane::Log { position } => self.log.try_send((position, payload)).unwrap_or_default(),
            Lane::Talk => self.talk.try_send(payload).unwrap_or_default(),
            Lane::Mailbox(mailbox) => {
                self.mail.try_send(Errand::Post(mailbox, payload)).unwrap_or_default();
            }
        }
    }

    /// Closes a mailbox, after what was to be posted.
    pub(crate) fn close_mailbox(&self, mailbox: MailboxId) {
        self.mail.try_send(Errand::Close(mailbox)).unwrap_or_default();
    }

    /// Waits until everything is sent, but not for ever.
    pub(crate) async fn close(self, patience: Duration) {
        let Self { log, talk, mail, mut tasks } = self;
        drop((log, talk, mail));
        let all = async {
            for task in &mut tasks {
                task.done().await;
            }
        };
        timeout(patience, all).await.unwrap_or_default();
    }
}

async fn append(
    service: Arc<dyn DeliveryService>,
    call: CallId,
    mut entries: mpsc::Receiver<(u64, Bytes)>,
    pulse: Pulse,
) {
    while let Some((position, entry)) = entries.recv().await {
        match service.append(call, position, entry).await {
            // Whether it won or not: the log will tell, and the call does what is right then.
            Ok(Appended::Written | Appended::Taken) => pulse.is(Health::Well),
            Err(DeliveryError::Unavailable(_)) => pulse.missed(),
            // The call says it again, some time; and goes on with what it has.
            Err(DeliveryError::Full(bound)) => pulse.is(Health::Full(bound)),
            Err(_) => {}
        }
    }
}

async fn say(
    service: Arc<dyn DeliveryService>,
    call: CallId,
    mut words: mpsc::Receiver<Bytes>,
    pulse: Pulse,
) {
    while let Some(word) = words.recv().await {
        if let Err(DeliveryError::Unavailable(_)) = service.publish_talk(call, word).await {
            pulse.missed();
        }
    }
}

/// A mailbox gets each message from us once, so it is up to us that it does.
async fn run_errands(service: Arc<dyn DeliveryService>, mut errands: mpsc::Receiver<Errand>) {
    while let Some(errand) = errands.recv().await {
        loop {
            let done = match &errand {
                Errand::Post(mailbox, message) => service.post(*mailbox, message.clone()).await,
                Errand::Close(mailbox) => service.close_mailbox(*mailbox).await,
            };
            match done {
                Err(DeliveryError::Unavailable(_) | DeliveryError::Full(Bound::StoredBytes)) => {
                    sleep(AGAIN).await
                }
                // Whoever has filled his own mailbox gets no answer in it. That is not to be anybody else's trouble: anybody can
                // do it, even a guest who has only the link.
                Ok(()) | Err(_) => break,
            }
        }
    }
}
