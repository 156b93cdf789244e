//! Decoding log entries, once, before MLS sees them (R5).
//!
//! ```text
//! entry     = MLSMessage (RFC 9420 §6), a PrivateMessage | signature (64)
//! signature = Ed25519 by the maker's leaf key over "subrosa entry 1" | MLSMessage
//! ```
//!
//! MLS signs what a message says, not its ciphertext: every member could seal the same content once more, with other padding, under the
//! same key. Its maker knows his own entries by their bytes (R6); so the bytes are signed too, or a member and the server could have
//! everybody but the maker apply it.

use openmls::prelude::{ContentType, MlsMessageBodyIn, MlsMessageIn, PrivateMessageIn, WireFormat};
use thiserror::Error;

use super::provider::signature_holds;
use super::wire::read_exact;
use crate::id::{CallId, Epoch};

const LABEL: &[u8] = b"subrosa entry 1";

/// Why a log entry means nothing to this call. All honest members skip it, by the same rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum EntryFault {
    /// Not one whole MLS message with a signature.
    #[error("not one whole mls message with a signature")]
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
    pub(super) seal: Seal,
}

/// The signature over an entry's bytes, and what it was made over.
pub(super) struct Seal {
    signed: Vec<u8>,
    signature: [u8; 64],
}

impl Seal {
    pub(super) fn holds(&self, signature_key: &[u8]) -> bool {
        signature_holds(signature_key, &self.signed, &self.signature)
    }
}

/// Makes an entry of a message.
pub(super) fn enclose(message: Vec<u8>, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Vec<u8> {
    let signature = sign(&[LABEL, &message].concat());
    [message, signature.to_vec()].concat()
}

impl LogEntry {
    /// Decodes an entry and checks all that is in clear: wire format, content type, call, epoch, position.
    pub(crate) fn decode(
        bytes: &[u8],
        call: CallId,
        epoch: Epoch,
        position: u64,
    ) -> Result<Self, EntryFault> {
        let (bytes, signature) = bytes.split_last_chunk().ok_or(EntryFault::Undecodable)?;
        let message = read_exact::<MlsMessageIn>(bytes).ok_or(EntryFault::Undecodable)?;
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
        let seal = Seal { signed: [LABEL, bytes].concat(), signature: *signature };
        Ok(Self { message, is_commit, seal })
    }
}
