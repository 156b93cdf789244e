//! Why a frame was not sealed or not opened. All are `Copy`: nothing is allocated on the frame path.

use thiserror::Error;

/// A sender could not seal a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The key has sealed as many frames as it may; a new epoch brings a new one. A counter never wraps.
    #[error("this key has sealed as many frames as it may")]
    Exhausted,
    /// The payload is longer than the AEAD takes (2^36 − 32 bytes).
    #[error("the payload is longer than the cipher takes")]
    TooLong,
    /// The buffer lacks the [`MAX_HEADER_LEN`](super::MAX_HEADER_LEN) spare bytes in front of the payload.
    #[error("no headroom in front of the payload")]
    NoHeadroom,
    /// No epoch may seal now: the first roster was not taken yet, or the keys in use have expired.
    #[error("nothing may be sealed now: the newest roster was not taken, or the keys have expired")]
    NotReady,
    /// The call is cut off from its hosts: nothing is sealed until it hears from them again (R21; see `Event::CutOff`).
    #[error("the call is cut off from its hosts")]
    Paused,
    /// The call has ended for this participant, or this participant was removed.
    #[error("the call has ended")]
    Ended,
}

/// A frame could not be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are not an SFrame.
    #[error("not an sframe: {0}")]
    Malformed(#[from] HeaderError),
    /// No key is known for the frame's KID.
    #[error("no key for this key id")]
    UnknownKey,
    /// The tag does not fit: forged, damaged, or sealed with other metadata. No detail, on purpose.
    #[error("not authentic: forged, damaged, or sealed with other metadata")]
    Unauthentic,
    /// A frame with this counter was opened before, or it is too old to tell.
    #[error("replayed or too old")]
    Replayed,
}

/// The header of a frame is not one that RFC 9605 §4.3 allows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The frame ends before the header or before the tag does.
    #[error("truncated")]
    Truncated,
    /// The KID takes more bytes than it needs.
    #[error("key id is not encoded minimally")]
    KeyIdNotMinimal,
    /// The counter takes more bytes than it needs.
    #[error("counter is not encoded minimally")]
    CounterNotMinimal,
}
