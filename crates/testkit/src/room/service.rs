//! The delivery service: an honest one, in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use subrosa::{MailboxId, Time};

/// Bytes of the longest entry that the service takes, and how much more a mailbox does.
const MAX_LEN: usize = 1 << 21;

/// A place in the log. After a split there are two logs, which are one up to the split.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Which log: 0, or 1 behind the place where the server split it.
    pub log: usize,
    /// The position in it.
    pub position: u64,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) bytes: Bytes,
    pub(super) written_at: Time,
}

/// What the service keeps. Talk it forgets.
#[derive(Default)]
pub(super) struct Service {
    logs: [Vec<Entry>; 2],
    split_at: Option<u64>,
    mailboxes: BTreeMap<MailboxId, Vec<Bytes>>,
    /// An outage: nothing is taken in.
    pub(super) is_down: bool,
}

impl Service {
    /// Writes an entry at a position if it is the next one; says whether it did.
    pub(super) fn append(&mut self, log: usize, position: u64, bytes: Bytes, now: Time) -> bool {
        let log = self.log_mut(log);
        let is_next = position == log.len() as u64 && bytes.len() <= MAX_LEN;
        if is_next {
            log.push(Entry { bytes, written_at: now });
        }
        is_next
    }

    pub(super) fn entry(&self, log: usize, position: u64) -> Option<&Entry> {
        self.log(log).get(usize::try_from(position).ok()?)
    }

    pub(super) fn len(&self, log: usize) -> u64 {
        self.log(log).len() as u64
    }

    /// From now on there are two logs, alike so far.
    pub(super) fn split(&mut self) {
        if self.split_at.is_none() {
            self.split_at = Some(self.len(0));
            self.logs[1] = self.logs[0].clone();
        }
    }

    pub(super) fn is_split(&self) -> bool {
        self.split_at.is_some()
    }

    /// Returns the one name of a place.
    pub(super) fn place(&self, log: usize, position: u64) -> Place {
        Place { log: if self.is_shared(position) { 0 } else { log }, position }
    }

    /// Says whether both logs have the same at a position, or there is only one.
    pub(super) fn is_shared(&self, position: u64) -> bool {
        self.split_at.is_none_or(|split_at| position < split_at)
    }

    pub(super) fn post(&mut self, mailbox: MailboxId, bytes: Bytes) {
        if bytes.len() <= MAX_LEN {
            self.mailboxes.entry(mailbox).or_default().push(bytes);
        }
    }

    pub(super) fn mail(&self, mailbox: MailboxId) -> &[Bytes] {
        self.mailboxes.get(&mailbox).map_or(&[], Vec::as_slice)
    }

    fn log(&self, log: usize) -> &Vec<Entry> {
        &self.logs[if self.split_at.is_some() { log } else { 0 }]
    }

    fn log_mut(&mut self, log: usize) -> &mut Vec<Entry> {
        &mut self.logs[if self.split_at.is_some() { log } else { 0 }]
    }
}
