//! Own commits: what is wanted, what is under way, when it may go out.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::message::{Lane, Message};
use crate::id::ParticipantId;
use crate::time::Time;

/// How long to wait for an own entry to come back from the log before it is sent again, byte for byte.
const RESEND_AFTER: Duration = Duration::from_secs(2);
/// How long each further host waits for those before it to commit a self-removal (by order of leaves).
const STAGGER: Duration = Duration::from_secs(2);

/// What a host wants done. It stays wanted until the log shows it done, or until it no longer applies; a lost race changes
/// nothing here.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) admit: BTreeSet<ParticipantId>,
    pub(super) remove: BTreeSet<ParticipantId>,
    pub(super) make_host: BTreeSet<ParticipantId>,
    /// This participant wants to leave.
    pub(super) leave: bool,
}

impl Wanted {
    pub(super) fn any_commit(&self) -> bool {
        !(self.admit.is_empty() && self.remove.is_empty() && self.make_host.is_empty())
    }
}

/// An own entry that was sent to the log and has not been read back yet (R6). There is one at most (R24).
pub(super) struct InFlight {
    pub(super) position: u64,
    pub(super) bytes: Bytes,
    pub(super) what: Own,
    resend_at: Time,
}

pub(super) enum Own {
    Leave,
    Commit {
        /// Released when the commit is confirmed, to those admitted by it.
        welcome: Option<Vec<u8>>,
        admitted: Vec<ParticipantId>,
    },
}

impl InFlight {
    pub(super) fn new(position: u64, bytes: Vec<u8>, what: Own, now: Time) -> Self {
        Self { position, bytes: Bytes::from(bytes), what, resend_at: now + RESEND_AFTER }
    }

    pub(super) fn resend_at(&self) -> Time {
        self.resend_at
    }

    /// Returns the same message when it is time to send it again; the log tells which try, if any, made it.
    pub(super) fn due_again(&mut self, now: Time) -> Option<Message> {
        if self.resend_at > now {
            return None;
        }
        self.resend_at = now + RESEND_AFTER;
        Some(Message { lane: Lane::Log { position: self.position }, payload: self.bytes.clone() })
    }
}

/// R8: at most 2^(E−1) epochs within the retention time, so that the low bits of a frame's epoch stay unambiguous.
#[derive(Default)]
pub(super) struct Pace {
    begun: VecDeque<Time>,
}

impl Pace {
    pub(super) fn epoch_began(&mut self, now: Time, epoch_bits: u32) {
        self.begun.push_back(now);
        if self.begun.len() > 1 << (epoch_bits - 1) {
            self.begun.pop_front();
        }
    }

    /// Returns when the next commit may go out.
    pub(super) fn may_commit_at(&self, epoch_bits: u32, retention: Duration) -> Time {
        match self.begun.front() {
            Some(first) if self.begun.len() >= 1 << (epoch_bits - 1) => *first + retention,
            _ => Time::ZERO,
        }
    }
}

/// Returns when the host with this rank among the hosts commits a self-removal, unless somebody did.
pub(super) fn cover_at(logged: Time, rank: usize) -> Time {
    logged + STAGGER.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX))
}
