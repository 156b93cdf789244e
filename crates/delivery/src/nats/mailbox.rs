//! Mailboxes: one subject each, which holds many messages.

use std::sync::Arc;

use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use futures_util::stream::unfold;

use super::Shared;
use super::error::{Refusal, found};
use super::news::{New, News, sequences};
use super::space::{Place, Told};
use crate::{Bound, DeliveryError, MailboxId, MailboxStream, Subscription};

impl Shared {
    pub(super) async fn post(&self, mailbox: MailboxId, message: Bytes) -> Result<(), DeliveryError> {
        self.check_size(&message)?;
        // So that a second attempt, after a lost acknowledgement, is known for one.
        let name = self.client.new_inbox();
        let posted = self
            .patiently(|| async {
                let message = PublishMessage::build().payload(message.clone()).message_id(&name);
                self.store(self.space.mail(mailbox), message).await
            })
            .await;
        match posted {
            Ok(_) => Ok(()),
            Err(Refusal::Taken) => Err(DeliveryError::Full(Bound::MailboxMessages)),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

/// Opens a mailbox.
pub(super) async fn open(shared: &Arc<Shared>, mailbox: MailboxId) -> Result<MailboxStream, DeliveryError> {
    let place = Place::Mailbox(mailbox);
    let news = News::listen(shared, place).await?;
    let begins_after = shared.patiently(|| shared.ended_at(place)).await?;
    let reader =
        Reader { shared: Arc::clone(shared), mailbox, begins_after, last: begins_after, news, behind: true };
    Ok(Subscription::new(unfold(reader, |mut reader| async move {
        let message = reader.next().await?;
        Some((message, reader))
    })))
}

struct Reader {
    shared: Arc<Shared>,
    mailbox: MailboxId,
    /// What is stored up to here was in the mailbox before it was closed.
    begins_after: u64,
    /// Of the message that was read last.
    last: u64,
    news: News,
    /// There may be something that nobody has said.
    behind: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        let place = Place::Mailbox(self.mailbox);
        loop {
            if self.behind {
                match self.look().await {
                    Ok(Found::Message(at, message)) => return Some(self.took(at, message)),
                    Ok(Found::End) => return None,
                    Ok(Found::Nothing) => self.behind = false,
                    Err(_) => {} // the server is away: later
                }
            }
            match self.news.next().await? {
                New::Look => self.behind = true,
                New::Message(message) => {
                    match (self.shared.space.told(place, &message.subject), sequences(&message)) {
                        (Some(Told::Mail), Some((at, _))) if at <= self.last => {}
                        (Some(Told::Mail), Some((at, before))) if before <= self.last => {
                            return Some(self.took(at, message.payload));
                        }
                        _ => self.behind = true,
                    }
                }
            }
        }
    }

    fn took(&mut self, at: u64, message: Bytes) -> Bytes {
        self.last = at;
        message
    }

    async fn look(&self) -> Result<Found, Refusal> {
        if let Some(message) = self.stored().await? {
            return Ok(message);
        }
        if self.shared.ended_at(Place::Mailbox(self.mailbox)).await? <= self.begins_after {
            return Ok(Found::Nothing);
        }
        // What was posted between the two looks comes before the end.
        Ok(self.stored().await?.unwrap_or(Found::End))
    }

    /// The message after the last one that was read.
    async fn stored(&self) -> Result<Option<Found>, Refusal> {
        let (shared, subject) = (&self.shared, self.shared.space.mail(self.mailbox));
        // A server finds a subject's last message at once, and looks through the stream for its next.
        let last = shared.last(&shared.mail, subject.clone()).await?;
        if last.is_none_or(|last| last.sequence <= self.last) {
            return Ok(None);
        }
        let next = shared.mail.raw_message_builder().sequence(self.last + 1).next_by_subject(subject).send();
        Ok(found(next.await)?.map(|next| Found::Message(next.sequence, next.payload)))
    }
}

/// What stands where the next message would.
enum Found {
    Message(u64, Bytes),
    Nothing,
    End,
}
