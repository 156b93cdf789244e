//! A participant's lanes: what the delivery service has for a call, and what the call has for the delivery service.
//!
//! An app can take this file as it is; nothing in it is the example's own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use subrosa::{CallId, Lane, MailboxId, Message};
use subrosa_delivery::{
    Appended, DeliveryError, DeliveryService, LogStream, MailboxStream, Subscription, Talk, TalkStream,
};
use tokio_stream::{StreamExt, StreamMap};

/// Everything that a participant listens to: the log, the talk lane, and the mailboxes that his call names.
pub(crate) struct Lanes {
    service: Arc<dyn DeliveryService>,
    call: CallId,
    log: LogStream,
    talk: TalkStream,
    mailboxes: StreamMap<MailboxId, MailboxStream>,
    /// How many messages of each mailbox were handed out.
    taken: BTreeMap<MailboxId, usize>,
    /// Mailboxes that are not read for a while.
    put_off: BTreeSet<MailboxId>,
    /// For mailboxes: what the service could not take yet.
    unsent: VecDeque<Message>,
}

impl Lanes {
    /// Listens for a call that was just founded or joined; `from` is the [log position](subrosa::Call::log_position) that it wants.
    pub(crate) async fn open(
        service: Arc<dyn DeliveryService>,
        call: CallId,
        from: u64,
    ) -> Result<Self, DeliveryError> {
        let talk = service.listen_talk(call).await?;
        let log = service.follow(call, from).await?;
        Ok(Self {
            service,
            call,
            log,
            talk,
            mailboxes: StreamMap::new(),
            taken: BTreeMap::new(),
            put_off: BTreeSet::new(),
            unsent: VecDeque::new(),
        })
    }

    /// Reads the [mailboxes that the call names](subrosa::Call::mailboxes), and no others. To be called after
    /// [`Event::Mailboxes`](subrosa::Event::Mailboxes); `lobby` is that of the current invite.
    pub(crate) async fn follow_mailboxes(
        &mut self,
        named: Vec<MailboxId>,
        lobby: MailboxId,
    ) -> Result<(), DeliveryError> {
        let done = self.taken.keys().filter(|mailbox| !named.contains(mailbox)).copied();
        for mailbox in done.collect::<Vec<_>>() {
            self.mailboxes.remove(&mailbox);
            self.put_off.remove(&mailbox);
            self.taken.remove(&mailbox);
            // Other hosts may go on reading the lobby; but an old link's lobby, and acknowledgements, nobody reads any more.
            if mailbox != lobby {
                self.service.close_mailbox(mailbox).await?;
            }
        }
        for mailbox in named {
            if !self.mailboxes.contains_key(&mailbox) && !self.put_off.contains(&mailbox) {
                self.taken.remove(&mailbox); // where somebody closed it, it is another one
                self.read_mailbox(mailbox).await?;
            }
        }
        Ok(())
    }

    /// The message that a mailbox gave last came too fast ([`KnockFault::TooFast`](subrosa::KnockFault::TooFast)): it and what
    /// comes after it stay where they are until [`reopen`](Self::reopen).
    pub(crate) fn put_off(&mut self, mailbox: MailboxId) {
        if self.mailboxes.remove(&mailbox).is_some() {
            self.put_off.insert(mailbox);
            self.taken.entry(mailbox).and_modify(|taken| *taken = taken.saturating_sub(1));
        }
    }

    /// Goes on reading the mailboxes that were put off, each with the message that came too fast. To be called when the call has
    /// had time for more, say a second later.
    pub(crate) async fn reopen(&mut self) -> Result<(), DeliveryError> {
        while let Some(mailbox) = self.put_off.first().copied() {
            self.read_mailbox(mailbox).await?;
            self.put_off.remove(&mailbox);
        }
        Ok(())
    }

    /// Reading takes nothing out of a mailbox and its order is the same each time, so what was handed out before is passed over.
    async fn read_mailbox(&mut self, mailbox: MailboxId) -> Result<(), DeliveryError> {
        let messages = self.service.open_mailbox(mailbox).await?;
        let taken = *self.taken.entry(mailbox).or_default();
        self.mailboxes.insert(mailbox, Subscription::new(messages.skip(taken)));
        Ok(())
    }

    /// Reads the log again, from a position on: the answer to [`HandleError::Gap`](subrosa::HandleError::Gap).
    pub(crate) async fn reread_log(&mut self, from: u64) -> Result<(), DeliveryError> {
        self.log = self.service.follow(self.call, from).await?;
        Ok(())
    }

    /// The call is over for all: the service may forget it, and the lobby of its invite. For the last host to say.
    pub(crate) async fn end_call(self, lobby: MailboxId) -> Result<(), DeliveryError> {
        self.service.close_mailbox(lobby).await?;
        self.service.end_call(self.call).await
    }

    /// Waits for the next message; `None` once all lanes have ended. Dropping the future loses nothing, so this may stand in a
    /// `select!`.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            return Some(tokio::select! {
                Some((position, payload)) = self.log.next() => Message { lane: Lane::Log { position }, payload },
                Some(talk) = self.talk.next() => match talk {
                    Talk::Message(payload) => Message { lane: Lane::Talk, payload },
                    Talk::Lagged(_) => continue, // what is lost of the talk lane is said again
                },
                Some((mailbox, payload)) = self.mailboxes.next() => {
                    *self.taken.entry(mailbox).or_default() += 1;
                    Message { lane: Lane::Mailbox(mailbox), payload }
                }
                else => return None,
            });
        }
    }

    /// Sends what the call wants sent, and what the service could not take before. To be called after every drain, which is at
    /// least once a second.
    ///
    /// Over a network this takes its time: it belongs into a task of its own then, since the call's deadlines do not wait.
    pub(crate) async fn send(&mut self, messages: Vec<Message>) -> Result<(), DeliveryError> {
        for message in std::mem::take(&mut self.unsent).into_iter().chain(messages) {
            match (deliver(&self.service, self.call, &message).await, message.lane) {
                // A mailbox gets each message from us once, so it is up to us that it does.
                (Err(DeliveryError::Unavailable(_)), Lane::Mailbox(_)) => self.unsent.push_back(message),
                // Whoever has filled his own mailbox gets no answer in it. That is not to be anybody else's trouble: anybody can
                // do it, even a guest who has only the link.
                (Err(DeliveryError::Full(_) | DeliveryError::TooLarge { .. }), Lane::Mailbox(_)) => {}
                // The call itself sends entries again until it reads them; and a lost word of talk does no harm.
                (Err(DeliveryError::Unavailable(_)), Lane::Log { .. } | Lane::Talk) => {}
                (sent, _) => sent?,
            }
        }
        Ok(())
    }
}

async fn deliver(
    service: &Arc<dyn DeliveryService>,
    call: CallId,
    Message { lane, payload }: &Message,
) -> Result<(), DeliveryError> {
    match *lane {
        Lane::Log { position } => {
            // Whether it won or not: the log will tell, and the call does what is right then.
            let (Appended::Written | Appended::Taken) =
                service.append(call, position, payload.clone()).await?;
            Ok(())
        }
        Lane::Talk => service.publish_talk(call, payload.clone()).await,
        Lane::Mailbox(mailbox) => service.post(mailbox, payload.clone()).await,
    }
}
