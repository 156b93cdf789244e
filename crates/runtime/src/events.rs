//! What an app learns of a call.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use subrosa::{Event, HandleError, Message};
use subrosa_delivery::Bound;
use tokio::sync::mpsc;

/// Something happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallEvent {
    /// In the call.
    Call(Event),
    /// The delivery service does not answer. The call goes on with the keys it has, until the liveness window closes (R21); nobody can come in or
    /// be removed meanwhile. Show it.
    ServiceLost,
    /// The delivery service answers, and has no room for what this call wants to change: somebody has to make some. The call goes on as it is,
    /// and tries again.
    ServiceFull(Bound),
    /// The delivery service is well again. What was to be sent is sent; nothing is to be done.
    ServiceBack,
    /// A message was refused, as anybody can post garbage and a server can say things twice: only for those who
    /// [want to know](crate::Client::report_refused).
    Refused(Refused),
}

/// A message that the call refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What came.
    pub message: Message,
    /// Why it means nothing.
    pub error: HandleError,
}

/// The events of one call, in order: `while let Some(event) = events.next().await { … }`. Also a [`Stream`].
///
/// They end after [`Event::Ended`], or when the call's handles are gone.
#[derive(Debug)]
pub struct Events {
    pub(crate) events: mpsc::Receiver<CallEvent>,
}

impl Events {
    /// Waits for the next event; `None` once there are no more. Dropping the future loses nothing, so this may stand in a `select!`.
    pub async fn next(&mut self) -> Option<CallEvent> {
        self.events.recv().await
    }
}

impl Stream for Events {
    type Item = CallEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<CallEvent>> {
        self.events.poll_recv(cx)
    }
}
