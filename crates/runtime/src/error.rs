//! What an app can be told.

use subrosa::{CallError, JoinError};
use subrosa_delivery::DeliveryError;
use thiserror::Error;

/// A command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The call refuses it, and is as it was.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The caller's doing: 16 tracks of a kind in one epoch.
    #[error(transparent)]
    Tracks(#[from] subrosa::TooManyTracks),
    /// Another handle has taken the call to [rejoin](crate::CallHandle::rejoin) with it.
    #[error("the call was taken by another handle")]
    Over,
}

/// Nobody could be asked to be let in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KnockError {
    /// The knock could not be made.
    #[error("the knock could not be made")]
    Knock(#[source] JoinError),
    /// The delivery service did not take it.
    #[error("the knock could not be delivered")]
    Delivery(#[source] DeliveryError),
    /// The caller's doing: another handle has taken the call to rejoin with it.
    #[error("the call was taken by another handle")]
    Over,
}

/// A guest was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// A host turned him away.
    #[error("a host turned the guest away")]
    Denied,
    /// The invite was rotated: ask for the new link.
    #[error("the link has expired")]
    LinkExpired,
    /// The last host has left.
    #[error("the call is over")]
    CallOver,
    /// The mailbox of the answer was closed: somebody who knows it did that, or the service is gone for good.
    #[error("the mailbox of the answer is gone")]
    MailboxGone,
    /// The answer is a host's, but not one to accept (R11).
    #[error(transparent)]
    Join(#[from] JoinError),
}
