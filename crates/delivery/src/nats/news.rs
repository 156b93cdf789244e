//! When to look for what is new.

use std::time::Duration;

use async_nats::{Message, Subscriber, header};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Shared;
use super::space::Place;
use crate::DeliveryError;

/// How long after a word to look by oneself: soon after one begins to listen, since other servers do not know it at once; then now and
/// then, in case that the last word was lost.
const LOOKS: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// What the server says about one lane.
pub(super) struct News {
    said: Subscriber,
    connections: watch::Receiver<u64>,
    /// How often in a row one has looked by oneself.
    looked: usize,
}

/// Something that may be new.
pub(super) enum New {
    /// This was stored just now.
    Message(Message),
    /// Nobody said anything, but it is time to look.
    Look,
}

impl News {
    /// Listens. What is stored from now on is told, or found by looking.
    pub(super) async fn listen(shared: &Shared, place: Place) -> Result<Self, DeliveryError> {
        let mut connections = shared.connections.clone();
        connections.mark_unchanged(); // this one is not news
        let subscribed = shared.client.subscribe(shared.space.news(place)).await;
        let said = subscribed.map_err(|error| DeliveryError::Unavailable(error.into()))?;
        Ok(Self { said, connections, looked: 0 })
    }

    /// Waits for something new; `None` once the connection is gone for good.
    pub(super) async fn next(&mut self) -> Option<New> {
        let wait = LOOKS[self.looked.min(LOOKS.len() - 1)];
        tokio::select! {
            said = self.said.next() => said.map(New::Message),
            Ok(()) = self.connections.changed() => {
                self.looked = 0;
                Some(New::Look)
            }
            () = sleep(wait) => {
                self.looked += 1;
                Some(New::Look)
            }
        }
    }
}

/// The sequence numbers that the server puts beside what it says: of the message, and of the one before it under the same subject.
pub(super) fn sequences(message: &Message) -> Option<(u64, u64)> {
    let headers = message.headers.as_ref()?;
    // A client may have sent some of that name; the server puts its own behind them.
    let number = |name| headers.get_last(name)?.as_str().parse().ok();
    Some((number(header::NATS_SEQUENCE)?, number(header::NATS_LAST_SEQUENCE)?))
}
