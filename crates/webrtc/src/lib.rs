//! Subrosa beside webrtc-rs 0.21: encoded frames go into a [`FrameSender`] and come out of a [`FrameReceiver`]; between them there
//! are ordinary RTP packets whose payloads no server can read.
//!
//! * [`FrameSender`] seals the frames of one track, or of one simulcast layer, and writes RTP packets to webrtc-rs' track.
//! * [`FrameReceiver`] takes the packets of all tracks of a peer connection and gives opened frames, losses and refusals.
//! * [`KeyframeRequests`] brings PLI and FIR from the connection to the senders; webrtc-rs does not, unless something in its chain
//!   of interceptors asks for them.
//!
//! There is no cryptography here and no cleartext path: what may not be sealed is not sent, and what does not open is not given out,
//! whatever the SDP says. What to change in an app that uses webrtc-rs today is in the README of this crate.

// What comes off the network is never indexed: a bad length must be an error, not a panic.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod codec;
mod configure;
mod incoming;
mod keyframes;
mod receiver;
mod sender;

// The public interface is:
pub use configure::configure;
pub use keyframes::KeyframeRequests;
pub use receiver::{FrameReceiver, RequestError, TooManyRemoteTracks, Tracks};
pub use sender::{BindError, FrameSender, MTU_PAYLOAD, SendError, SendOptions, SimulcastLayer};

#[doc(no_inline)]
pub use subrosa::{Codec, SealError, Sealed};
#[doc(no_inline)]
pub use subrosa_rtp::{
    ConnectionLimits, Form, IncomingStreams, MarkerBit, MediaFrame, MtuTooSmall, Received, ReceivedFrame,
    Refusal,
};
