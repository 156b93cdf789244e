//! Sending a track.

use core::fmt;
use std::sync::Arc;

use bytes::Bytes;
use rtc::rtp;
use rtc::rtp::header::EXTENSION_PROFILE_TWO_BYTE;
use rtc::rtp_transceiver::rtp_sender::RTCRtpSendParameters;
use subrosa::{Codec, SealError, Sealed, Sealer, TrackId};
use subrosa_rtp::extension::{DEPENDENCY_DESCRIPTOR_URI, ScalabilityMode, WriteError};
use subrosa_rtp::{
    Form, MediaFrame, MtuTooSmall, OutgoingError, OutgoingFrame, OutgoingPacket, OutgoingStream,
};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::rtp_transceiver::RtpSender;

use crate::codec::of_mime_type;
use crate::keyframes::{KeyframeRequests, SentStream};

/// How long the payloads of a [`FrameSender`] are at most, unless told otherwise: 1,100 bytes.
///
/// Of the 1,280 that IPv6 grants everywhere this leaves 180: 48 for IP and UDP, 12 of RTP header, 16 of SRTP, 2 of RTX, and 102 for
/// header extensions, of which the dependency descriptor of a keyframe may take 82.
pub const MTU_PAYLOAD: usize = 1_100;

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";

/// Seals the frames of one track, or of one simulcast layer, and writes them as RTP packets to webrtc-rs.
///
/// The track in webrtc-rs is a `TrackLocalStaticRTP`: a `TrackLocalStaticSample` would cut the frame by the rules of its codec, for
/// which it must be in clear. webrtc-rs keeps doing what it does with packets: reports, answers to NACK (see the README), congestion
/// feedback.
pub struct FrameSender {
    outgoing: OutgoingStream,
    track: Arc<dyn TrackLocal>,
    wire: Wire,
    sent: Arc<SentStream>,
}

/// What a [`FrameSender`] may be told beside its track.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendOptions {
    /// The most bytes in an RTP payload. Default: [`MTU_PAYLOAD`].
    pub mtu_payload: usize,
    /// Which simulcast layer this is, if there are several.
    pub layer: Option<SimulcastLayer>,
}

/// One of several simulcast layers of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulcastLayer {
    /// The RID of the layer, as in the encoding of the track.
    pub rid: String,
    /// The MID of the media section: `RtpTransceiver::mid`. With the RID it goes into the header extensions of each packet, if these
    /// were agreed on; webrtc-rs does not write them.
    pub mid: String,
}

