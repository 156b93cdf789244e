//! SFrame in RTP payloads, after draft-ietf-avtcore-rtp-sframe-02.
//!
//! A sealed media frame is one opaque run of bytes, often larger than a packet. A [`Packetizer`] cuts it into
//! RTP payloads, each behind a one-byte [`Descriptor`]; a [`Reassembler`] puts the payloads of one RTP stream
//! together again, in order, and says where something is missing. Nothing here reads a clock, does
//! I/O or names a type of an RTP stack: payloads, header fields and the time go in as plain values.
//!
//! An [`OutgoingStream`] puts a call's sealer before that, and [`IncomingStreams`] an opener behind it, for all streams of a connection:
//! what an adapter to an RTP stack is made of. For str0m and webrtc-rs there are such adapters, `subrosa-str0m` and `subrosa-webrtc`;
//! their source shows what one for another stack takes. [`codec`] is another form, for stacks that insist on reading the frames they
//! carry, and needs no adapter.
//! Around the payloads: [`extension`] tells servers in header extensions what they may drop of frames that they cannot
//! read, and [`sdp`] has peers agree on SFrame in their session descriptions, or refuse.
//!
//! ```
//! use std::time::Duration;
//!
//! use subrosa_rtp::{Assembled, Form, Limits, MarkerBit, Packetizer, Reassembler, RtpPayload};
//!
//! // The sender: 3,000 sealed bytes become three payloads of at most 1,200 bytes.
//! let sealed = vec![0x5A; 3_000];
//! let packetizer = Packetizer::new(Form::Frame, 1_200)?;
//! let mut sequence = 65_534_u16; // wraps on the way
//! let mut packets = Vec::new();
//! for fragment in packetizer.packetize(&sealed, MarkerBit::OnLast)? {
//!     packets.push(RtpPayload {
//!         sequence,
//!         timestamp: 90_000,
//!         payload_type: 96,
//!         marker: fragment.marker,
//!         payload: fragment.payload,
//!     });
//!     sequence = sequence.wrapping_add(1);
//! }
//!
//! // The network delivers them in another order.
//! packets.reverse();
//!
//! // The receiver: every input is followed by draining `poll`.
//! let mut reassembler = Reassembler::new(Form::Frame, Limits::default());
//! let mut frames = Vec::new();
//! for (packet, milliseconds) in packets.into_iter().zip(0..) {
//!     reassembler.push(packet, Duration::from_millis(milliseconds))?;
//!     while let Some(assembled) = reassembler.poll() {
//!         match assembled {
//!             Assembled::Frame(frame) => frames.push(frame),
//!             Assembled::Lost(loss) => println!("{} packets lost", loss.missing_packets),
//!         }
//!     }
//! }
//! assert_eq!(frames.len(), 1);
//! assert_eq!(frames[0].data, sealed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What comes off the network is never indexed: a bad length must be an error, not a panic.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod descriptor;
mod fragment;
mod incoming;
mod outgoing;
mod reassembly;

// The public interface is:
pub mod codec;
pub mod extension;
pub mod sdp;
pub use descriptor::{Descriptor, Form};
pub use fragment::{EmptyFrame, Fragment, Fragments, MarkerBit, MtuTooSmall, Packetizer};
pub use incoming::{
    ConnectionLimits, IncomingError, IncomingStreams, PayloadFormat, Received, ReceivedFrame, Refusal,
};
pub use outgoing::{
    MediaFrame, OutgoingError, OutgoingFrame, OutgoingPacket, OutgoingPackets, OutgoingStream,
};
pub use reassembly::{Assembled, Limits, Loss, PushError, Reassembler, RtpPayload, SealedFrame, Stats};
