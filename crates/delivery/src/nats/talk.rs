//! The talk lane: plain NATS.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;

use super::Shared;
use super::ending::END;
use super::space::Place;
use crate::queue::{Queue, Read, subscription};
use crate::{CallId, DeliveryError, Talk, TalkStream};

impl Shared {
    pub(super) async fn publish_talk(&self, call: CallId, message: Bytes) -> Result<(), DeliveryError> {
        self.check_size(&message)?;
        self.say(self.space.talk(call), message).await
    }

    pub(super) async fn end_talk(&self, call: CallId) -> Result<(), DeliveryError> {
        self.say(self.space.talk_end(call), Bytes::from_static(END)).await
    }

    /// What nobody hears now nobody should hear later, so nothing waits for a connection.
    async fn say(&self, subject: String, message: Bytes) -> Result<(), DeliveryError> {
        if !self.is_connected() {
            return Err(DeliveryError::Unavailable("there is no connection".into()));
        }
        let said = self.client.publish(subject, message).await;
        said.map_err(|error| DeliveryError::Unavailable(error.into()))
    }
}

/// Listens to the talk lane of a call.
///
/// A task takes out what comes: the client would otherwise drop the newest of what a slow listener leaves, and not say how much.
pub(super) async fn listen(shared: &Arc<Shared>, call: CallId) -> Result<TalkStream, DeliveryError> {
    let unavailable = |error: async_nats::SubscribeError| DeliveryError::Unavailable(error.into());
    let mut said = shared.client.subscribe(shared.space.all_talk(call)).await.map_err(unavailable)?;
    // By the time that this is answered the server knows, and so does the one in a cluster that answers. (Flushing waits for no answer.)
    shared.patiently(|| shared.ended_at(Place::Call(call))).await?;
    let queue = Queue::default();
    let reader = queue.reader(0);
    let (end, most) = (shared.space.talk_end(call), shared.config.limits.talk_backlog.max(1));
    let budget = Arc::clone(&shared.budget);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                message = said.next() => match message {
                    Some(message) if *message.subject == *end => {
                        if *message.payload == *END {
                            return;
                        }
                    }
                    Some(message) => {
                        // Without room it is lost, as any word of talk may be.
                        if let Some(stored) = budget.store(&message.payload) {
                            queue.push_keeping(stored, most);
                        }
                    }
                    None => return,
                },
                () = queue.deserted() => return,
            }
        }
    });
    Ok(subscription(reader, |read| match read {
        Read::Message(_, message) => Some(Talk::Message(message)),
        Read::Missed(missed) => Some(Talk::Lagged(missed)),
    }))
}
