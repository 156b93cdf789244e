//! What goes in and out of a call: messages, events, deadlines.

use bytes::Bytes;

use super::diagnostics::Trouble;
use super::judge::{Attempt, Violation};
use super::profile::Kind;
use super::roster::{Fingerprint, Roster};
use crate::group::{EngineError, EntryFault};
use crate::id::{Epoch, MailboxId, ParticipantId};
use crate::time::Time;
use crate::track::TrackId;

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
    /// The call's talk lane: published to whoever listens, and forgotten. Heartbeats and announcements; a lost one does no harm.
    /// Incoming: everything that is published there, one's own included: that is how a host knows that others hear it.
    Talk,
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
    /// Before a guest's knock is shown, a verifier of the app has to speak for him: answer with
    /// [`vouch`](super::Call::vouch). Comes only in calls whose [configuration](super::CallConfig::vouching) asks for it.
    Vouch(VouchRequest),
    /// A guest does not wait any more: another host answered him, he has gone, he waited for longer than four hours, or the invite that
    /// he knocked with was rotated.
    KnockGone(ParticipantId),
    /// The set of [`mailboxes`](super::Call::mailboxes) to read has changed.
    Mailboxes,
    /// The invite was rotated: [`invite`](super::Call::invite) returns the new one, old links do not work any more (R12).
    InviteRotated,
    /// Somebody who knows the invite was removed. Consider [`rotate_invite`](super::Call::rotate_invite), so that he cannot knock
    /// again (R12). After the removal of a host this happens by itself.
    RotationAdvised,
    /// An epoch begins: who is in it. Show it, then call [`roster_taken`](super::Call::roster_taken); until then no frame of
    /// the epoch is sealed or opened (R14). One event for each epoch, none merged.
    Roster(Roster),
    /// An epoch's frames can be opened now; held ones come out of [`Opener::released`](crate::Opener::released).
    EpochOpened(Epoch),
    /// Sealers use this epoch's keys from now on.
    Switched(Epoch),
    /// Ask the encoder of each of these tracks for a keyframe, once: somebody who was let in gets frames from now on, or frames were
    /// not sealed for some time ([`CutOff`](Self::CutOff)). There is one such event for a switch, however many came with it.
    KeyframeNeeded {
        /// The epoch that is sealed under now.
        epoch: Epoch,
        /// The tracks with pictures that have a sealer.
        tracks: Vec<TrackId>,
    },
    /// An epoch's keys are gone (zeroized); its frames cannot be opened any more.
    EpochClosed(Epoch),
    /// A participant asked to leave; a host's commit will take him off the roster.
    Leaving(ParticipantId),
    /// Fresh heartbeats of some hosts are missing, so nothing is sealed or opened until they come (R21): the delivery service is
    /// down, or keeps something back, a removal perhaps.
    CutOff {
        /// The hosts who are not heard, or whom an own commit makes hosts that does not come back from the log.
        silent: Vec<ParticipantId>,
    },
    /// No host is heard any more, so nothing is sealed or opened (R22). The user may
    /// [`go_on_without_host`](super::Call::go_on_without_host).
    HostSilent {
        /// Something came that could be of an epoch that is not reached here: the hosts may well be there, and the server keeps the log
        /// back, a removal perhaps. (Nobody can vouch for it, nor for its being `false`.)
        newer_epoch: bool,
    },
    /// All hosts are heard again: frames are sealed and opened as before. What the others sent meanwhile is lost here: ask them for
    /// keyframes as after any loss of media.
    Resumed,
    /// A participant was silent for too long, and this host removes him (R13, R21).
    Silent(ParticipantId),
    /// A participant said that he cannot follow the log any more (R7); a host removes him, and he may knock again.
    MemberStranded {
        /// Who.
        id: ParticipantId,
        /// The log position of the commit that he cannot apply.
        position: u64,
    },
    /// A host's commit is valid, but made so that this participant cannot apply it (R7). He is out: frames go on under the keys that
    /// he has until the switch deadline, then the call ends for him. [`Call::rejoin`](super::Call::rejoin) knocks again.
    Stranded {
        /// Where the commit stands.
        position: u64,
        /// Who made it.
        by: ParticipantId,
    },
    /// Something keeps going wrong; at most a few such events a second, whatever arrives.
    Trouble(Trouble),
    /// A log entry meant nothing, or was not allowed. All honest members skip it.
    Skipped {
        /// Where it stands.
        position: u64,
        /// What was wrong with it.
        reason: SkipReason,
    },
    /// A guest cannot be added: his key package is not one that the engine takes. He does not wait any more.
    GuestUnusable(ParticipantId),
    /// An own commit could not be built. Admissions and removals are tried again later; a policy change is not.
    CommitFailed(EngineError),
    /// The delivery service keeps this participant's entries out of the log: garbage takes their positions. The call goes on
    /// trying, less and less often; after some 4,000 tries in one epoch it waits for the next, says this once more, and refuses commands
    /// with [`CallError::Starved`](super::CallError::Starved).
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
        /// Which rule it breaks.
        violation: Violation,
        /// What it would have done.
        tried: Attempt,
    },
}

/// Why a call is over for a participant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EndReason {
    /// He left. (Where no host commits that, he is gone after the liveness window all the same; the others still have him on their
    /// roster until a host is back.)
    Left,
    /// A host removed him.
    Removed {
        /// Which one.
        by: ParticipantId,
    },
    /// The last host left, and with him the call (R3).
    LastHostLeft,
    /// A host's commit could not be applied with the keys that this participant has (R7).
    Stranded {
        /// Who made it.
        by: ParticipantId,
    },
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
    /// The fingerprint of the guest's signature key, which a guest's app can show to him too.
    pub fingerprint: Fingerprint,
    /// Who the app's verifier says that he is; `None` where no verifier is asked.
    pub vouched_as: Option<String>,
}

impl core::fmt::Debug for Knock {
    /// Without names: they stay out of logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Knock")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("fingerprint", &self.fingerprint)
            .field("is_vouched", &self.vouched_as.is_some())
            .finish_non_exhaustive()
    }
}

/// A question to the app's verifier: is the owner of this signature key who he says he is?
///
/// A proof that does not name the signature key proves nothing: it could be somebody else's.
#[derive(Clone, PartialEq, Eq)]
pub struct VouchRequest {
    /// Whom to name in [`vouch`](super::Call::vouch).
    pub id: ParticipantId,
    /// The display name that he gives himself.
    pub name: String,
    /// The kind that he says he is.
    pub kind: Kind,
    /// His public signature key (Ed25519); he has shown that he holds the private one.
    pub signature_key: [u8; 32],
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// What he brought along: a certificate chain, a signed token; perhaps nothing.
    pub proof: Vec<u8>,
}

impl core::fmt::Debug for VouchRequest {
    /// Without name and proof: they stay out of logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("VouchRequest")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("proof_len", &self.proof.len())
            .finish_non_exhaustive()
    }
}

/// What a verifier says of a guest.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// He is this person, by the verifier's own name for him (an address, a subject). Hosts see it beside the display name.
    Vouched(String),
    /// He is not who he says he is; he is turned away.
    Refused,
}

impl core::fmt::Debug for Verdict {
    /// Without the name.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Vouched(_) => "Vouched",
            Self::Refused => "Refused",
        })
    }
}
