//! End-to-end encrypted group calls: MLS (RFC 9420) agrees keys across the participants, SFrame (RFC 9605) seals every
//! media frame, and the servers in the middle see ciphertext and nothing else.
//!
//! The core of Subrosa does no I/O: no socket, no clock, no thread of its own, no file. A [`Call`] takes commands, messages and the
//! time, and says what it wants through [`Call::poll_output`]: messages to send, events to know, the next deadline. **After
//! every input, drain it until [`Output::Timeout`].** A [`Sealer`] for each outgoing track and an [`Opener`] for each
//! receiving thread live beside the media and follow the call's keys by themselves, without a lock.
//!
#![cfg_attr(feature = "mls", doc = "```")]
#![cfg_attr(not(feature = "mls"), doc = "```ignore")]
//! use bytes::BytesMut;
//! use subrosa::{Call, CallConfig, Codec, Event, Metadata, Output, Profile, Random, Time, TrackKind};
//!
//! let now = Time::ZERO; // a real app: the time since its start
//! let mut call = Call::create(&Profile::person("Ann")?, &CallConfig::default(), Random::os(), now)?;
//! loop {
//!     match call.poll_output() {
//!         Output::Event(Event::Roster(roster)) => call.roster_taken(roster.epoch, now)?, // shown to the user
//!         Output::Event(event) => println!("{event:?}"),
//!         Output::Send(message) => println!("to the delivery service: {:?}", message.lane),
//!         Output::Timeout(_) => break, // wait for the next input, or until then
//!     }
//! }
//! println!("send this to your guests: {}", *call.invite().to_link("https://meet.example/standup"));
//!
//! let mut camera = call.sealer(TrackKind::Camera)?;
//! let mut frame = BytesMut::new();
//! camera.seal(Metadata::frame(Codec::Vp8), b"an encoded picture", &mut frame)?;
//! assert_eq!(frame.len(), 2 + 18 + 16); // header, payload, tag
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What the delivery service brings goes into [`Call::handle_message`]: the entries of the log in order, whatever is said on the
//! talk lane, and what arrives in [`Call::mailboxes`]. A participant who hears nothing of a host for half a minute stops sealing and
//! opening ([`Event::CutOff`]), so a service that only carries the log is not enough.
//!
//! The rules that a call keeps are numbered R1 to R25; comments cite them where they are enforced, and `SECURITY.md` lists
//! them with the test that shows each.
//!
//! Features, each of which only adds: `mls` (default) is the call; without it only [`sframe`] is built, for applications with keys of their
//! own. `aws-lc-rs` is a second [backend](sframe::Backend) for AES-GCM. `ctr-hmac` are the suites with short tags, which calls refuse
//! (see [`CipherSuite`]). `tampered` adds what a tampered client could send, for demonstrations that it is ignored, `fuzzing`
//! entry points for fuzzers; no app needs them.
//!
//! The public interface is:

mod id;

#[cfg(feature = "mls")]
mod call;
#[cfg(feature = "mls")]
mod crypto;
#[cfg(feature = "mls")]
pub mod danger;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
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
pub use sframe::{CipherSuite, SealError};

#[cfg(feature = "mls")]
pub use {
    call::{
        Admission, Attempt, Call, CallConfig, CallError, Cause, CodeError, CodeInput, ConfigError,
        CreateError, Diagnostics, EndReason, Event, Fingerprint, FreshKeys, Guest, HandleError, HostAnswer,
        Invite, InviteError, JoinError, Kind, Knock, KnockFault, Lane, MAX_NAME_LEN, MAX_PROOF_LEN, Member,
        Message, NameError, Output, ParticipantDiagnostics, PolicyChange, Profile, ReadCode, Roster,
        SafetyCode, SkipReason, TalkFault, Trouble, TroubleKind, Verdict, Violation, VouchRequest,
    },
    crypto::{NoRandomness, Random},
    group::{EngineError, EntryFault, JoinFault},
    keyring::{
        ExportError, FaultKind, FrameError, FrameFault, HeldId, Opened, Opener, Opening, Released, Sealed,
        Sealer, TooManyTracks,
    },
    time::Time,
    track::{Codec, Metadata, TrackId, TrackKind},
};
