//! Own commits: what is wanted, what is under way, when it may go out.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::message::{Lane, Message};
use super::policy::CallConfig;
use crate::crypto::hpke::PrivateKey;
use crate::id::ParticipantId;
use crate::time::Time;

/// How long to wait for an own entry to come back from the log before it is sent again, byte for byte.
const RESEND_AFTER: Duration = Duration::from_secs(2);
/// How long each further host waits for those before it (by order of leaves) to do what any host could do.
pub(super) const STAGGER: Duration = Duration::from_secs(2);
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
    /// Who is silent, for as long as he is (R13, R21).
    pub(super) remove_silent: BTreeSet<ParticipantId>,
    /// With the right to admit, or without.
    pub(super) make_host: BTreeMap<ParticipantId, bool>,
    pub(super) unmake_host: BTreeSet<ParticipantId>,
    pub(super) lock: Option<bool>,
    pub(super) config: Option<CallConfig>,
    /// A new invite (R12).
    pub(super) rotate: bool,
    /// This participant wants to leave.
    pub(super) leave: bool,
}

impl Wanted {
    /// Says whether the policy is to change. R2: that takes a commit of its own.
    pub(super) fn any_policy(&self) -> bool {
        let hosts = !(self.make_host.is_empty() && self.unmake_host.is_empty());
        hosts || self.lock.is_some() || self.config.is_some() || self.rotate
    }

    /// What cannot be done is not wanted for ever.
    pub(super) fn forget_policy(&mut self) {
        *self = Self {
            admit: core::mem::take(&mut self.admit),
            remove: core::mem::take(&mut self.remove),
            remove_silent: core::mem::take(&mut self.remove_silent),
            leave: self.leave,
            ..Self::default()
        };
    }

    pub(super) fn any_commit(&self) -> bool {
        !self.admit.is_empty() || self.is_urgent() || self.any_policy()
    }

    pub(super) fn removes(&self) -> BTreeSet<ParticipantId> {
        self.remove.union(&self.remove_silent).copied().collect()
    }

    /// Removals wait for nobody else: who is to be removed must not be able to delay it by commits of his own.
    pub(super) fn is_urgent(&self) -> bool {
        !(self.remove.is_empty() && self.remove_silent.is_empty())
    }
}

/// An own entry that was sent to the log and has not been read back yet (R6). There is one at most (R24).
pub(super) struct InFlight {
    pub(super) position: u64,
    pub(super) bytes: Bytes,
    pub(super) what: Own,
    pub(super) launched_at: Time,
    resend_at: Time,
}

pub(super) enum Own {
    Leave,
    Commit {
        /// Released when the commit is confirmed, to those admitted by it.
        welcome: Option<Vec<u8>>,
        admitted: Vec<ParticipantId>,
        /// R12: the private key of the lobby that the commit opens.
        lobby: Option<PrivateKey>,
    },
}

impl InFlight {
    pub(super) fn admits(&self, guest: ParticipantId) -> bool {
        matches!(&self.what, Own::Commit { admitted, .. } if admitted.contains(&guest))
    }

    pub(super) fn new(position: u64, bytes: Vec<u8>, what: Own, now: Time) -> Self {
        Self { position, bytes: Bytes::from(bytes), what, launched_at: now, resend_at: now + RESEND_AFTER }
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

/// How long after a commit the next one may follow, at first; twice as long for each further one within the retention time.
const FIRST_BATCH: Duration = Duration::from_millis(100);

/// However long old keys are kept: who is to be removed shall not read on for that.
const LONGEST_BETWEEN_REMOVALS: Duration = Duration::from_secs(2);

/// R8: at most 2^(E−1) epochs within the retention time, so that the low bits of a frame's epoch stay unambiguous.
///
/// So that a rush of joins does not use them up in its first second, what is wanted is gathered for longer and longer: a thousand
/// guests in a second take five commits, and nobody waits for more than a few seconds.
#[derive(Default)]
pub(super) struct Pace {
    begun: VecDeque<Time>,
    /// The last own removal.
    removed_at: Option<Time>,
}

impl Pace {
    pub(super) fn epoch_began(&mut self, now: Time, epoch_bits: u32) {
        self.begun.push_back(now);
        if self.begun.len() > 1 << (epoch_bits - 1) {
            self.begun.pop_front();
        }
    }

    /// An own commit that removes somebody was applied.
    pub(super) fn removed_at(&mut self, now: Time) {
        self.removed_at = Some(now);
    }

    /// Returns when the next own removal may go out: what others do cannot delay it, and who removes one after the other does it no
    /// faster than R8 has it.
    pub(super) fn may_remove_at(&self, epoch_bits: u32, retention: Duration) -> Time {
        let pace = (retention / (1 << (epoch_bits - 1))).min(LONGEST_BETWEEN_REMOVALS);
        self.removed_at.map_or(Time::ZERO, |at| at + pace)
    }

    /// Returns when the next commit may go out that is no removal.
    pub(super) fn may_commit_at(&self, epoch_bits: u32, retention: Duration, now: Time) -> Time {
        let limit = match self.begun.front() {
            Some(first) if self.begun.len() >= 1 << (epoch_bits - 1) => *first + retention,
            _ => Time::ZERO,
        };
        // The first one of a rush waits for nothing.
        let recent = self.begun.iter().filter(|at| **at + retention > now).count().saturating_sub(1);
        let batch = match (self.begun.back(), u32::try_from(recent)) {
            (Some(last), Ok(recent @ 1..)) => {
                *last + FIRST_BATCH.saturating_mul(1 << (recent - 1).min(16)).min(retention / 4)
            }
            _ => Time::ZERO,
        };
        limit.max(batch)
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
