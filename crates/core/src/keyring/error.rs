//! Why a frame of a call was not opened.

use thiserror::Error;

use crate::id::ParticipantId;
use crate::sframe::HeaderError;
use crate::track::TrackId;

/// A frame could not be opened. `Copy`, made without allocating, and with nothing secret in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{reason}")]
pub struct FrameError {
    /// What is wrong with it.
    pub reason: FrameFault,
    /// Whom and which track the frame claims to be from, where that could be read. Not authenticated.
    pub claimed: Option<(ParticipantId, TrackId)>,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum FrameFault {
    /// The bytes are not an SFrame.
    #[error("not an sframe: {0}")]
    Malformed(HeaderError),
    /// The frame's epoch is over: its keys are gone, or its sender has used a newer one for more than a second (R19).
    #[error("its epoch has been closed")]
    EpochClosed,
    /// No participant of that epoch has the frame's leaf index.
    #[error("no such participant in its epoch")]
    UnknownSender,
    /// No track has such a number.
    #[error("no such track")]
    UnknownTrack,
    /// The frame claims to be from this participant himself: somebody sends our own frames back.
    #[error("our own frame came back")]
    Reflected,
    /// A frame with this counter was opened before, or it is too old to tell. Said before the tag is looked at: a forgery with a
    /// spent counter is called a replay.
    #[error("replayed or too old")]
    Replayed,
    /// The call's participants have used more tracks in this epoch than they are allowed together.
    #[error("too many tracks in its epoch")]
    TooManyTracks,
    /// The tag does not fit: forged, damaged, or sealed with another codec, form or metadata. No detail, on purpose.
    #[error("not authentic: forged, damaged, or sealed with another codec, form or metadata")]
    Unauthentic,
    /// The frame's epoch is not reached yet, and there is no room to hold more frames of that track (R18).
    #[error("its epoch is not reached yet and too many frames wait already")]
    HoldFull,
    /// The frame waited too long for its epoch.
    #[error("its epoch was not opened in time: the commit did not come, or its roster was not taken")]
    HeldTooLong,
    /// The call is cut off from its hosts: nothing is opened until it hears from them again (R21; see `Event::CutOff`).
    #[error("the call is cut off from its hosts")]
    Paused,
    /// The call has ended for this participant.
    #[error("the call has ended")]
    Ended,
}

impl FrameFault {
    pub(crate) const fn unclaimed(self) -> FrameError {
        FrameError { reason: self, claimed: None }
    }
}

/// What is wrong with frames, to count them by: [`FrameFault`] without the details.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum FaultKind {
    /// Not an SFrame: [`FrameFault::Malformed`].
    Malformed,
    /// [`FrameFault::EpochClosed`]. A few after a switch are late frames; many are a sender who does not follow.
    EpochClosed,
    /// [`FrameFault::UnknownSender`].
    UnknownSender,
    /// [`FrameFault::UnknownTrack`].
    UnknownTrack,
    /// [`FrameFault::Reflected`]: counted in this participant's own name.
    Reflected,
    /// [`FrameFault::Replayed`]. Networks double packets, so some are nobody's fault.
    Replayed,
    /// [`FrameFault::TooManyTracks`].
    TooManyTracks,
    /// [`FrameFault::Unauthentic`].
    Unauthentic,
    /// [`FrameFault::HoldFull`].
    HoldFull,
    /// [`FrameFault::HeldTooLong`].
    HeldTooLong,
    /// [`FrameFault::Paused`].
    Paused,
    /// [`FrameFault::Ended`].
    Ended,
}

impl FaultKind {
    /// All kinds, by number.
    pub(super) const ALL: [Self; 12] = [
        Self::Malformed,
        Self::EpochClosed,
        Self::UnknownSender,
        Self::UnknownTrack,
        Self::Reflected,
        Self::Replayed,
        Self::TooManyTracks,
        Self::Unauthentic,
        Self::HoldFull,
        Self::HeldTooLong,
        Self::Paused,
        Self::Ended,
    ];
    /// Those that frames can have of which is known whose they claim to be.
    pub(super) const CLAIMED: [Self; 5] =
        [Self::EpochClosed, Self::Reflected, Self::Replayed, Self::TooManyTracks, Self::Unauthentic];
}

impl From<FrameFault> for FaultKind {
    fn from(fault: FrameFault) -> Self {
        match fault {
            FrameFault::Malformed(_) => Self::Malformed,
            FrameFault::EpochClosed => Self::EpochClosed,
            FrameFault::UnknownSender => Self::UnknownSender,
            FrameFault::UnknownTrack => Self::UnknownTrack,
            FrameFault::Reflected => Self::Reflected,
            FrameFault::Replayed => Self::Replayed,
            FrameFault::TooManyTracks => Self::TooManyTracks,
            FrameFault::Unauthentic => Self::Unauthentic,
            FrameFault::HoldFull => Self::HoldFull,
            FrameFault::HeldTooLong => Self::HeldTooLong,
            FrameFault::Paused => Self::Paused,
            FrameFault::Ended => Self::Ended,
        }
    }
}