/// Why a track cannot be sent. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Sender and receiver have not agreed yet: bind when offer and answer are exchanged.
    #[error("the track was not negotiated yet")]
    NotNegotiated,
    /// The other side does not take this codec, or it was not registered.
    #[error("{0:?} was not agreed on for this track")]
    CodecNotNegotiated(Codec),
    /// The sealer's track is sound and the codec pictures, or the other way round: receivers would refuse each frame (R16).
    #[error("{codec:?} on a track of kind {:?}", track.kind())]
    WrongKind {
        /// The sealer's track.
        track: TrackId,
        /// The codec.
        codec: Codec,
    },
    /// The track has no encoding with an SSRC for this codec and layer.
    #[error("the track has no such layer, or no SSRC for it")]
    NoEncoding,
    /// The track has several layers, and none was named.
    #[error("the track has several layers: say which")]
    SeveralLayers,
    /// The options are of no use.
    #[error(transparent)]
    Mtu(#[from] MtuTooSmall),
    /// The system has no random numbers.
    #[error("no random numbers")]
    Random,
    /// The connection is gone.
    #[error("the connection does not answer")]
    Stack(#[source] webrtc::error::Error),
}

/// Why a frame was not sent, or not all of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// It could not be sealed; nothing was sent. [`SealError::NotReady`] and [`SealError::Paused`] pass.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The frame does not fit the layers that the app said the stream has: its mistake. Or a keyframe is due, for which the sender
    /// [asks](FrameSender::take_keyframe_request) then: the encoder left a layer out for long.
    #[error(transparent)]
    Layer(#[from] WriteError),
    /// webrtc-rs did not take a packet: the track is not bound to a connection, or the connection is closed.
    #[error("the track is not connected")]
    Stack(#[source] webrtc::error::Error),
}

/// What is the same in the header of each packet.
#[derive(Debug)]
struct Wire {
    ssrc: u32,
    payload_type: u8,
    /// Extensions for each packet, by id.
    layer: Vec<(u8, Bytes)>,
    descriptor_id: Option<u8>,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self { mtu_payload: MTU_PAYLOAD, layer: None }
    }
}

impl SendOptions {
    /// Sets the most bytes in an RTP payload.
    #[must_use]
    pub fn mtu_payload(self, mtu_payload: usize) -> Self {
        Self { mtu_payload, ..self }
    }

    /// Sets the simulcast layer.
    #[must_use]
    pub fn layer(self, rid: impl Into<String>, mid: impl Into<String>) -> Self {
        Self { layer: Some(SimulcastLayer { rid: rid.into(), mid: mid.into() }), ..self }
    }
}

impl From<OutgoingError> for SendError {
    fn from(error: OutgoingError) -> Self {
        match error {
            OutgoingError::Seal(error) => Self::Seal(error),
            OutgoingError::Layer(error) => Self::Layer(error),
        }
    }
}

impl FrameSender {
    /// Seals with `sealer` what an encoder for `codec` makes, and sends it as the track of `sender`, with the default
    /// [`SendOptions`]. Comes after offer and answer, which settle payload type and header extensions; after a renegotiation that
    /// changes them, make a new one with a new sealer. It goes on with the sequence numbers of the old one.
    ///
    /// # Errors
    ///
    /// [`BindError`], if the track is not ready, or is another one than the sealer's.
    pub async fn new(
        sealer: Sealer,
        codec: Codec,
        sender: &Arc<dyn RtpSender>,
        requests: &KeyframeRequests,
    ) -> Result<Self, BindError> {
        Self::with_options(sealer, codec, sender, requests, SendOptions::default()).await
    }

    /// As [`new`](Self::new), with options. Of a track with simulcast layers each has a `FrameSender` with a sealer of its own.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub async fn with_options(
        sealer: Sealer,
        codec: Codec,
        sender: &Arc<dyn RtpSender>,
        requests: &KeyframeRequests,
        options: SendOptions,
    ) -> Result<Self, BindError> {
        let track = sealer.track();
        if track.kind().is_audio() != codec.is_audio() {
            return Err(BindError::WrongKind { track, codec });
        }
        if sender.transport().await.map_err(BindError::Stack)?.is_none() {
            return Err(BindError::NotNegotiated);
        }
        let parameters = sender.get_parameters().await.map_err(BindError::Stack)?;
        let wire = Wire::negotiated(&parameters, codec, options.layer.as_ref())?;
        let outgoing = OutgoingStream::new(sealer, codec, Form::Frame, options.mtu_payload)?;
        // RFC 3711 §3.3.1: a start in the lower half, so that early loss does not hide that the number wrapped.
        let first = (getrandom::u32().map_err(|_| BindError::Random)? & 0x7FFF) as u16;
        let sent = requests.stream(wire.ssrc, track, first);
        Ok(Self { outgoing, track: Arc::clone(sender.track()), wire, sent })
    }

    /// Describes each frame to servers by the dependency descriptor, so that they can find keyframes and drop layers: see
    /// [`OutgoingStream::with_layers`]. Goes out where the other side took the extension that [`configure`](crate::configure) offers.
    #[must_use]
    pub fn layers(mut self, mode: ScalabilityMode) -> Self {
        self.outgoing = self.outgoing.with_layers(mode);
        self
    }

    /// Seals one frame and gives its packets to webrtc-rs, waiting where its queue is full. Whoever drops the future before it is
    /// ready loses this frame, and no other.
    ///
    /// # Errors
    ///
    /// [`SendError`]. Nothing is ever sent in clear instead. That a packet was taken does not say that it was sent: webrtc-rs drops
    /// packets before the connection stands, and after.
    pub async fn send(&mut self, frame: &MediaFrame<'_>) -> Result<Sealed, SendError> {
        let outgoing = self.outgoing.send(frame).inspect_err(|error| {
            if error.is_keyframe_due() {
                self.sent.ask();
            }
        });
        let OutgoingFrame { sealed, timestamp, packets } = outgoing?;
        for packet in packets {
            let packet = self.wire.packet(packet, self.sent.next_sequence(), timestamp);
            self.track.write_rtp(packet).await.map_err(SendError::Stack)?;
        }
        Ok(sealed)
    }

    /// Notes that the call asks for a keyframe, if its `Event::KeyframeNeeded` has this track among its `tracks`: somebody was let in
    /// who can decode nothing before the next one. For all tracks at once, and from another task, there is
    /// [`KeyframeRequests::keyframe_needed`].
    pub fn keyframe_needed(&mut self, tracks: &[TrackId]) {
        if tracks.contains(&self.track()) {
            self.request_keyframe();
        }
    }

    /// Notes that a keyframe is wanted, for a reason of the app's.
    pub fn request_keyframe(&mut self) {
        self.sent.ask();
    }

    /// Returns whether the encoder's next frame should be a keyframe: once, however many asked.
    #[must_use]
    pub fn take_keyframe_request(&mut self) -> bool {
        self.sent.take()
    }

    /// Waits until somebody asks for a keyframe, and takes the request; for encoders that have nothing to do otherwise, such as that
    /// of a still screen. Whoever drops the future before it is ready loses no request.
    pub async fn keyframe_requested(&mut self) {
        self.sent.taken().await;
    }

    /// Returns the track, as receivers will see it.
    pub fn track(&self) -> TrackId {
        self.outgoing.track()
    }

    /// Returns the codec.
    pub fn codec(&self) -> Codec {
        self.outgoing.codec()
    }

    /// Returns the SSRC of the packets.
    pub fn ssrc(&self) -> u32 {
        self.wire.ssrc
    }
}

