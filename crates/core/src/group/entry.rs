//! Decoding log entries, once, before MLS sees them (R5).

use openmls::prelude::{ContentType, MlsMessageBodyIn, MlsMessageIn, PrivateMessageIn, WireFormat};
use thiserror::Error;
use tls_codec::DeserializeBytes;

use crate::id::{CallId, Epoch};

/// Why a log entry means nothing to this call. All honest members skip it, by the same rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum EntryFault {
    /// Not one whole MLS message.
    #[error("not one whole mls message")]
    Undecodable,
    /// Not a PrivateMessage. (The engine would take an external commit as a PublicMessage whatever its policy says.)
    #[error("not a private message")]
    NotPrivate,
    /// Neither a proposal nor a commit.
    #[error("neither a proposal nor a commit")]
    NotHandshake,
    /// Made for another call.
    #[error("made for another call")]
    WrongCall,
    /// Made for another epoch.
    #[error("made for another epoch")]
    WrongEpoch,
    /// Does not name this position: a replay, or a losing entry put somewhere else.
    #[error("does not name this position")]
    WrongPosition,
    /// Not from a member, or damaged, or not valid MLS in this epoch.
    #[error("not authentic, or not valid in this epoch")]
    Invalid,
    /// A valid message that this participant cannot apply with the keys it has.
    #[error("cannot be applied with this participant's keys")]
    Unappliable,
    /// Claims to be from this participant, who did not send it.
    #[error("claims to be our own")]
    NotOurs,
}

/// A decoded log entry: what it says in clear, nothing of it authenticated yet.
pub(crate) struct LogEntry {
    pub(super) message: PrivateMessageIn,
    pub(super) is_commit: bool,
}

impl LogEntry {
    /// Decodes an entry and checks all that is in clear: wire format, content type, call, epoch, position.
    pub(crate) fn decode(
        bytes: &[u8],
        call: CallId,
        epoch: Epoch,
        position: u64,
    ) -> Result<Self, EntryFault> {
        let message =
            MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| EntryFault::Undecodable)?;
        if message.wire_format() != WireFormat::PrivateMessage {
            return Err(EntryFault::NotPrivate);
        }
        let MlsMessageBodyIn::PrivateMessage(message) = message.extract() else {
            return Err(EntryFault::NotPrivate);
        };
        let is_commit = match message.content_type() {
            ContentType::Commit => true,
            ContentType::Proposal => false,
            ContentType::Application => return Err(EntryFault::NotHandshake),
        };
        if message.group_id().as_slice() != call.0 {
            return Err(EntryFault::WrongCall);
        }
        if message.aad() != position.to_be_bytes() {
            return Err(EntryFault::WrongPosition);
        }
        if message.epoch().as_u64() != epoch.0 {
            return Err(EntryFault::WrongEpoch);
        }
        Ok(Self { message, is_commit })
    }
}
