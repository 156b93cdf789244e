//! One lane in memory: messages in order, their readers, and what they cost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::watch;

/// Messages by position, and everybody who waits for the next one.
///
/// Readers hold no copy: each remembers a position, and a push wakes those who wait. Dropping the queue ends its
/// readers after what is still in it.
#[derive(Default)]
pub(super) struct Queue(watch::Sender<Messages>);

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
    pub(super) fn end(&self) -> u64 {
        self.0.borrow().end()
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().kept.len()
    }

    pub(super) fn get(&self, position: u64) -> Option<Bytes> {
        self.0.borrow().get(position).cloned()
    }

    pub(super) fn has_readers(&self) -> bool {
        self.0.receiver_count() > 0
    }

    pub(super) fn push(&self, message: Stored) {
        self.0.send_modify(|messages| messages.kept.push_back(message));
    }

    /// As `push`, but keeps `most` messages, dropping the oldest.
    pub(super) fn push_keeping(&self, message: Stored, most: usize) {
        self.0.send_modify(|messages| {
            messages.kept.push_back(message);
            while messages.kept.len() > most {
                messages.kept.pop_front();
                messages.first += 1;
            }
        });
    }

    pub(super) fn reader(&self, next: u64) -> Reader {
        Reader { messages: self.0.subscribe(), next }
    }
}

/// Somebody's place in a queue.
pub(super) struct Reader {
    messages: watch::Receiver<Messages>,
    /// The position read next.
    next: u64,
}

impl Reader {
    /// Waits for the message at the reader's place, or the oldest after it; `None` once the queue is gone.
    pub(super) async fn read(&mut self) -> Option<Read> {
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
pub(super) enum Read {
    /// A message and its position.
    Message(u64, Bytes),
    /// This many messages were dropped before the reader got to them.
    Missed(u64),
}

/// What one message costs beside its bytes, roughly, so that empty ones are not free.
const BOOKKEEPING: usize = size_of::<Stored>();

/// The bytes that a service may still store.
pub(super) struct Budget(AtomicUsize);

impl Budget {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(bytes)))
    }

    /// Copies a message to be kept, if there is room for it.
    ///
    /// A copy, because `Bytes` may be a small slice that keeps a large receive buffer alive.
    pub(super) fn store(self: &Arc<Self>, bytes: &Bytes) -> Option<Stored> {
        let cost = bytes.len().checked_add(BOOKKEEPING)?;
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(cost)).ok()?;
        Some(Stored { bytes: Bytes::copy_from_slice(bytes), budget: Arc::clone(self) })
    }
}

/// A message that is kept, and gives its room back when it is dropped.
pub(super) struct Stored {
    bytes: Bytes,
    budget: Arc<Budget>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes.len() + BOOKKEEPING, Ordering::Relaxed);
    }
}
