//! One lane in memory: messages in order, their readers, and what they cost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::watch;

use crate::Subscription;

/// Messages by position, and everybody who waits for the next one.
///
/// Readers hold no copy: each remembers a position, and a push wakes those who wait. Dropping the queue ends its
/// readers after what is still in it.
#[derive(Default)]
pub(crate) struct Queue(watch::Sender<Messages>);

#[derive(Default)]
struct Messages {
    /// The position of the oldest message kept.
    first: u64,
    kept: VecDeque<Stored>,
}

impl Messages {
    fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    fn get(&self, position: u64) -> Option<&Bytes> {
        let index = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.kept.get(index).map(|stored| &stored.bytes)
    }
}

impl Queue {
    /// The position that the next message gets.
    pub(crate) fn end(&self) -> u64 {
        self.0.borrow().end()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().kept.len()
    }

    pub(crate) fn get(&self, position: u64) -> Option<Bytes> {
        self.0.borrow().get(position).cloned()
    }

    /// Waits until nobody reads any more.
    #[cfg(feature = "nats")]
    pub(crate) async fn deserted(&self) {
        self.0.closed().await;
    }

    pub(crate) fn has_readers(&self) -> bool {
        self.0.receiver_count() > 0
    }

    pub(crate) fn push(&self, message: Stored) {
        self.0.send_modify(|messages| messages.kept.push_back(message));
    }

    /// As `push`, but keeps `most` messages, dropping the oldest.
    pub(crate) fn push_keeping(&self, message: Stored, most: usize) {
        self.0.send_modify(|messages| {
            messages.kept.push_back(message);
            while messages.kept.len() > most {
                messages.kept.pop_front();
                messages.first += 1;
            }
        });
    }

    pub(crate) fn reader(&self, next: u64) -> Reader {
        Reader { messages: self.0.subscribe(), next }
    }
}

/// Somebody's place in a queue.
pub(crate) struct Reader {
    messages: watch::Receiver<Messages>,
    /// The position read next.
    next: u64,
}

impl Reader {
    /// Waits for the message at the reader's place, or the oldest after it; `None` once the queue is gone.
    pub(crate) async fn read(&mut self) -> Option<Read> {
        let next = self.next;
        let messages = self.messages.wait_for(|messages| messages.end() > next).await.ok()?;
        if next < messages.first {
            self.next = messages.first;
            return Some(Read::Missed(messages.first - next));
        }
        let message = messages.get(next)?.clone();
        self.next += 1;
        Some(Read::Message(next, message))
    }
}

/// What a reader finds.
pub(crate) enum Read {
    /// A message and its position.
    Message(u64, Bytes),
    /// This many messages were dropped before the reader got to them.
    Missed(u64),
}

/// What a reader reads, as an app gets it.
pub(crate) fn subscription<T: 'static>(reader: Reader, item: fn(Read) -> Option<T>) -> Subscription<T> {
    Subscription::new(unfold(reader, move |mut reader| async move {
        let item = item(reader.read().await?)?;
        Some((item, reader))
    }))
}

/// What one message costs beside its bytes, roughly, so that empty ones are not free.
const BOOKKEEPING: usize = size_of::<Stored>();

/// The bytes that a service may still store.
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(bytes)))
    }

    /// Copies a message to be kept, if there is room for it.
    ///
    /// A copy, because `Bytes` may be a small slice that keeps a large receive buffer alive.
    pub(crate) fn store(self: &Arc<Self>, bytes: &Bytes) -> Option<Stored> {
        let cost = bytes.len().checked_add(BOOKKEEPING)?;
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(cost)).ok()?;
        Some(Stored { bytes: Bytes::copy_from_slice(bytes), budget: Arc::clone(self) })
    }
}

/// A message that is kept, and gives its room back when it is dropped.
pub(crate) struct Stored {
    bytes: Bytes,
    budget: Arc<Budget>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes.len() + BOOKKEEPING, Ordering::Relaxed);
    }
}
