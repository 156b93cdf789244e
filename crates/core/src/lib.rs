//! Subrosa.
mod id;

#[cfg(feature = "mls")]
mod call;
#[cfg(feature = "mls")]
mod crypto;
#[cfg(feature = "mls")]
pub mod danger;
#[cfg(feature = "mls")]
mod group;
#[cfg(feature = "mls")]
mod keyring;
pub mod sframe;
#[cfg(feature = "mls")]
mod time;
#[cfg(feature = "mls")]
mod track;

pub use id::{CallId, Epoch, MailboxId, ParticipantId};

#[cfg(feature = "mls")]
pub use {
    call::{
        Admission, Call, CallConfig, CallError, Cause, ConfigError, CreateError, EndReason, Event, Guest,
        HandleError, HostAnswer, Invite, InviteError, JoinError, Kind, Knock, KnockFault, Lane, MAX_NAME_LEN,
        Member, Message, NameError, Output, Profile, Roster, SkipReason, Violation,
    },
    crypto::{NoRandomness, Random},
    group::{EngineError, EntryFault, JoinFault},
    keyring::{
        ExportError, FrameError, FrameFault, HeldId, HoldLimits, Opened, Opener, Opening, Released, Sealer,
        TooManyTracks,
    },
    time::Time,
    track::{Codec, Metadata, TrackId, TrackKind},
};
