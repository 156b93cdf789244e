//! Subrosa in str0m's RTP mode: what an app sends through its `Rtc` is sealed before str0m sees it, and opened after.
//!
//! A [`FrameSender`] stands where an app hands encoded frames to str0m, one for each track and each simulcast layer; a
//! [`FrameReceiver`] stands where it takes them, one for each `Rtc`. Neither does I/O or reads a clock, as str0m does not.
//! Inside there is no cryptography, but that of a call's [`Sealer`](subrosa::Sealer)s and [`Opener`](subrosa::Opener)s.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use str0m::media::{Direction, MediaKind};
//! use str0m::{Output, Rtc};
//! use subrosa::{Codec, Event, TrackKind};
//! use subrosa_str0m::{FrameReceiver, FrameSender, MediaFrame, Received, SendError, configure};
//! # use subrosa_testkit::table::Table;
//! # str0m::crypto::from_feature_flags().install_process_default();
//! # let table = Table::of(&["Ann", "Bob"]);
//! # let call = table.call("Ann");
//! # let (call_event, now) = (Event::CutOff { silent: Vec::new() }, Instant::now());
//!
//! let mut rtc = configure(Rtc::builder()).build(now); // RTP mode, and the extension that servers forward by
//! let mut changes = rtc.sdp_api();
//! let mid = changes.add_media(MediaKind::Video, Direction::SendRecv, None, None, None);
//! # let _ = changes.apply();
//! // … offer and answer, candidates, sockets, as without Subrosa …
//!
//! let mut camera = FrameSender::new(call.sealer(TrackKind::Camera)?, Codec::Vp8, mid);
//! let mut receiver = FrameReceiver::new(call.opener(), now);
//!
//! // Whenever the encoder has a frame:
//! match camera.send(&mut rtc, &MediaFrame::new(b"an encoded frame", 90_000), now) {
//!     Ok(_) => {}
//!     Err(SendError::NotConnected) => {} // nobody to send to yet
//!     Err(error) => eprintln!("a frame was not sent: {error}"),
//! }
//! if camera.take_keyframe_request() {
//!     // … the encoder's next frame is a keyframe …
//! }
//!
//! // Whatever str0m says:
//! if let Output::Event(event) = rtc.poll_output()? {
//!     camera.handle_event(&event);
//!     receiver.handle_event(&rtc, &event, now).ok(); // duplicates and late packets are ordinary
//! }
//! // Whatever the call says:
//! if let Event::KeyframeNeeded { tracks, .. } = &call_event {
//!     camera.keyframe_needed(tracks);
//! }
//! // After either, and when `next_timeout` is over:
//! receiver.handle_timeout(now);
//! while let Some(received) = receiver.poll() {
//!     match received {
//!         Received::Frame(frame) => drop(frame.data), // … of `frame.from.sender`, authenticated …
//!         Received::Lost { ssrc, .. } => drop(receiver.request_keyframe(&mut rtc, ssrc)),
//!         Received::Refused { .. } => {}
//!     }
//! }
//! let wake_up_at = receiver.next_timeout().unwrap_or(now + Duration::from_secs(1));
//! # let _ = wake_up_at;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What str0m needs
//!
//! * **RTP mode**, which [`configure`] sets: in frame mode str0m parses payloads, and ciphertext is not what it expects.
//! * **SDP.** str0m offers and answers as for media in clear, and cannot write the `a=sframe` of
//!   draft-ietf-avtcore-rtp-sframe: `subrosa_rtp::sdp` adds it to the text and asks for it in the other side's.
//! * A **sender for each simulcast layer**, with a sealer and a [`Rid`](str0m::media::Rid) of its own: layers are tracks of their own.

// What comes off the network is never indexed: a bad length must be an error, not a panic.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod codec;
mod extension;
mod receiver;
mod sender;

// The public interface is:
pub use extension::{DependencyDescriptor, configure};
pub use receiver::{FrameReceiver, NoSuchStream, ReceiveError};
pub use sender::{FrameSender, MTU_PAYLOAD, SendError};
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
