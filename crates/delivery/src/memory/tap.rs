//! A view of everything that the service handles.

use bytes::Bytes;

use crate::{CallId, DeliveryError, MailboxId};

/// One message that reached the service, as the service sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it was meant to go.
    pub lane: RecordLane,
    /// The message: ciphertext, to the service.
    pub bytes: Bytes,
    /// What became of it. Losers of a race and refused messages are recorded too: the service has seen them.
    pub outcome: Outcome,
}

/// A lane of a call, or a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordLane {
    /// A position in the log of a call.
    Log {
        /// The call.
        call: CallId,
        /// The position that was asked for.
        position: u64,
    },
    /// The talk lane of a call.
    Talk {
        /// The call.
        call: CallId,
    },
    /// A mailbox.
    Mailbox {
        /// The mailbox.
        mailbox: MailboxId,
    },
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was stored or published, or was there already and is an idempotent retry.
    Accepted,
    /// Another entry holds that position of the log.
    Taken,
    /// It was answered with an error.
    Refused,
}

/// Is shown each record.
pub(super) type Tap = Box<dyn Fn(&Record) + Send + Sync>;

impl Outcome {
    pub(super) fn of<T>(verdict: &Result<T, DeliveryError>) -> Self {
        if verdict.is_ok() { Self::Accepted } else { Self::Refused }
    }
}