impl fmt::Debug for FrameSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameSender")
            .field("outgoing", &self.outgoing)
            .field("wire", &self.wire)
            .finish_non_exhaustive()
    }
}

impl Wire {
    fn negotiated(
        parameters: &RTCRtpSendParameters,
        codec: Codec,
        layer: Option<&SimulcastLayer>,
    ) -> Result<Self, BindError> {
        let codecs = &parameters.rtp_parameters.codecs;
        let agreed = codecs.iter().find(|agreed| of_mime_type(&agreed.rtp_codec.mime_type) == Some(codec));
        let payload_type = agreed.ok_or(BindError::CodecNotNegotiated(codec))?.payload_type;

        let encodings = parameters.encodings.iter().filter(|encoding| {
            let mime_type = &encoding.codec.mime_type;
            let is_codec = mime_type.is_empty() || of_mime_type(mime_type) == Some(codec);
            is_codec && layer.is_none_or(|layer| encoding.rtp_coding_parameters.rid == layer.rid)
        });
        let mut ssrcs: Vec<u32> =
            encodings.filter_map(|encoding| encoding.rtp_coding_parameters.ssrc).collect();
        ssrcs.dedup(); // an SSRC may be there once for each codec
        let ssrc = match ssrcs[..] {
            [] => return Err(BindError::NoEncoding),
            [ssrc] => ssrc,
            _ => return Err(BindError::SeveralLayers),
        };

        let id_of = |uri| {
            let extensions = &parameters.rtp_parameters.header_extensions;
            let found = extensions.iter().find(|extension| extension.uri == uri)?;
            u8::try_from(found.id).ok().filter(|id| *id != 0) // RFC 8285 §4.2: 0 is padding
        };
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let layer = layer.into_iter().flat_map(|layer| [(MID, &layer.mid), (RID, &layer.rid)]);
        let layer = layer.filter(|(_, value)| !value.is_empty());
        let layer = layer.filter_map(|(uri, value)| Some((id_of(uri)?, bytes(value)))).collect();
        Ok(Self { ssrc, payload_type, layer, descriptor_id: id_of(DEPENDENCY_DESCRIPTOR_URI) })
    }

