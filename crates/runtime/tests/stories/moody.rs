//! A delivery service with moods: it can be away, never answer an append, or end each stream after a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use subrosa_delivery::{
    Appended, CallId, DeliveryError, DeliveryService, InProcess, Limits, LogStream, MailboxId, MailboxStream,
    Subscription, TalkStream,
};

#[derive(Clone, Default)]
pub(crate) struct Moody {
    pub(crate) service: InProcess,
    mood: Arc<Mood>,
}

#[derive(Default)]
struct Mood {
    away: AtomicBool,
    hangs: AtomicBool,
    /// How many entries a stream of the log brings before it ends; 0: as many as there are.
    entries: AtomicUsize,
}

impl Moody {
    pub(crate) fn with(limits: Limits) -> Self {
        Self { service: InProcess::new(limits), ..Self::default() }
    }

    pub(crate) fn is_away(&self, away: bool) {
        self.mood.away.store(away, Ordering::Relaxed);
    }

    /// Appends are never answered.
    pub(crate) fn hangs(&self, hangs: bool) {
        self.mood.hangs.store(hangs, Ordering::Relaxed);
    }

    pub(crate) fn ends_after(&self, entries: usize) {
        self.mood.entries.store(entries, Ordering::Relaxed);
    }

    fn here(&self) -> Result<(), DeliveryError> {
        if self.mood.away.load(Ordering::Relaxed) {
            return Err(DeliveryError::Unavailable("it is away".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl DeliveryService for Moody {
    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        self.here()?;
        if self.mood.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.service.append(call, position, entry).await
    }

    async fn read(&self, call: CallId, position: u64) -> Result<Option<Bytes>, DeliveryError> {
        self.here()?;
        self.service.read(call, position).await
    }

    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError> {
        self.here()?;
        let log = self.service.follow(call, from).await?;
        let mut left = self.mood.entries.load(Ordering::Relaxed);
        if left == 0 {
            return Ok(log);
        }
        let mut log = Box::pin(log);
        Ok(Subscription::new(futures::poll(move |cx| {
            if left == 0 {
                return std::task::Poll::Ready(None);
            }
            let polled = futures_core::Stream::poll_next(log.as_mut(), cx);
            left -= usize::from(polled.is_ready());
            polled
        })))
    }

    async fn publish_talk(&self, call: CallId, message: Bytes) -> Result<(), DeliveryError> {
        self.here()?;
        self.service.publish_talk(call, message).await
    }

    async fn listen_talk(&self, call: CallId) -> Result<TalkStream, DeliveryError> {
        self.here()?;
        self.service.listen_talk(call).await
    }

    async fn post(&self, mailbox: MailboxId, message: Bytes) -> Result<(), DeliveryError> {
        self.here()?;
        self.service.post(mailbox, message).await
    }

    async fn open_mailbox(&self, mailbox: MailboxId) -> Result<MailboxStream, DeliveryError> {
        self.here()?;
        self.service.open_mailbox(mailbox).await
    }

    async fn end_call(&self, call: CallId) -> Result<(), DeliveryError> {
        self.here()?;
        self.service.end_call(call).await
    }

    async fn close_mailbox(&self, mailbox: MailboxId) -> Result<(), DeliveryError> {
        self.here()?;
        self.service.close_mailbox(mailbox).await
    }
}

mod futures {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_core::Stream;

    /// A stream of what a function returns.
    pub(super) fn poll<T, F: FnMut(&mut Context<'_>) -> Poll<Option<T>> + Unpin>(f: F) -> PollFn<F> {
        PollFn(f)
    }

    pub(super) struct PollFn<F>(F);

    impl<T, F: FnMut(&mut Context<'_>) -> Poll<Option<T>> + Unpin> Stream for PollFn<F> {
        type Item = T;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
            (self.0)(cx)
        }
    }
}
