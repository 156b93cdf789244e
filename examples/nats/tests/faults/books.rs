//! A member's way to the service, which writes down what was acknowledged.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use subrosa_delivery::nats::Nats;
use subrosa_delivery::{
    Appended, CallId, DeliveryError, DeliveryService, LogStream, MailboxId, MailboxStream, TalkStream,
};

/// Entries that somebody was told are written.
#[derive(Clone, Default)]
pub(crate) struct Books(Arc<Mutex<Vec<(u64, Bytes)>>>);

impl Books {
    pub(crate) fn acknowledged(&self) -> Vec<(u64, Bytes)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(crate) struct Booked {
    pub(crate) service: Nats,
    pub(crate) books: Books,
}

#[async_trait]
impl DeliveryService for Booked {
    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        let appended = self.service.append(call, position, entry.clone()).await?;
        if appended == Appended::Written {
            self.books.0.lock().unwrap_or_else(PoisonError::into_inner).push((position, entry));
        }
        Ok(appended)
    }

    async fn read(&self, call: CallId, position: u64) -> Result<Option<Bytes>, DeliveryError> {
        self.service.read(call, position).await
    }

    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError> {
        self.service.follow(call, from).await
    }

    async fn publish_talk(&self, call: CallId, message: Bytes) -> Result<(), DeliveryError> {
        self.service.publish_talk(call, message).await
    }

    async fn listen_talk(&self, call: CallId) -> Result<TalkStream, DeliveryError> {
        self.service.listen_talk(call).await
    }

    async fn post(&self, mailbox: MailboxId, message: Bytes) -> Result<(), DeliveryError> {
        self.service.post(mailbox, message).await
    }

    async fn open_mailbox(&self, mailbox: MailboxId) -> Result<MailboxStream, DeliveryError> {
        self.service.open_mailbox(mailbox).await
    }

    async fn end_call(&self, call: CallId) -> Result<(), DeliveryError> {
        self.service.end_call(call).await
    }

    async fn close_mailbox(&self, mailbox: MailboxId) -> Result<(), DeliveryError> {
        self.service.close_mailbox(mailbox).await
    }
}
