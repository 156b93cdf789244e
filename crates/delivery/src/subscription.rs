//! A stream that needs no extra trait to be read.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

/// Messages as they come: `while let Some(item) = subscription.next().await { … }`.
///
/// Dropping it unsubscribes. It is also a [`Stream`], for those who use stream combinators.
///
/// A subscription ends when its lane ends, or when the service has lost its way to the messages for good. To tell
/// the two apart, subscribe again: a log continues at the next position, and a service that is gone says so.
pub struct Subscription<T> {
    /// Dropped at its end, so that polling once more is harmless.
    source: Option<Pin<Box<dyn Stream<Item = T> + Send>>>,
}

impl<T> Subscription<T> {
    /// Wraps the stream of a service; apps get theirs from a [`DeliveryService`](crate::DeliveryService).
    pub fn new(source: impl Stream<Item = T> + Send + 'static) -> Self {
        Self { source: Some(Box::pin(source)) }
    }

    /// Waits for the next item; `None` at the end, and ever after.
    ///
    /// Dropping the future before it is ready loses nothing, so this may stand in a `select!`.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T> Stream for Subscription<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        let polled = source.as_mut().poll_next(cx);
        if let Poll::Ready(None) = polled {
            self.source = None;
        }
        polled
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("ended", &self.source.is_none()).finish()
    }
}
