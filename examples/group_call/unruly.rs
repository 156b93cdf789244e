//! The delivery service as a server with bad intentions runs it. It can read nothing and change nothing; but it can say a message
//! twice, later than others, or to somebody else, and it can keep one back.
//!
//! What it does is bounded, and follows from a seed and from the order of the messages.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use subrosa::{CallId, MailboxId};
use subrosa_delivery::{Appended, DeliveryError, DeliveryService, Layer, LogStream, Subscription};
use tokio_stream::StreamExt;

use crate::clock::Clock;

const SEED: u64 = 0x5EED;
/// Every so manyth message of talk, and of mailboxes, is said again.
const AGAIN: u64 = 2;
/// Every so manyth is held back, so that later ones overtake it.
const HELD_BACK: u64 = 3;
/// Before every so manyth message, a mailbox gets one that was for another.
const MISDELIVERED: u64 = 2;
/// Before every so manyth entry an old one takes its position, and after every so manyth an old one takes the next.
const OVERTAKEN: u64 = 4;
const FOLLOWED: u64 = 2;
/// So many, of each lane.
const MOST: usize = 256;
const MOST_ENTRIES: usize = 8;
/// In the story's time.
const AGAIN_WITHIN_MS: u64 = 600;
const HELD_BACK_MS: u64 = 40;

/// A delivery service that misbehaves.
pub(crate) struct Unruly {
    honest: Arc<dyn DeliveryService>,
    clock: Clock,
    state: Arc<Mutex<State>>,
    /// From now on nobody gets another log entry.
    log_withheld: Arc<AtomicBool>,
}

struct State {
    behaves: bool,
    dice: Dice,
    /// How many messages of talk, of mailboxes and of the log it has seen.
    seen: [u64; 3],
    /// What it has to choose from.
    entries: Vec<Bytes>,
    mail: Vec<(MailboxId, Bytes)>,
    done: Misdeeds,
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }

    fn one_of(&mut self, messages: &[Bytes]) -> Option<Bytes> {
        let at = self.below((messages.len() as u64).max(1));
        messages.get(usize::try_from(at).ok()?).cloned()
    }
}

/// What it did.
#[derive(Clone, Default)]
pub(crate) struct Misdeeds {
    /// Talk that was said again.
    pub(crate) talk: Vec<Bytes>,
    /// Messages that were put into a mailbox again, or into another one.
    pub(crate) mail: Vec<Bytes>,
    /// Positions at which old entries were put into the log.
    pub(crate) entries: BTreeSet<u64>,
    /// How many messages others could overtake.
    pub(crate) held_back: u64,
}

/// Where a message is to go.
#[derive(Clone, Copy)]
enum Place {
    Talk(CallId),
    Mailbox(MailboxId),
}

impl Unruly {
    /// Misbehaves from now on.
    pub(crate) fn new(honest: Arc<dyn DeliveryService>, clock: Clock) -> Self {
        let state = State {
            behaves: false,
            dice: Dice(ChaCha8Rng::seed_from_u64(SEED)),
            seen: [0; 3],
            entries: Vec::new(),
            mail: Vec::new(),
            done: Misdeeds::default(),
        };
        Self { honest, clock, state: Arc::new(Mutex::new(state)), log_withheld: Arc::default() }
    }

    /// Repeats and delays nothing from now on.
    pub(crate) fn behave(&self) {
        self.state().behaves = true;
    }

    /// Whoever follows the log through this handle gets no further entry. Everything else he gets.
    pub(crate) fn withhold_log(&self) {
        self.log_withheld.store(true, Ordering::Relaxed);
    }

    pub(crate) fn misdeeds(&self) -> Misdeeds {
        self.state().done.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers a message, or does so later; and perhaps once more.
    async fn deliver(&self, place: Place, message: Bytes) -> Result<(), DeliveryError> {
        let (again, held_back) = self.state().tricks(place);
        if let Some(delay) = again {
            self.later(delay, place, message.clone(), true);
        }
        match held_back {
            None => put(&self.honest, place, message).await,
            Some(delay) => {
                self.later(delay, place, message, false);
                Ok(())
            }
        }
    }

    fn later(&self, delay: Duration, place: Place, message: Bytes, is_replay: bool) {
        let (honest, state) = (Arc::clone(&self.honest), Arc::clone(&self.state));
        let delay = self.clock.scaled(delay);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            if is_replay && !state.lock().unwrap_or_else(PoisonError::into_inner).note(place, &message) {
                return;
            }
            put(&honest, place, message).await.unwrap_or_default(); // where it is too late for it, nothing happens
        });
    }

    /// Puts an old entry into the log, at a position or the next free one after it.
    async fn replay(&self, call: CallId, mut position: u64, old: Bytes) -> Result<(), DeliveryError> {
        while self.honest.append(call, position, old.clone()).await? == Appended::Taken {
            position += 1;
        }
        self.state().done.entries.insert(position);
        Ok(())
    }
}

