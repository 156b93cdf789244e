//! What a caller of [`Call`](super::Call) can be told.

use thiserror::Error;

use super::lobby::KnockFault;
use super::policy::ConfigError;
use super::presence::TalkFault;
use crate::group::EngineError;

/// A call could not be founded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The configuration contradicts itself.
    #[error("the configuration is not possible: {0}")]
    Config(#[from] ConfigError),
    /// The proof is longer than [`MAX_PROOF_LEN`](crate::MAX_PROOF_LEN) bytes.
    #[error("the proof is longer than 2048 bytes")]
    ProofTooLong,
    /// The engine failed, or there is no randomness.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A command cannot be carried out. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The call has ended for this participant.
    #[error("the call has ended")]
    Ended,
    /// This participant is leaving.
    #[error("leaving already")]
    Leaving,
    /// Only a host may do this (R1).
    #[error("only a host may do this")]
    NotHost,
    /// This host may not admit guests, or rotate the invite, or give others that right.
    #[error("this host may not admit")]
    MayNotAdmit,
    /// This host does not hold the lobby's key yet: another host hands it on within seconds (R12).
    #[error("this host does not hold the lobby's key yet")]
    NoLobby,
    /// The call is locked.
    #[error("the call is locked")]
    Locked,
    /// The app's verifier has not spoken for this guest yet.
    #[error("nobody has vouched for the guest yet")]
    NotVouched,
    /// This participant is not a host.
    #[error("the participant is not a host")]
    NotAHost,
    /// Somebody must be able to let people in.
    #[error("there would be nobody left who may admit")]
    LastWhoMayAdmit,
    /// Too many own entries of this epoch were kept out of the log: the others would not hear another one. Until somebody else
    /// commits, or the app has this participant join anew, nothing can be done ([`Event::LogStarved`](crate::Event::LogStarved)).
    #[error("too many entries of this epoch were kept out of the log")]
    Starved,
    /// Somebody must be a host.
    #[error("there would be no host left")]
    LastHost,
    /// The new configuration contradicts itself, or changes what is fixed at creation.
    #[error("the configuration is not possible: {0}")]
    Config(#[from] ConfigError),
    /// Not all hosts are silent, so there is nothing to go on without.
    #[error("not all hosts are silent")]
    HostsThere,
    /// A host's commit cannot be applied (R7); all that is left is to rejoin.
    #[error("stranded: rejoin")]
    Stranded,
    /// No participant with this id is on the roster.
    #[error("no such participant on the roster")]
    NotOnRoster,
    /// No guest with this id waits.
    #[error("no such guest waits")]
    NotWaiting,
    /// The guest's admission is on its way already.
    #[error("the guest is being admitted already")]
    BeingAdmitted,
    /// A host cannot remove himself; leaving is another command.
    #[error("to remove oneself is to leave")]
    Yourself,
    /// The policy allows no more participants, or their proofs take so much room that an answer would be too long.
    #[error("the call is full")]
    Full,
    /// The policy takes no more hosts.
    #[error("too many hosts")]
    TooManyHosts,
    /// The epoch's roster event was not handed out yet (R14).
    #[error("the roster of this epoch was not handed out yet")]
    RosterNotShown,
    /// There is no such epoch, or it is closed.
    #[error("no such epoch, or it is closed")]
    EpochGone,
    /// The engine failed, or there is no randomness.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A message was not taken in. Nothing was changed, except that after `Engine` the call has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The call has ended for this participant.
    #[error("the call has ended")]
    Ended,
    /// The caller's doing: entries before this one were not handed in yet.
    #[error("log entries are missing: the next one is {expected}")]
    Gap {
        /// The position to read from.
        expected: u64,
    },
    /// The caller's doing: a mailbox that this participant does not read.
    #[error("a mailbox that this participant does not read")]
    UnknownMailbox,
    /// The sender's or the server's doing: not a talk message to act on.
    #[error("not a talk message to act on: {0}")]
    Talk(#[from] TalkFault),
    /// The sender's doing: not a knock to be answered.
    #[error("not a knock to be answered: {0}")]
    Knock(#[from] KnockFault),
    /// The engine failed while applying a valid entry; the call has ended.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
