//! Subrosa beside webrtc-rs 0.21: encoded frames go into a [`FrameSender`] and come out of a [`FrameReceiver`]; between them there
//! are ordinary RTP packets whose payloads no server can read.
//!
//! * [`FrameSender`] seals the frames of one track, or of one simulcast layer, and writes RTP packets to webrtc-rs' track.
//! * [`FrameReceiver`] takes the packets of all tracks of a peer connection and gives opened frames, losses and refusals.
//! * [`KeyframeRequests`] brings PLI and FIR from the connection to the senders, which webrtc-rs does not by itself.
//!
//! There is no cryptography here and no cleartext path: what may not be sealed is not sent, and what does not open is not given out,
//! whatever the SDP says.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use subrosa::{Call, TrackKind};
//! use subrosa_webrtc::{Codec, FrameReceiver, FrameSender, MediaFrame, Received, configure};
//! use webrtc::media_stream::track_local::TrackLocal;
//! use webrtc::peer_connection::{MediaEngine, PeerConnection, Registry, register_default_interceptors};
//! use webrtc::runtime::Runtime;
//!
//! # async fn example(
//! #     call: &Call,
//! #     runtime: Arc<dyn Runtime>,
//! #     connection: Arc<dyn PeerConnection>,
//! #     track: Arc<dyn TrackLocal>,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! // Before the connection is built:
//! let mut media_engine = MediaEngine::default();
//! media_engine.register_default_codecs()?;
//! let (registry, requests) = configure(Registry::new(), &mut media_engine)?;
//! let registry = register_default_interceptors(registry, &mut media_engine)?;
//! let mut receiver = FrameReceiver::new(call.opener(), runtime);
//! let tracks = receiver.tracks(); // for the handler: `tracks.add(track)` in its `on_track`
//!
//! // … the `PeerConnectionBuilder`, offer and answer, as without Subrosa …
//! let rtp_sender = connection.add_track(track).await?; // a `TrackLocalStaticRTP`
//!
//! // Whenever the encoder has a frame:
//! let mut camera = FrameSender::new(call.sealer(TrackKind::Camera)?, Codec::Vp8, &rtp_sender, &requests).await?;
//! camera.send(&MediaFrame::new(b"an encoded frame", 90_000)).await?;
//! if camera.take_keyframe_request() {
//!     // … the encoder's next frame is a keyframe …
//! }
//!
//! // In a task of its own:
//! while let Some(received) = receiver.recv().await {
//!     match received {
//!         Received::Frame(frame) => drop(frame.data), // … of `frame.from.sender`, authenticated …
//!         Received::Lost { ssrc, .. } => drop(receiver.request_keyframe(ssrc).await),
//!         Received::Refused { .. } => {}
//!     }
//! }
//! # drop((registry, tracks));
//! # Ok(())
//! # }
//! ```
//!
//! What to change in an app that uses webrtc-rs today, and what of webrtc-rs to know, is in the README of this crate.

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
// What its methods take and return, of the crates below:
#[doc(no_inline)]
pub use subrosa::{Codec, SealError, Sealed};
#[doc(no_inline)]
pub use subrosa_rtp::extension::{Layer, ScalabilityMode};
#[doc(no_inline)]
pub use subrosa_rtp::{
    ConnectionLimits, IncomingError, IncomingStreams, Limits, Loss, MarkerBit, MediaFrame, MtuTooSmall,
    Received, ReceivedFrame, Refusal,
};

/// The README's examples are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
