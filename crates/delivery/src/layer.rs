//! A service in front of another one.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Appended, CallId, DeliveryError, DeliveryService, LogStream, MailboxId, MailboxStream, TalkStream,
};

/// A [`DeliveryService`] in front of another one: it hands on what it does not do itself. To measure, log, refuse, or break in a test.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use subrosa_delivery::{Appended, CallId, DeliveryError, DeliveryService, InProcess, Layer};
///
/// struct Counting { service: InProcess, appends: AtomicUsize }
///
/// #[async_trait]
/// impl Layer for Counting {
///     fn inner(&self) -> &dyn DeliveryService {
///         &self.service
///     }
///
///     async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
///         self.appends.fetch_add(1, Ordering::Relaxed);
///         self.inner().append(call, position, entry).await
///     }
/// }
///
/// # fn is_a_service(_: &dyn DeliveryService) {}
/// # is_a_service(&Counting { service: InProcess::default(), appends: AtomicUsize::new(0) });
/// ```
#[async_trait]
#[expect(missing_docs, reason = "each is DeliveryService's own of that name")]
pub trait Layer: Send + Sync {
    /// The service behind this one.
    fn inner(&self) -> &dyn DeliveryService;

    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        self.inner().append(call, position, entry).await
    }

    async fn read(&self, call: CallId, position: u64) -> Result<Option<Bytes>, DeliveryError> {
        self.inner().read(call, position).await
    }

    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError> {
        self.inner().follow(call, from).await
    }

    async fn publish_talk(&self, call: CallId, message: Bytes) -> Result<(), DeliveryError> {
        self.inner().publish_talk(call, message).await
    }

    async fn listen_talk(&self, call: CallId) -> Result<TalkStream, DeliveryError> {
        self.inner().listen_talk(call).await
    }

    async fn post(&self, mailbox: MailboxId, message: Bytes) -> Result<(), DeliveryError> {
        self.inner().post(mailbox, message).await
    }

    async fn open_mailbox(&self, mailbox: MailboxId) -> Result<MailboxStream, DeliveryError> {
        self.inner().open_mailbox(mailbox).await
    }

    async fn end_call(&self, call: CallId) -> Result<(), DeliveryError> {
        self.inner().end_call(call).await
    }

    async fn close_mailbox(&self, mailbox: MailboxId) -> Result<(), DeliveryError> {
        self.inner().close_mailbox(mailbox).await
    }
}

#[async_trait]
impl<L: Layer> DeliveryService for L {
    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        Layer::append(self, call, position, entry).await
    }

    async fn read(&self, call: CallId, position: u64) -> Result<Option<Bytes>, DeliveryError> {
        Layer::read(self, call, position).await
    }

    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError> {
        Layer::follow(self, call, from).await
    }

    async fn publish_talk(&self, call: CallId, message: Bytes) -> Result<(), DeliveryError> {
        Layer::publish_talk(self, call, message).await
    }

    async fn listen_talk(&self, call: CallId) -> Result<TalkStream, DeliveryError> {
        Layer::listen_talk(self, call).await
    }

    async fn post(&self, mailbox: MailboxId, message: Bytes) -> Result<(), DeliveryError> {
        Layer::post(self, mailbox, message).await
    }

    async fn open_mailbox(&self, mailbox: MailboxId) -> Result<MailboxStream, DeliveryError> {
        Layer::open_mailbox(self, mailbox).await
    }

    async fn end_call(&self, call: CallId) -> Result<(), DeliveryError> {
        Layer::end_call(self, call).await
    }

    async fn close_mailbox(&self, mailbox: MailboxId) -> Result<(), DeliveryError> {
        Layer::close_mailbox(self, mailbox).await
    }
}