impl State {
    /// When to say this message once more, and how long to hold it back.
    fn tricks(&mut self, place: Place) -> (Option<Duration>, Option<Duration>) {
        let lane = usize::from(matches!(place, Place::Mailbox(_)));
        self.seen[lane] += 1;
        if self.behaves {
            return (None, None);
        }
        let mut within = |every: u64, millis: u64| {
            let chosen = self.seen[lane].is_multiple_of(every);
            chosen.then(|| Duration::from_millis(self.dice.below(millis)))
        };
        let (again, held_back) = (within(AGAIN, AGAIN_WITHIN_MS), within(HELD_BACK, HELD_BACK_MS));
        self.done.held_back += u64::from(held_back.is_some());
        (again, held_back)
    }

    /// Notes a replay, if it may still be made.
    fn note(&mut self, place: Place, message: &Bytes) -> bool {
        let done = match place {
            Place::Talk(_) => &mut self.done.talk,
            Place::Mailbox(_) => &mut self.done.mail,
        };
        let may = !self.behaves && done.len() < MOST;
        if may {
            done.push(message.clone());
        }
        may
    }

    /// A message that was for another mailbox.
    fn misdelivered(&mut self, mailbox: MailboxId, message: &Bytes) -> Option<Bytes> {
        let others = self.mail.iter().filter(|(of, _)| *of != mailbox).map(|(_, other)| other.clone());
        let others = others.collect::<Vec<_>>();
        if self.mail.len() < MOST {
            self.mail.push((mailbox, message.clone()));
        }
        if !(self.seen[1] + 1).is_multiple_of(MISDELIVERED) {
            return None;
        }
        let other = self.dice.one_of(&others)?;
        self.note(Place::Mailbox(mailbox), &other).then_some(other)
    }

    /// Old entries to put before this one, and after it.
    fn old_entries(&mut self, entry: &Bytes) -> [Option<Bytes>; 2] {
        self.seen[2] += 1;
        let may = !self.behaves && self.done.entries.len() + 1 < MOST_ENTRIES;
        let old = [OVERTAKEN, FOLLOWED].map(|every| {
            let chosen = may && self.seen[2].is_multiple_of(every);
            chosen.then(|| self.dice.one_of(&self.entries)).flatten()
        });
        self.entries.push(entry.clone());
        old
    }
}

async fn put(honest: &Arc<dyn DeliveryService>, place: Place, message: Bytes) -> Result<(), DeliveryError> {
    match place {
        Place::Talk(call) => honest.publish_talk(call, message).await,
        Place::Mailbox(mailbox) => honest.post(mailbox, message).await,
    }
}

#[async_trait]
impl Layer for Unruly {
    fn inner(&self) -> &dyn DeliveryService {
        &*self.honest
    }

    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        let [before, after] = self.state().old_entries(&entry);
        if let Some(old) = before
            && self.honest.read(call, position).await?.is_none()
        {
            self.replay(call, position, old).await?;
        }
        let appended = self.honest.append(call, position, entry).await?;
        if let Some(old) = after {
            self.replay(call, position + 1, old).await?;
        }
        Ok(appended)
    }

    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError> {
        let (log, withheld) = (self.honest.follow(call, from).await?, Arc::clone(&self.log_withheld));
        Ok(Subscription::new(log.take_while(move |_| !withheld.load(Ordering::Relaxed))))
    }

    async fn publish_talk(&self, call: CallId, message: Bytes) -> Result<(), DeliveryError> {
        self.deliver(Place::Talk(call), message).await
    }

    async fn post(&self, mailbox: MailboxId, message: Bytes) -> Result<(), DeliveryError> {
        let misdelivered = self.state().misdelivered(mailbox, &message);
        if let Some(other) = misdelivered {
            self.honest.post(mailbox, other).await?;
        }
        self.deliver(Place::Mailbox(mailbox), message).await
    }
}
