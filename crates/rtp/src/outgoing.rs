//! Sending a track: each encoded frame is sealed and cut into RTP payloads.

use std::iter::FusedIterator;

use bytes::{Bytes, BytesMut};
use subrosa::{Codec, Metadata, SealError, Sealed, Sealer, TrackId};

use crate::descriptor::Form;
use crate::extension::FrameHeader;
use crate::fragment::{Fragments, MarkerBit, MtuTooSmall, Packetizer};

/// Seals one track and cuts it into RTP payloads: what an adapter to an RTP stack puts before that stack.
///
/// It holds the track's [`Sealer`], so each simulcast layer has an `OutgoingStream` of its own. Sequence numbers, timestamps and
/// the rest of the RTP header stay with the stack.
///
/// There is no way to send anything in clear: while nothing may be sealed, nothing is sent, and the error says why.
#[derive(Debug)]
pub struct OutgoingStream {
    sealer: Sealer,
    codec: Codec,
    packetizer: Packetizer,
    /// One sealed frame; kept for its memory.
    sealed: BytesMut,
}

/// One encoded frame, as an app gives it; or in the per-packet form one payload of the codec's packetizer.
#[derive(Debug, Clone, Copy)]
pub struct MediaFrame<'a> {
    data: &'a [u8],
    timestamp: u32,
    marker: Option<MarkerBit>,
    description: Option<&'a FrameHeader>,
}

/// A frame that was sealed, on its way into packets.
#[derive(Debug, Clone)]
pub struct OutgoingFrame {
    /// Under which epoch, and as which of the track's frames in it.
    pub sealed: Sealed,
    /// The RTP timestamp of all its packets.
    pub timestamp: u32,
    /// The packets, in the order in which to send them.
    pub packets: OutgoingPackets,
}

/// The packets of one frame.
#[derive(Debug, Clone)]
pub struct OutgoingPackets {
    fragments: Fragments,
    description: Option<FrameHeader>,
    /// Whether none was taken yet.
    at_start: bool,
}

/// What goes into one RTP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingPacket {
    /// The whole RTP payload.
    pub payload: Bytes,
    /// The marker bit of the RTP header.
    pub marker: bool,
    /// The value of the header extension with the AV1 dependency descriptor, if the frame was [described](MediaFrame::described_by).
    pub descriptor: Option<Bytes>,
}

impl<'a> MediaFrame<'a> {
    /// A frame with its RTP timestamp, in units of the media clock (90 kHz for video, 48 kHz for Opus).
    pub const fn new(data: &'a [u8], timestamp: u32) -> Self {
        Self { data, timestamp, marker: None, description: None }
    }

    /// Sets the marker bit as the codec's payload format asks for it, where [`OutgoingStream`] cannot know: it marks the end of each
    /// frame of video, and no frame of audio. Lower spatial layers of a picture have none; the first frame of a talk spurt has one.
    #[must_use]
    pub const fn marker(self, marker: MarkerBit) -> Self {
        Self { marker: Some(marker), ..self }
    }

    /// Has its packets say in clear what servers choose by: its layer, and what depends on it. The header comes from the stream's
    /// [`LayeredWriter`](crate::extension::LayeredWriter) or [`DescriptorWriter`](crate::extension::DescriptorWriter).
    ///
    /// A frame that was described and not sent leaves a hole in the numbers, as though it was lost: describe frames that are sent.
    /// It is for whole frames; the per-packet form knows none, and leaves it out.
    #[must_use]
    pub const fn described_by(self, description: &'a FrameHeader) -> Self {
        Self { description: Some(description), ..self }
    }
}

impl OutgoingStream {
    /// Seals with `sealer` what an encoder for `codec` makes, into payloads of at most `mtu_payload` bytes: what is left of the
    /// path's MTU below the IP, UDP, SRTP and RTP headers with their extensions. 1,200 is a usual choice.
    ///
    /// # Errors
    ///
    /// [`MtuTooSmall`] if a payload could not hold one byte beside its descriptor.
    pub fn new(sealer: Sealer, codec: Codec, form: Form, mtu_payload: usize) -> Result<Self, MtuTooSmall> {
        let packetizer = Packetizer::new(form, mtu_payload)?;
        Ok(Self { sealer, codec, packetizer, sealed: BytesMut::new() })
    }

    /// Seals one frame, or in the per-packet form one payload of the codec's packetizer, and cuts it into RTP payloads.
    ///
    /// # Errors
    ///
    /// Those of [`Sealer::seal`]. [`SealError::NotReady`] and [`SealError::Paused`] pass: the frame is for nobody, and the next
    /// one may be for somebody.
    pub fn send(&mut self, frame: &MediaFrame<'_>) -> Result<OutgoingFrame, SealError> {
        let metadata = match self.packetizer.form() {
            Form::Frame => Metadata::frame(self.codec),
            Form::Packet => Metadata::packet(self.codec),
        };
        self.sealed.clear();
        let sealed = self.sealer.seal(metadata, frame.data, &mut self.sealed)?;
        let usual = if self.codec.is_audio() { MarkerBit::Never } else { MarkerBit::OnLast };
        let fragments = self.packetizer.packetize(&self.sealed, frame.marker.unwrap_or(usual));
        let fragments = fragments.expect("a sealed frame has a header and a tag");
        let description = frame.description.filter(|_| self.packetizer.form() == Form::Frame).cloned();
        let packets = OutgoingPackets { fragments, description, at_start: true };
        Ok(OutgoingFrame { sealed, timestamp: frame.timestamp, packets })
    }

    /// Returns the MTU to tell the codec's packetizer in the per-packet form; see [`Packetizer::media_payload`].
    pub fn media_payload(&self) -> usize {
        self.packetizer.media_payload()
    }

    /// Returns the track, as receivers will see it.
    pub fn track(&self) -> TrackId {
        self.sealer.track()
    }

    /// Returns the codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }
}

impl Iterator for OutgoingPackets {
    type Item = OutgoingPacket;

    fn next(&mut self) -> Option<OutgoingPacket> {
        let fragment = self.fragments.next()?;
        let (first, last) = (core::mem::take(&mut self.at_start), self.fragments.len() == 0);
        let descriptor = self.description.as_ref().map(|header| header.packet(first, last).into());
        Some(OutgoingPacket { payload: fragment.payload, marker: fragment.marker, descriptor })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fragments.size_hint()
    }
}

impl ExactSizeIterator for OutgoingPackets {}
impl FusedIterator for OutgoingPackets {}