    fn packet(&self, packet: OutgoingPacket, sequence: u16, timestamp: u32) -> rtp::Packet {
        let mut header = rtp::Header {
            version: 2, // the default is 0, and such packets vanish at the receiver
            marker: packet.marker,
            payload_type: self.payload_type,
            sequence_number: sequence,
            timestamp,
            ssrc: self.ssrc,
            ..rtp::Header::default()
        };
        let extensions = || self.descriptor_id.zip(packet.descriptor.as_ref()).into_iter();
        let extensions = || extensions().chain(self.layer.iter().map(|(id, value)| (*id, value)));
        // RFC 8285 §4.2: what the one-byte form holds. webrtc-rs takes it for all that is short, and writes other ids into it.
        if extensions().any(|(id, value)| id > 14 || value.len() > 16) {
            (header.extension, header.extension_profile) = (true, EXTENSION_PROFILE_TWO_BYTE);
        }
        for (id, value) in extensions() {
            // What does not fit is a hint to servers; the frame goes without it.
            let _ = header.set_extension(id, value.clone());
        }
        rtp::Packet { header, payload: packet.payload }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rtc::rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodecParameters, RTCRtpEncodingParameters, RTCRtpHeaderExtensionParameters,
    };
    use rtc::shared::marshal::{Marshal, Unmarshal};
    use subrosa::TrackKind;
    use subrosa_testkit::table::Table;

    use super::*;

    fn codec(payload_type: u8, mime_type: &str) -> RTCRtpCodecParameters {
        let rtp_codec = RTCRtpCodec { mime_type: mime_type.to_owned(), ..RTCRtpCodec::default() };
        RTCRtpCodecParameters { rtp_codec, payload_type }
    }

    fn encoding(ssrc: u32, rid: &str, mime_type: &str) -> RTCRtpEncodingParameters {
        let mut encoding = RTCRtpEncodingParameters::default();
        encoding.rtp_coding_parameters.ssrc = Some(ssrc);
        encoding.rtp_coding_parameters.rid = rid.to_owned();
        encoding.codec.mime_type = mime_type.to_owned();
        encoding
    }

    fn extension(id: u16, uri: &str) -> RTCRtpHeaderExtensionParameters {
        RTCRtpHeaderExtensionParameters { uri: uri.to_owned(), id, ..Default::default() }
    }

    fn parameters(encodings: Vec<RTCRtpEncodingParameters>) -> RTCRtpSendParameters {
        let mut parameters = RTCRtpSendParameters { encodings, ..RTCRtpSendParameters::default() };
        parameters.rtp_parameters.codecs = vec![
            codec(97, "video/rtx"),
            codec(96, "video/VP8"),
            codec(98, "video/VP9"),
            codec(111, "audio/opus"),
        ];
        parameters.rtp_parameters.header_extensions =
            vec![extension(3, MID), extension(5, RID), extension(9, DEPENDENCY_DESCRIPTOR_URI)];
        parameters
    }

    /// Frames of Ann's camera as packets of payload type 96.
    pub(crate) struct Camera {
        stream: OutgoingStream,
        wire: Wire,
        sent: Arc<SentStream>,
    }

    impl Camera {
        pub(crate) fn of(table: &Table) -> Self {
            let wire = Wire::negotiated(&parameters(vec![encoding(7, "", "")]), Codec::Vp8, None);
            let sealer = table.sealer("Ann", TrackKind::Camera);
            let stream = OutgoingStream::new(sealer, Codec::Vp8, Form::Frame, 1_200).expect("an MTU");
            let requests = KeyframeRequests::new();
            let sent = requests.stream(7, stream.track(), u16::MAX);
            Self { stream, wire: wire.expect("negotiated"), sent }
        }

        pub(crate) fn send(&mut self, data: &[u8], timestamp: u32) -> Vec<rtp::Packet> {
            let outgoing = self.stream.send(&MediaFrame::new(data, timestamp)).expect("sealed");
            let numbered = outgoing.packets.map(|packet| (packet, self.sent.next_sequence()));
            numbered.map(|(packet, number)| self.wire.packet(packet, number, timestamp)).collect()
        }
    }

    fn plain(payload: &'static [u8], descriptor: Option<Bytes>) -> OutgoingPacket {
        OutgoingPacket { payload: Bytes::from_static(payload), marker: true, descriptor }
    }

    #[test]
    fn packets_survive_the_wire() {
        let one = parameters(vec![encoding(7, "", "video/VP8"), encoding(7, "", "video/VP9")]);
        let wire = Wire::negotiated(&one, Codec::Vp8, None).expect("negotiated");
        let sent = wire.packet(plain(b"sealed", None), u16::MAX, 90_000);
        let read = rtp::Packet::unmarshal(&mut sent.marshal().expect("marshals")).expect("unmarshals");
        assert_eq!(read, sent);
        let header = &read.header;
        assert_eq!((header.version, header.ssrc, header.payload_type, header.marker), (2, 7, 96, true));
        assert_eq!((header.timestamp, header.sequence_number), (90_000, u16::MAX));
        assert_eq!(header.extensions, []);
    }

