//! What a participant has to tell when he is out, and what the story can see of him meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use subrosa::{EndReason, Epoch, ParticipantId, Violation};

use crate::receive::Tally;
use crate::received::Received;
use crate::send::Sent;

/// How far a participant is, for the story.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Progress {
    pub(crate) in_call: Option<ParticipantId>,
    pub(crate) epoch: Epoch,
    pub(crate) members: usize,
    pub(crate) locked: bool,
    /// Guests whom a host wanted to let in while the call was locked.
    pub(crate) locked_out: usize,
    /// Commits against the policy that were seen.
    pub(crate) violations: usize,
    pub(crate) ended: Option<EndReason>,
}

/// What a participant has to tell when he is out.
pub(crate) struct Outcome {
    pub(crate) id: ParticipantId,
    /// The UDP port of his line, by which the capture knows him.
    pub(crate) port: u16,
    pub(crate) sent: Sent,
    pub(crate) tally: Tally,
    pub(crate) received: Received,
    pub(crate) notes: Notes,
}

/// What the control task noted.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The positions of the log that were handed in.
    pub(crate) read: Vec<u64>,
    /// Those that meant nothing.
    pub(crate) skipped: Vec<u64>,
    /// Commits against the policy: by whom, and what was wrong.
    pub(crate) violations: Vec<(ParticipantId, Violation)>,
    /// Everybody who was on a roster once.
    pub(crate) met: BTreeSet<ParticipantId>,
    /// Guests who knocked (host).
    pub(crate) knocks: usize,
    /// Guests whom the host wanted to let in, and could not: the call was locked.
    pub(crate) locked_out: Vec<ParticipantId>,
    /// Messages in mailboxes that were no knocks, by reason.
    pub(crate) knocks_refused: BTreeMap<String, u64>,
    /// Messages of the talk lane, and acknowledgements, that were not acted on, by reason.
    pub(crate) talk_refused: BTreeMap<String, u64>,
    /// All messages that were refused.
    pub(crate) refused: HashSet<Bytes>,
    /// How often the hosts could not be heard.
    pub(crate) cut_off: u64,
    /// How often the delivery service did not answer.
    pub(crate) service_lost: u64,
    /// A cheater's own commit.
    pub(crate) forged: Option<Forged>,
    pub(crate) ended: Option<EndReason>,
}

/// A commit of somebody who is no host, in the log.
#[derive(Debug)]
pub(crate) struct Forged {
    pub(crate) position: u64,
    pub(crate) commit: Bytes,
}
