//! Sending a track: each encoded frame is sealed and cut into RTP payloads.

use core::fmt;
use std::iter::FusedIterator;

use bytes::{Bytes, BytesMut};
use subrosa::{Codec, Metadata, SealError, Sealed, Sealer, TrackId};

use crate::descriptor::Form;
use crate::extension::{FrameHeader, Layer, LayeredWriter, ScalabilityMode, WriteError};
use crate::fragment::{Fragment, Fragments, MarkerBit, MtuTooSmall, Packetizer};

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
    /// Describes the frames to servers that must not look into them.
    layers: Option<LayeredWriter>,
    /// One sealed frame; kept for its memory.
    sealed: BytesMut,
}

/// One encoded frame, as an app gives it; or in the per-packet form one payload of the codec's packetizer.
#[derive(Clone, Copy)]
pub struct MediaFrame<'a> {
    data: &'a [u8],
    timestamp: u32,
    marker: Option<MarkerBit>,
    keyframe: bool,
    layer: Layer,
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
    header: Option<FrameHeader>,
    /// The next is the frame's first.
    first: bool,
}

/// A frame was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OutgoingError {
    /// Nothing may be sealed, or not this. [`SealError::NotReady`] and [`SealError::Paused`] pass: the frame is for nobody, and the
    /// next one may be for somebody.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The frame does not fit the stream's layers: what [`MediaFrame`] says of it is wrong, or a keyframe is due.
    #[error(transparent)]
    Layer(#[from] WriteError),
}

impl OutgoingError {
    /// Whether the stream goes on with a keyframe, and not before: the encoder is to be asked for one.
    pub const fn is_keyframe_due(&self) -> bool {
        use WriteError::{ChainTooLong, Dependencies, KeyframeNeeded};
        matches!(self, Self::Layer(KeyframeNeeded | ChainTooLong | Dependencies))
    }
}

/// What goes into one RTP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingPacket {
    /// The whole RTP payload.
    pub payload: Bytes,
    /// The marker bit of the RTP header.
    pub marker: bool,
    /// The value of the header extension with the AV1 dependency descriptor, if the stream has one.
    pub descriptor: Option<Bytes>,
}

impl<'a> MediaFrame<'a> {
    /// A frame with its RTP timestamp, in units of the media clock (90 kHz for video, 48 kHz for Opus).
    pub const fn new(data: &'a [u8], timestamp: u32) -> Self {
        Self {
            data,
            timestamp,
            marker: None,
            keyframe: false,
            layer: Layer { spatial_id: 0, temporal_id: 0 },
            description: None,
        }
    }

    /// Says that the frame can be decoded without those before it. Only a stream [with layers](OutgoingStream::with_layers) asks.
    #[must_use]
    pub const fn keyframe(self, keyframe: bool) -> Self {
        Self { keyframe, ..self }
    }

    /// Says which layer the frame is of. Only a stream [with layers](OutgoingStream::with_layers) asks.
    #[must_use]
    pub const fn layer(self, layer: Layer) -> Self {
        Self { layer, ..self }
    }

    /// Describes the frame to servers in place of the [layers](OutgoingStream::with_layers) of the stream: for an encoder whose
    /// references are none of the usual modes, and with the header that a
    /// [`DescriptorWriter`](crate::extension::DescriptorWriter) made of them.
    #[must_use]
    pub const fn described_by(self, description: &'a FrameHeader) -> Self {
        Self { description: Some(description), ..self }
    }

    /// Sets the marker bit as the codec's payload format asks for it, where [`OutgoingStream`] cannot know: it marks the end of each
    /// frame of video, and no frame of audio. Lower spatial layers of a picture have none; the first frame of a talk spurt has one.
    #[must_use]
    pub const fn marker(self, marker: MarkerBit) -> Self {
        Self { marker: Some(marker), ..self }
    }
}

impl fmt::Debug for MediaFrame<'_> {
    /// Without the payload: media stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaFrame")
            .field("len", &self.data.len())
            .field("timestamp", &self.timestamp)
            .field("marker", &self.marker)
            .field("keyframe", &self.keyframe)
            .field("layer", &self.layer)
            .field("description", &self.description)
            .finish()
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
        Ok(Self { sealer, codec, packetizer, layers: None, sealed: BytesMut::new() })
    }

    /// Describes each frame to servers by the AV1 dependency descriptor, whatever the codec, so that they can find keyframes and drop
    /// layers. It tells them the layers and the rhythm of the stream.
    ///
    /// The first frame must be a keyframe then, and each must say its [`layer`](MediaFrame::layer) and whether it is a
    /// [`keyframe`](MediaFrame::keyframe).
    #[must_use]
    pub fn with_layers(mut self, mode: ScalabilityMode) -> Self {
        self.layers = Some(LayeredWriter::new(mode));
        self
    }

    /// Seals one frame, or in the per-packet form one payload of the codec's packetizer, and cuts it into RTP payloads.
    ///
    /// # Errors
    ///
    /// [`OutgoingError`]. Those of [`Sealer::seal`], and what makes a frame no frame of the stream's layers.
    pub fn send(&mut self, frame: &MediaFrame<'_>) -> Result<OutgoingFrame, OutgoingError> {
        // First, and kept where nothing is sent then: later frames depend on this one, and servers must know that it is missing.
        let header = match (frame.description, &mut self.layers) {
            (Some(description), _) => Some(description.clone()),
            (None, Some(layers)) => Some(layers.next_frame(frame.layer, frame.keyframe)?),
            (None, None) => None,
        };
        let metadata = match self.packetizer.form() {
            Form::Frame => Metadata::frame(self.codec),
            Form::Packet => Metadata::packet(self.codec),
        };
        self.sealed.clear();
        let sealed = self.sealer.seal(metadata, frame.data, &mut self.sealed)?;
        let usual = if self.codec.is_audio() { MarkerBit::Never } else { MarkerBit::OnLast };
        let fragments = self.packetizer.packetize(&self.sealed, frame.marker.unwrap_or(usual));
        let fragments = fragments.expect("a sealed frame has a header and a tag");
        let packets = OutgoingPackets { fragments, header, first: true };
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
        let Fragment { payload, marker } = self.fragments.next()?;
        let (first, last) = (core::mem::take(&mut self.first), self.fragments.len() == 0);
        let descriptor = self.header.as_ref().map(|header| header.packet(first, last).into());
        Some(OutgoingPacket { payload, marker, descriptor })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fragments.size_hint()
    }
}

impl ExactSizeIterator for OutgoingPackets {}
impl FusedIterator for OutgoingPackets {}
