//! RTP header extensions that tell a media server what it can no longer read in a sealed payload.
//!
//! A selective forwarding server decides what to forward by looking into the payload: where a frame begins and
//! ends, whether it is a keyframe, which layer it belongs to, whether anything depends on it. SFrame closes that
//! view, so the sender says these things beside the payload, in one of two header extensions:
//!
//! * the **dependency descriptor** ([AV1 RTP specification, appendix A][dd], [`DEPENDENCY_DESCRIPTOR_URI`]), for
//!   any codec and any scalability: what browsers send and servers read. [`LayeredWriter`] writes it for the usual
//!   scalability modes, [`DescriptorWriter`] for an encoder that names its references, [`DescriptorReader`] reads it;
//! * **frame marking** ([RFC 9626], [`FRAME_MARKING_URI`]), one to three bytes without any state: [`FrameMarking`].
//!
//! # Hints, not facts
//!
//! Header extensions are outside of the end-to-end envelope: every server on the way can change them, and a
//! member can lie in its own. Use them to decide what to *forward*. A receiver must not let them decide what is
//! authentic, complete or shown: frames count by the seal that opens, not by what stands beside them. And they tell
//! each server the layers, sizes and rhythm of a stream, so send what your servers need and no more.
//!
//! # In RTP
//!
//! A descriptor with a structure attached, as on every keyframe, is often longer than the 16 bytes that the one-byte
//! form of RFC 8285 carries; negotiate `a=extmap-allow-mixed` and send it in the two-byte form.
//!
//! ```
//! use subrosa_rtp::extension::{DescriptorReader, Layer, LayeredWriter, ScalabilityMode};
//!
//! // The sender: one spatial layer, three temporal ones.
//! let mut writer = LayeredWriter::new(ScalabilityMode::L1T3);
//! let keyframe = writer.next_frame(Layer { spatial_id: 0, temporal_id: 0 }, true)?;
//! let packets = [keyframe.packet(true, false), keyframe.packet(false, true)];
//! let droppable = writer.next_frame(Layer { spatial_id: 0, temporal_id: 2 }, false)?.packet(true, true);
//! assert_eq!(droppable.len(), 3);
//!
//! // The server.
//! let mut reader = DescriptorReader::new();
//! assert!(reader.read(&packets[0])?.is_keyframe());
//! reader.read(&packets[1])?;
//! let structure = reader.structure().expect("the keyframe brought it");
//! // A subscriber who wants at most temporal layer 1:
//! let target = structure.decode_target(Layer { spatial_id: 0, temporal_id: 1 }, u32::MAX).expect("there is one");
//! assert!(!reader.read(&droppable)?.needed_for(target));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [dd]: https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension
//! [RFC 9626]: https://www.rfc-editor.org/rfc/rfc9626

mod bits;
mod frame;
mod frame_marking;
mod layered;
mod reader;
mod structure;
mod writer;

pub use self::{
    frame::{FrameDependencies, FrameDescriptor},
    frame_marking::{FRAME_MARKING_URI, FrameMarking, MalformedMarking},
    layered::{InterLayer, LayeredWriter, ScalabilityMode, UnsupportedMode},
    reader::{DescriptorError, DescriptorReader},
    structure::{Indication, InvalidStructure, Layer, Resolution, Structure, Template},
    writer::{DescriptorWriter, FrameHeader, WriteError},
};

/// The URI that an `a=extmap` line names the dependency descriptor with (AV1 RTP, A.9).
pub const DEPENDENCY_DESCRIPTOR_URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// What the two-byte form of RFC 8285 §4.3 can carry.
const MAX_BYTES: usize = 255;