    #[test]
    fn layers_are_named_on_each_packet_beside_a_long_descriptor() {
        let layers = parameters(vec![encoding(7, "lo", ""), encoding(8, "hi", "")]);
        let layer = SimulcastLayer { rid: "hi".to_owned(), mid: "0".to_owned() };
        let wire = Wire::negotiated(&layers, Codec::Vp9, Some(&layer)).expect("negotiated");
        let sent = wire.packet(plain(b"sealed", Some(Bytes::from(vec![4; 40]))), 1, 0);
        let read = rtp::Packet::unmarshal(&mut sent.marshal().expect("marshals")).expect("unmarshals");
        assert_eq!((read.header.ssrc, read.header.payload_type), (8, 98));
        let value = |id| read.header.get_extension(id).map(Vec::from);
        assert_eq!(value(9), Some(vec![4; 40]));
        assert_eq!([value(3), value(5)], [Some(b"0".to_vec()), Some(b"hi".to_vec())]);
        assert_eq!(&read.payload[..], b"sealed");
    }

    #[test]
    fn whatever_ids_the_other_side_chose_extensions_arrive_under_these() {
        let mut chosen = parameters(vec![encoding(7, "hi", "")]);
        let layer = SimulcastLayer { rid: "hi".to_owned(), mid: "0".to_owned() };
        for (mid, rid, descriptor) in [(3, 5, 20), (17, 255, 2), (15, 1, 14), (1, 16, 15)] {
            chosen.rtp_parameters.header_extensions = vec![
                extension(mid.into(), MID),
                extension(rid.into(), RID),
                extension(descriptor.into(), DEPENDENCY_DESCRIPTOR_URI),
            ];
            let wire = Wire::negotiated(&chosen, Codec::Vp8, Some(&layer)).expect("negotiated");
            for len in [3, 40] {
                let sent = wire.packet(plain(b"sealed", Some(Bytes::from(vec![4; len]))), 1, 0);
                let marshalled = sent.marshal().expect("marshals");
                let read = rtp::Packet::unmarshal(&mut &marshalled[..]).expect("unmarshals");
                let value = |id| read.header.get_extension(id).map(Vec::from);
                assert_eq!(value(descriptor), Some(vec![4; len]), "{descriptor}");
                assert_eq!([value(mid), value(rid)], [Some(b"0".to_vec()), Some(b"hi".to_vec())]);
                assert_eq!(&read.payload[..], b"sealed");
            }
        }
    }

    #[test]
    fn extensions_that_cannot_be_written_are_left_out() {
        let mut chosen = parameters(vec![encoding(7, "", "")]);
        chosen.rtp_parameters.header_extensions =
            vec![extension(3, MID), extension(0, RID), extension(256, DEPENDENCY_DESCRIPTOR_URI)];
        let layer = SimulcastLayer { rid: String::new(), mid: String::new() };
        let wire = Wire::negotiated(&chosen, Codec::Vp8, Some(&layer)).expect("negotiated");
        let sent = wire.packet(plain(b"sealed", Some(Bytes::from_static(&[4; 3]))), 1, 0);
        let read = rtp::Packet::unmarshal(&mut sent.marshal().expect("marshals")).expect("unmarshals");
        assert_eq!((read.header.extensions.len(), &read.payload[..]), (0, &b"sealed"[..]));
    }

    #[test]
    fn what_was_not_negotiated_is_not_bound() {
        let layers = parameters(vec![encoding(7, "lo", ""), encoding(8, "hi", "")]);
        let layer = |rid: &str| Some(SimulcastLayer { rid: rid.to_owned(), mid: "0".to_owned() });
        let bind =
            |codec, layer: Option<SimulcastLayer>| Wire::negotiated(&layers, codec, layer.as_ref()).map(drop);
        assert!(matches!(bind(Codec::Av1, layer("hi")), Err(BindError::CodecNotNegotiated(Codec::Av1))));
        assert!(matches!(bind(Codec::Vp8, None), Err(BindError::SeveralLayers)));
        assert!(matches!(bind(Codec::Vp8, layer("mid")), Err(BindError::NoEncoding)));
        assert!(bind(Codec::Vp8, layer("lo")).is_ok());
    }
}
