//! The delivery service in one process.

mod tap;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::queue::{Budget, Queue, Read, Stored, subscription};
use crate::{
    Appended, Bound, CallId, DeliveryError, DeliveryService, Limits, LogStream, MailboxId, MailboxStream,
    Talk, TalkStream,
};
use tap::Tap;
pub use tap::{Outcome, Record, RecordLane};

/// The delivery service in one process, in memory: for tests, examples and deployments of one machine.
///
/// A clone is another handle on the same service. It opens no socket, reads no clock and needs no runtime, only
/// somebody who polls. When the last handle is dropped, all streams end.
///
/// Nothing in here waits for a reader. All writes pass one short critical section, in which nothing is done but
/// checking, copying and waking; readers of a lane share nothing with those of another.
#[derive(Clone)]
pub struct InProcess {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    budget: Arc<Budget>,
    tap: Option<Tap>,
    state: Mutex<State>,
}

impl InProcess {
    /// Starts an empty service with these limits.
    pub fn new(limits: Limits) -> Self {
        Self::build(limits, None)
    }

    /// Starts an empty service that shows every message which reaches it to `tap`.
    ///
    /// This is the view that an operator has of a call, and whoever breaks into his machine. The tap is called once
    /// per message, in the order in which the service handles them, before anybody can read the message. The
    /// service stands still meanwhile: a tap should be short, and must not call the service.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use bytes::Bytes;
    /// use subrosa_delivery::{DeliveryService, InProcess, RecordLane, Limits, MailboxId};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), subrosa_delivery::DeliveryError> {
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let record = Arc::clone(&seen);
    /// let service = InProcess::with_tap(Limits::default(), move |message| {
    ///     record.lock().expect("nobody panics with the lock").push(message.clone());
    /// });
    ///
    /// let mailbox = MailboxId([3; 16]);
    /// service.post(mailbox, Bytes::from("a sealed knock")).await?;
    /// assert_eq!(seen.lock().expect("as above")[0].lane, RecordLane::Mailbox { mailbox });
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_tap(limits: Limits, tap: impl Fn(&Record) + Send + Sync + 'static) -> Self {
        Self::build(limits, Some(Box::new(tap)))
    }

    fn build(limits: Limits, tap: Option<Tap>) -> Self {
        let budget = Budget::new(limits.max_stored_bytes);
        Self { shared: Arc::new(Shared { limits, budget, tap, state: Mutex::default() }) }
    }

    fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// The state is whole whenever foreign code (a tap, a waker) could panic, so poison says nothing.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tap(&self, lane: RecordLane, bytes: Bytes, outcome: Outcome) {
        if let Some(tap) = &self.shared.tap {
            tap(&Record { lane, bytes, outcome });
        }
    }

    fn check_size(&self, message: &Bytes) -> Result<(), DeliveryError> {
        let (len, limit) = (message.len(), self.limits().max_entry_bytes);
        if len > limit { Err(DeliveryError::TooLarge { len, limit }) } else { Ok(()) }
    }

    fn store(&self, message: &Bytes) -> Result<Stored, DeliveryError> {
        self.shared.budget.store(message).ok_or(DeliveryError::Full(Bound::StoredBytes))
    }

    fn judge_append<'a>(
        &self,
        state: &'a mut State,
        call: CallId,
        position: u64,
        entry: &Bytes,
    ) -> Result<Verdict<'a>, DeliveryError> {
        self.check_size(entry)?;
        let end = state.calls.get(&call).map_or(0, |call| call.log.end());
        if position > end {
            return Err(DeliveryError::Gap { end });
        }
        if position < end {
            let there = state.calls.get(&call).and_then(|call| call.log.get(position));
            return Ok(if there.as_ref() == Some(entry) { Verdict::Repeated } else { Verdict::Taken });
        }
        if end >= self.limits().max_log_entries as u64 {
            return Err(DeliveryError::Full(Bound::LogEntries));
        }
        let entry = self.store(entry)?;
        Ok(Verdict::Fill { log: &state.call(call, self.limits())?.log, entry })
    }

    fn judge_talk<'a>(
        &self,
        state: &'a State,
        call: CallId,
        message: &Bytes,
    ) -> Result<Option<(&'a Queue, Stored)>, DeliveryError> {
        self.check_size(message)?;
        match state.calls.get(&call) {
            Some(lanes) if lanes.talk.has_readers() => Ok(Some((&lanes.talk, self.store(message)?))),
            _ => Ok(None),
        }
    }

    fn judge_post<'a>(
        &self,
        state: &'a mut State,
        mailbox: MailboxId,
        message: &Bytes,
    ) -> Result<(&'a Queue, Stored), DeliveryError> {
        self.check_size(message)?;
        let message = self.store(message)?;
        let queue = state.mailbox(mailbox, self.limits())?;
        if queue.len() >= self.limits().max_mailbox_messages {
            return Err(DeliveryError::Full(Bound::MailboxMessages));
        }
        Ok((queue, message))
    }
}

