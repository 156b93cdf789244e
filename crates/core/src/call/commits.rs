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
/// Guests admitted in one commit, so that it stays below the longest entry.
pub(super) const MAX_ADMITTED_AT_ONCE: usize = 1000;
/// How long to wait after the engine failed to build a commit.
pub(super) const BACK_OFF: Duration = Duration::from_secs(1);
/// After how many entries lost to garbage in a row the app is told.
pub(super) const STARVED: u32 = 8;
/// The wait after the second entry lost to garbage; doubled with each further one, up to `LONGEST_WAIT`.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

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

    /// Removals wait for nothing: who is to be removed must not be able to delay it by commits of his own.
    pub(super) fn is_urgent(&self) -> bool {
        !self.remove.is_empty()
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
    pub(super) fn admits(&self, guest: ParticipantId) -> bool {
        matches!(&self.what, Own::Commit { admitted, .. } if admitted.contains(&guest))
    }

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

/// Returns how long to wait after that many own entries in a row were beaten to their positions by entries that mean nothing.
///
/// A race that a member won is run again at once. Garbage is the server's doing, and each try uses up a generation of the own
/// sending ratchet, of which an epoch has so many.
pub(super) fn wait_after_garbage(lost_in_a_row: u32) -> Duration {
    match lost_in_a_row {
        0 | 1 => Duration::ZERO,
        more => FIRST_WAIT.saturating_mul(1 << (more - 2).min(16)).min(LONGEST_WAIT),
    }
}

/// Returns when the host with this rank among the hosts commits a self-removal, unless somebody did.
pub(super) fn cover_at(logged: Time, rank: usize) -> Time {
    logged + STAGGER.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX))
}
