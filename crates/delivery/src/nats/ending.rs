//! The end of a call, or of a mailbox: a message behind all that is stored of it; and after a while all of it is deleted.

use std::sync::{Arc, Weak};

use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::time::sleep;

use super::Shared;
use super::error::Refusal;
use super::space::Place;
use crate::DeliveryError;

/// What is said at a lane's end. An acknowledgement that somebody has sent to that subject ends nothing.
pub(super) const END: &[u8] = b"over";
/// Of how many ended lanes a client deletes what they held, once it is connected: others do the same.
const MAX_SWEPT: usize = 64;

impl Shared {
    /// Up to which sequence number what is stored of a lane is of an earlier life of its: it was ended there. 0 if it never was.
    pub(super) async fn ended_at(&self, place: Place) -> Result<u64, Refusal> {
        let end = self.last(self.stream(place), self.space.end(place)).await?;
        Ok(end.filter(|end| *end.payload == *END).map_or(0, |end| end.sequence))
    }

    /// Ends a lane, and has what it held deleted after a while.
    ///
    /// Where nothing can be deleted, an acknowledgement that somebody sent to that subject is in the way for good: that is no success, and
    /// [`Nats::delete_space`](super::Nats::delete_space) is how such a call ends.
    pub(super) async fn end(self: &Arc<Self>, place: Place) -> Result<(), DeliveryError> {
        let said = self.patiently(|| self.say_end(place)).await?;
        if self.config.purge_ended {
            let (stream, filter) = (self.stream(place).clone(), self.space.all(place));
            let linger = self.config.linger;
            tokio::spawn(async move {
                sleep(linger).await;
                // What says that it was ended stays, for those who were away. Where this fails others sweep, or age does it.
                stream.purge().filter(filter).sequence(said).await.ok();
            });
        }
        Ok(())
    }

    async fn say_end(&self, place: Place) -> Result<u64, Refusal> {
        let end = self.space.end(place);
        let say = || PublishMessage::build().payload(Bytes::from_static(END));
        let in_the_way = match self.store(end.clone(), say()).await {
            // An earlier life of the lane was ended, too, and the log's stream keeps one message a subject.
            Err(Refusal::Taken) if self.config.purge_ended => end.clone(),
            Err(Refusal::Taken) if self.ended_at(place).await? > 0 => return Ok(0), // it was ended before
            Err(Refusal::Taken) => {
                return Err(Refusal::Later("something else stands where the end would".into()));
            }
            // Ending is how there comes to be room.
            Err(Refusal::Full(_)) if self.config.purge_ended => self.space.all(place),
            said => return said,
        };
        let purged = self.stream(place).purge().filter(in_the_way).await;
        purged.map_err(|error| Refusal::Later(error.into()))?;
        self.store(end, say()).await
    }
}

/// Deletes what ended lanes have left behind, their ends included: whoever ends a call mostly ends with it, and does not live to delete
/// anything. What was ended before this client came was ended a while ago when it has been here for that long.
pub(super) async fn sweep(client: Weak<Shared>) {
    let Some(shared) = client.upgrade() else { return };
    let linger = shared.config.linger;
    let mut ended = Vec::new();
    for kind in [Place::CALL, Place::MAIL] {
        let stream = shared.stream_of(kind);
        let Ok(mut subjects) = stream.info_with_subjects(shared.space.ends(kind)).await else { return };
        while let Ok(Some((end, _))) = subjects.try_next().await {
            if ended.len() == MAX_SWEPT {
                break; // in no order, so that the next client has others
            }
            let Ok(Some(said)) = shared.last(stream, end.clone()).await else { continue };
            ended.push((kind, end, said.sequence));
        }
    }
    drop(shared); // nobody is to stay connected for this alone
    sleep(linger).await;
    let Some(shared) = client.upgrade() else { return };
    for (kind, end, said) in ended {
        let Some(lane) = end.strip_suffix("end") else { continue };
        // Up to its end and with it; another call of the name may have begun behind that.
        shared.stream_of(kind).purge().filter(format!("{lane}>")).sequence(said + 1).await.ok();
    }
}