/// What is to become of an entry.
enum Verdict<'a> {
    Fill { log: &'a Queue, entry: Stored },
    Repeated,
    Taken,
}

#[async_trait]
impl DeliveryService for InProcess {
    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        let mut state = self.state();
        let verdict = self.judge_append(&mut state, call, position, &entry);
        let outcome = match verdict {
            Ok(Verdict::Taken) => Outcome::Taken,
            _ => Outcome::of(&verdict),
        };
        self.tap(RecordLane::Log { call, position }, entry, outcome);
        match verdict? {
            Verdict::Fill { log, entry } => {
                log.push(entry);
                Ok(Appended::Written)
            }
            Verdict::Repeated => Ok(Appended::Written),
            Verdict::Taken => Ok(Appended::Taken),
        }
    }

    async fn read(&self, call: CallId, position: u64) -> Result<Option<Bytes>, DeliveryError> {
        Ok(self.state().calls.get(&call).and_then(|call| call.log.get(position)))
    }

    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError> {
        let reader = self.state().call(call, self.limits())?.log.reader(from);
        Ok(subscription(reader, |read| match read {
            Read::Message(position, entry) => Some((position, entry)),
            Read::Missed(_) => None, // a log drops nothing
        }))
    }

    async fn publish_talk(&self, call: CallId, message: Bytes) -> Result<(), DeliveryError> {
        let state = self.state();
        let verdict = self.judge_talk(&state, call, &message);
        self.tap(RecordLane::Talk { call }, message, Outcome::of(&verdict));
        if let Some((talk, message)) = verdict? {
            talk.push_keeping(message, self.limits().talk_backlog.max(1));
        }
        Ok(())
    }

    async fn listen_talk(&self, call: CallId) -> Result<TalkStream, DeliveryError> {
        let mut state = self.state();
        let talk = &state.call(call, self.limits())?.talk;
        Ok(subscription(talk.reader(talk.end()), |read| match read {
            Read::Message(_, message) => Some(Talk::Message(message)),
            Read::Missed(missed) => Some(Talk::Lagged(missed)),
        }))
    }

    async fn post(&self, mailbox: MailboxId, message: Bytes) -> Result<(), DeliveryError> {
        let mut state = self.state();
        let verdict = self.judge_post(&mut state, mailbox, &message);
        self.tap(RecordLane::Mailbox { mailbox }, message, Outcome::of(&verdict));
        let (queue, message) = verdict?;
        queue.push(message);
        Ok(())
    }

    async fn open_mailbox(&self, mailbox: MailboxId) -> Result<MailboxStream, DeliveryError> {
        let reader = self.state().mailbox(mailbox, self.limits())?.reader(0);
        Ok(subscription(reader, |read| match read {
            Read::Message(_, message) => Some(message),
            Read::Missed(_) => None, // a mailbox drops nothing
        }))
    }

    async fn end_call(&self, call: CallId) -> Result<(), DeliveryError> {
        self.state().calls.remove(&call);
        Ok(())
    }

    async fn close_mailbox(&self, mailbox: MailboxId) -> Result<(), DeliveryError> {
        self.state().mailboxes.remove(&mailbox);
        Ok(())
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("limits", self.limits()).finish_non_exhaustive()
    }
}

/// Everything that the service holds.
#[derive(Default)]
struct State {
    calls: HashMap<CallId, CallLanes>,
    mailboxes: HashMap<MailboxId, Queue>,
}

#[derive(Default)]
struct CallLanes {
    log: Queue,
    talk: Queue,
}

impl State {
    fn call(&mut self, call: CallId, limits: &Limits) -> Result<&CallLanes, DeliveryError> {
        let idle =
            |lanes: &CallLanes| lanes.log.len() == 0 && !lanes.log.has_readers() && !lanes.talk.has_readers();
        find_or_make(&mut self.calls, call, limits.max_calls, idle).ok_or(DeliveryError::Full(Bound::Calls))
    }

    fn mailbox(&mut self, mailbox: MailboxId, limits: &Limits) -> Result<&Queue, DeliveryError> {
        let idle = |queue: &Queue| queue.len() == 0 && !queue.has_readers();
        find_or_make(&mut self.mailboxes, mailbox, limits.max_mailboxes, idle)
            .ok_or(DeliveryError::Full(Bound::Mailboxes))
    }
}

/// Finds `key`, or makes it if there is room for it, after the idle ones have made way.
fn find_or_make<K: Eq + Hash, V: Default>(
    map: &mut HashMap<K, V>,
    key: K,
    limit: usize,
    idle: impl Fn(&V) -> bool,
) -> Option<&V> {
    if map.len() >= limit && !map.contains_key(&key) {
        map.retain(|_, value| !idle(value));
        if map.len() >= limit {
            return None;
        }
    }
    Some(map.entry(key).or_default())
}
