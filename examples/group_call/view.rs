//! The delivery service as one participant's client has it: it can stop reading the log, as a tampered client would that does not want to
//! know of its own removal.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use subrosa::{CallId, MailboxId};
use subrosa_delivery::{
    Appended, DeliveryError, DeliveryService, LogStream, MailboxStream, Subscription, TalkStream,
};
use tokio::sync::watch;
use tokio_stream::StreamExt;

/// A participant's view of the service.
pub(crate) struct View {
    service: Arc<dyn DeliveryService>,
    /// The log is read.
    obeys: watch::Sender<bool>,
    /// Where it was read from.
    from: OnceLock<u64>,
}

impl View {
    pub(crate) fn of(service: &Arc<dyn DeliveryService>) -> Arc<Self> {
        Arc::new(Self {
            service: Arc::clone(service),
            obeys: watch::Sender::new(true),
            from: OnceLock::new(),
        })
    }

    /// Reads the log from now on, or does not.
    pub(crate) fn obey_log(&self, obeys: bool) {
        self.obeys.send_replace(obeys);
    }

    /// The first position of the log that was asked for.
    pub(crate) fn from(&self) -> u64 {
        self.from.get().copied().unwrap_or_default()
    }
}

#[async_trait]
impl DeliveryService for View {
    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        self.service.append(call, position, entry).await
    }

    async fn read(&self, call: CallId, position: u64) -> Result<Option<Bytes>, DeliveryError> {
        self.service.read(call, position).await
    }

    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError> {
        self.from.get_or_init(|| from);
        let (log, obeys) = (self.service.follow(call, from).await?, self.obeys.subscribe());
        Ok(Subscription::new(log.then(move |entry| {
            let mut obeys = obeys.clone();
            async move {
                obeys.wait_for(|obeys| *obeys).await.map(|_| ()).unwrap_or_default(); // or all is over
                entry
            }
        })))
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
