//! The log of a call: one subject for each position.

use std::sync::Arc;

use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use bytes::Bytes;
use futures_util::stream::unfold;

use super::Shared;
use super::error::Refusal;
use super::news::{New, News, sequences};
use super::space::{Place, Told};
use crate::{Appended, Bound, CallId, DeliveryError, LogStream, Subscription};

impl Shared {
    /// The entry at a position of the call's log.
    pub(super) async fn entry(&self, call: CallId, position: u64) -> Result<Option<StreamMessage>, Refusal> {
        let (entry, ended_at) =
            tokio::try_join!(self.stored(call, position), self.ended_at(Place::Call(call)))?;
        Ok(entry.filter(|entry| entry.sequence > ended_at))
    }

    /// The same, whether or not it is of a call that was ended.
    async fn stored(&self, call: CallId, position: u64) -> Result<Option<StreamMessage>, Refusal> {
        self.last(&self.log, self.space.entry(call, position)).await
    }

    pub(super) async fn append(
        &self,
        call: CallId,
        position: u64,
        entry: Bytes,
    ) -> Result<Appended, DeliveryError> {
        self.check_size(&entry)?;
        if let Some(before) = position.checked_sub(1)
            && !self.patiently(|| self.has(call, before)).await?
        {
            return Err(DeliveryError::Gap { end: self.patiently(|| self.end_of(call)).await? });
        }
        if position >= self.config.limits.max_log_entries as u64 {
            return Err(DeliveryError::Full(Bound::LogEntries));
        }
        let appended = self.patiently(|| self.try_append(call, position, &entry)).await?;
        self.filled(call, position);
        Ok(appended)
    }

    /// One attempt; whether an earlier one came through does not matter.
    async fn try_append(&self, call: CallId, position: u64, entry: &Bytes) -> Result<Appended, Refusal> {
        let message = PublishMessage::build().payload(entry.clone()).expected_last_subject_sequence(0);
        match self.store(self.space.entry(call, position), message).await {
            Ok(_) => return Ok(Appended::Written),
            Err(Refusal::Taken) => {}
            Err(refusal) => return Err(refusal),
        }
        let (there, ended_at) =
            tokio::try_join!(self.stored(call, position), self.ended_at(Place::Call(call)))?;
        match there {
            Some(there) if there.sequence <= ended_at => {
                // Of a call of the same name that is over: only in the way.
                let purge = self.log.purge().filter(self.space.all(Place::Call(call))).sequence(ended_at);
                purge.await.map_err(|error| Refusal::Later(error.into()))?;
                Err(Refusal::Later("the log of an ended call was in the way".into()))
            }
            Some(there) if there.payload == *entry => Ok(Appended::Written),
            Some(_) => Ok(Appended::Taken),
            // It takes a moment until a new leader has everything.
            None => Err(Refusal::Later("the position is said to be taken, and to be empty".into())),
        }
    }

    async fn has(&self, call: CallId, position: u64) -> Result<bool, Refusal> {
        if self.is_filled(call, position) {
            return Ok(true);
        }
        let has = self.entry(call, position).await?.is_some();
        if has {
            self.filled(call, position);
        }
        Ok(has)
    }

    /// The first empty position: positions are filled in order, so it can be searched for by halves.
    async fn end_of(&self, call: CallId) -> Result<u64, Refusal> {
        let (mut filled, mut empty) = (0, self.config.limits.max_log_entries as u64);
        while filled < empty {
            let middle = filled + (empty - filled) / 2;
            if self.entry(call, middle).await?.is_some() {
                filled = middle + 1;
            } else {
                empty = middle;
            }
        }
        Ok(filled)
    }
}

/// Follows the log of a call.
pub(super) async fn follow(
    shared: &Arc<Shared>,
    call: CallId,
    from: u64,
) -> Result<LogStream, DeliveryError> {
    let news = News::listen(shared, Place::Call(call)).await?;
    let begins_after = shared.patiently(|| shared.ended_at(Place::Call(call))).await?;
    let follower =
        Follower { shared: Arc::clone(shared), call, next: from, begins_after, news, behind: true };
    Ok(Subscription::new(unfold(follower, |mut follower| async move {
        let entry = follower.next().await?;
        Some((entry, follower))
    })))
}

struct Follower {
    shared: Arc<Shared>,
    call: CallId,
    /// The position that comes next.
    next: u64,
    /// What is stored up to here was of a call that is over.
    begins_after: u64,
    news: News,
    /// There may be something that nobody has said.
    behind: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<(u64, Bytes)> {
        loop {
            if self.behind {
                match self.look().await {
                    Ok(Found::Entry(entry)) => return Some(self.took(entry)),
                    Ok(Found::End) => {
                        self.shared.forget(self.call); // another call of that name begins at 0
                        return None;
                    }
                    Ok(Found::Nothing) => self.behind = false,
                    Err(_) => {} // the server is away: later
                }
            }
            match self.news.next().await? {
                New::Look => self.behind = true,
                New::Message(message) => {
                    let told = self.shared.space.told(Place::Call(self.call), &message.subject);
                    let is_ours = sequences(&message).is_some_and(|(at, _)| at > self.begins_after);
                    match told {
                        Some(Told::Entry(position)) if is_ours && position == self.next => {
                            return Some(self.took(message.payload));
                        }
                        Some(Told::Entry(position)) if position < self.next => {}
                        // A gap, or the end: before it there may be what is missing.
                        _ => self.behind = true,
                    }
                }
            }
        }
    }

    fn took(&mut self, entry: Bytes) -> (u64, Bytes) {
        let position = self.next;
        self.shared.filled(self.call, position);
        self.next += 1;
        (position, entry)
    }

    async fn look(&self) -> Result<Found, Refusal> {
        if let Some(entry) = self.stored().await? {
            return Ok(Found::Entry(entry));
        }
        if self.shared.ended_at(Place::Call(self.call)).await? <= self.begins_after {
            return Ok(Found::Nothing);
        }
        // What was written between the two looks comes before the end.
        Ok(self.stored().await?.map_or(Found::End, Found::Entry))
    }

    async fn stored(&self) -> Result<Option<Bytes>, Refusal> {
        let entry = self.shared.stored(self.call, self.next).await?;
        Ok(entry.filter(|entry| entry.sequence > self.begins_after).map(|entry| entry.payload))
    }
}

/// What stands where the next entry would.
enum Found {
    Entry(Bytes),
    Nothing,
    End,
}
