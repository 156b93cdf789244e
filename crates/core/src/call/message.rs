//! What goes in and out of a call: messages, events, deadlines.

use bytes::Bytes;

use super::judge::Violation;
use super::profile::Kind;
use super::roster::Roster;
use crate::group::{EngineError, EntryFault};
use crate::id::{Epoch, MailboxId, ParticipantId};
use crate::time::Time;

/// Where a message goes, or where it came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lane {
    /// The call's log. Outgoing: to be appended at this position if it is still empty; then read the position and hand in what
    /// stands there, whoever was first. The call sends it again until it has seen that. Incoming: what stands there.
    Log {
        /// Counted from 0.
        position: u64,
    },
    /// A mailbox. Outgoing: to be posted; the call sends it once, so repeat it until the service has taken it.
    Mailbox(MailboxId),
}

/// A message for, or from, the delivery service. Ciphertext.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Where to, or where from.
    pub lane: Lane,
    /// The bytes, as they are.
    pub payload: Bytes,
}

/// What a call wants from its caller.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum Output {
    /// Send this; its lane says how.
    Send(Message),
    /// Know this.
    Event(Event),
    /// Nothing more for now: wait for an input, and at this moment call [`handle_timeout`](super::Call::handle_timeout). It is at
    /// most a second away, until the call has ended: [`Time::NEVER`].
    Timeout(Time),
}

/// Something happened in the call.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A guest asks to be let in; a host may [`admit`](super::Call::admit) or [`deny`](super::Call::deny).
    Knock(Knock),
    /// An epoch begins: who is in it. Show it, then call [`roster_taken`](super::Call::roster_taken); until then no frame of
    /// the epoch is sealed or opened (R14). One event for each epoch, none merged.
    Roster(Roster),
    /// An epoch's frames can be opened now; held ones come out of [`Opener::released`](crate::Opener::released).
    EpochOpened(Epoch),
    /// Sealers use this epoch's keys from now on.
    Switched(Epoch),
    /// Somebody who was let in gets frames from now on: ask each video encoder for a keyframe, once.
    KeyframeNeeded(Epoch),
    /// An epoch's keys are gone (zeroized); its frames cannot be opened any more.
    EpochClosed(Epoch),
    /// A participant asked to leave; a host's commit will take him off the roster.
    Leaving(ParticipantId),
    /// A log entry meant nothing, or was not allowed. All honest members skip it.
    Skipped {
        /// Where it stands.
        position: u64,
        /// What was wrong with it.
        reason: SkipReason,
    },
    /// A guest cannot be added: his key package is not one that the engine takes. He does not wait any more.
    GuestUnusable(ParticipantId),
    /// An own commit could not be built; what is wanted is tried again later.
    CommitFailed(EngineError),
    /// The delivery service keeps this participant's entries out of the log: garbage takes their positions. The call goes on
    /// trying, less and less often; after some 4,000 tries in one epoch it waits for the next.
    LogStarved,
    /// The call is over for this participant; nothing is sealed or opened any more. Drop the [`Call`](super::Call): that wipes
    /// what is left of its secrets.
    Ended(EndReason),
}

/// Why a log entry was skipped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SkipReason {
    /// Garbage, a replay, or not from a member: the delivery service's doing, or a crash.
    Entry(EntryFault),
    /// A member's authentic commit that breaks the policy.
    Policy {
        /// Who made it.
        by: ParticipantId,
        /// What he tried.
        violation: Violation,
    },
}

/// Why a call is over for a participant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EndReason {
    /// He left.
    Left,
    /// A host removed him.
    Removed {
        /// Which one.
        by: ParticipantId,
    },
    /// The last host left, and with him the call (R3).
    LastHostLeft,
    /// The MLS engine failed while applying a valid commit.
    EngineFailed,
}

/// A guest in the waiting room. Name and kind are self-declared.
#[derive(Clone, PartialEq, Eq)]
pub struct Knock {
    /// The name that this participation will have, once admitted.
    pub id: ParticipantId,
    /// The display name.
    pub name: String,
    /// The kind.
    pub kind: Kind,
}

impl core::fmt::Debug for Knock {
    /// Without the name: names stay out of logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Knock").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}
