//! Sending a track.

use std::time::Instant;

use str0m::media::{KeyframeRequest, Mid, Pt, Rid};
use str0m::rtp::{ExtensionValues, RtpWrite, SeqNo, Ssrc};
use str0m::{Event, Rtc};
use subrosa::{Codec, SealError, Sealed, Sealer, TrackId};
use subrosa_rtp::extension::{ScalabilityMode, WriteError};
use subrosa_rtp::{Form, MediaFrame, MtuTooSmall, OutgoingError, OutgoingFrame, OutgoingStream};

use crate::codec;
use crate::extension::DependencyDescriptor;

/// How long the payloads of a [`FrameSender`] are at most, unless told otherwise: 1,070 bytes.
///
/// str0m aims at datagrams of 1,150 bytes (`DATAGRAM_MTU_TARGET`), and what it adds is 80 at most: 12 of RTP header, extensions with
/// MID and RID, 16 of SRTP, 2 of RTX. The dependency descriptor of a keyframe comes on top, up to 82 bytes of which still fit the
/// 1,280 that IPv6 grants everywhere.
pub const MTU_PAYLOAD: usize = 1_070;

/// str0m has 2,000 bytes for a packet (`DATAGRAM_MAX_PACKET_SIZE`) and panics where it has more. This leaves room for a descriptor of
/// 255 bytes and all that [`MTU_PAYLOAD`] is about.
const MOST_PAYLOAD: usize = 1_500;

/// RFC 3711 §3.3.1: a receiver's rollover counter begins at 0, so the first sequence number has to be below 65,536.
const FIRST: u64 = 1;

/// Seals the frames of one track and writes them to str0m: one stream of an `Rtc`, which is a mid, and with simulcast a rid.
///
/// Simulcast layers are tracks of their own: each has a sender with a sealer of its own.
///
/// There is no way to send anything in clear: while nothing may be sealed, or there is no connection, nothing is sent, and the error
/// says why.
#[derive(Debug)]
pub struct FrameSender {
    outgoing: OutgoingStream,
    mid: Mid,
    rid: Option<Rid>,
    next: SeqNo,
    /// The stream that `next` is of, since something was sent.
    ssrc: Option<Ssrc>,
    /// Where streams stopped that were left by `reset_stream_tx`.
    left: Vec<(Ssrc, SeqNo)>,
    keyframe_wanted: bool,
}

/// Why a frame was not sent. Nothing of it was, and the next one may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// ICE and DTLS are not through, or not any more. Passes: what is encoded meanwhile is for nobody.
    #[error("the connection is not up")]
    NotConnected,
    /// The app's mistake, or its SDP is not through: the `Rtc` has no such media.
    #[error("there is no media {0}")]
    NoMedia(Mid),
    /// The other side does not receive it: it was negotiated as `recvonly` or `inactive`, here or there.
    #[error("media {0} was not negotiated to be sent")]
    NotSending(Mid),
    /// The app's mistake: sound for a media with pictures, or the other way round.
    #[error("{codec:?} on media {mid} of another kind")]
    WrongKind {
        /// The media.
        mid: Mid,
        /// The sender's codec.
        codec: Codec,
    },
    /// The other side's doing, or the app's that did not enable it in its `RtcConfig`: no payload type was agreed on.
    #[error("{codec:?} was not negotiated for media {mid}")]
    CodecNotNegotiated {
        /// The media.
        mid: Mid,
        /// The sender's codec.
        codec: Codec,
    },
    /// The app's mistake, or the other side did not take this layer: the media has no stream with this rid, or has rids and the sender
    /// none.
    #[error("media {mid} has no stream to send with {}", match rid { Some(rid) => format!("rid {rid}"), None => "no rid".into() })]
    NoStream {
        /// The media.
        mid: Mid,
        /// The sender's simulcast layer.
        rid: Option<Rid>,
    },
    /// The call does not seal now; see there which pass.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The frame does not fit the layers that the app said the stream has: its mistake. Or a keyframe is due, for which the sender
    /// [asks](FrameSender::take_keyframe_request) then: the encoder left a layer out for long.
    #[error(transparent)]
    Layer(#[from] WriteError),
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
    /// Sends on `mid` what `sealer` seals of an encoder for `codec`.
    pub fn new(sealer: Sealer, codec: Codec, mid: Mid) -> Self {
        Self::with_mtu_payload(sealer, codec, mid, MTU_PAYLOAD).expect("more than a byte")
    }

    /// As [`new`](Self::new), with payloads of at most `mtu_payload` bytes instead of [`MTU_PAYLOAD`]: 80 below what was told
    /// `RtcConfig::set_mtu`, and less if servers add something. Never are they longer than 1,500, more than which str0m cannot send.
    ///
    /// # Errors
    ///
    /// [`MtuTooSmall`] if a payload could not hold one byte beside its descriptor.
    pub fn with_mtu_payload(
        sealer: Sealer,
        codec: Codec,
        mid: Mid,
        mtu_payload: usize,
    ) -> Result<Self, MtuTooSmall> {
        Ok(Self {
            outgoing: OutgoingStream::new(sealer, codec, Form::Frame, mtu_payload.min(MOST_PAYLOAD))?,
            mid,
            rid: None,
            next: FIRST.into(),
            ssrc: None,
            left: Vec::new(),
            keyframe_wanted: false,
        })
    }

    /// Makes it the sender of one simulcast layer.
    #[must_use]
    pub fn rid(self, rid: Rid) -> Self {
        Self { rid: Some(rid), ..self }
    }

    /// Describes each frame to servers by the dependency descriptor, so that they can find keyframes and drop layers: see
    /// [`OutgoingStream::with_layers`]. Goes out where the other side took the extension that [`configure`](crate::configure) offers.
    #[must_use]
    pub fn layers(mut self, mode: ScalabilityMode) -> Self {
        self.outgoing = self.outgoing.with_layers(mode);
        self
    }

    /// Goes on where another sender of the same stream stopped, at its [`next_seq_no`](Self::next_seq_no): after the call was joined
    /// anew, or with another codec.
    ///
    /// A stream must never see a sequence number twice: with it SRTP would encrypt under the same nonce twice (RFC 3711 §9.1), and
    /// the other side drops what it takes for a replay.
    #[must_use]
    pub fn resume_at(self, next: SeqNo) -> Self {
        Self { next, ..self }
    }

    /// Returns the sequence number of the next packet.
    pub fn next_seq_no(&self) -> SeqNo {
        self.next
    }

    /// Seals a frame and writes its packets to str0m, which sends them when it is next polled with the time.
    ///
    /// # Errors
    ///
    /// [`SendError`] if nothing of the frame is sent. It is only sealed once all else is in order.
    pub fn send(&mut self, rtc: &mut Rtc, frame: &MediaFrame<'_>, now: Instant) -> Result<Sealed, SendError> {
        let pt = self.payload_type(rtc)?;
        let (mid, rid) = (self.mid, self.rid);
        let mut direct = rtc.direct_api();
        // To str0m no rid is any rid: without a look at the stream's, a sender without one would send into some layer.
        let stream = direct.stream_tx_by_mid(mid, rid).filter(|stream| stream.rid() == rid);
        let stream = stream.ok_or(SendError::NoStream { mid, rid })?;
        let outgoing = self.outgoing.send(frame);
        let outgoing = outgoing.inspect_err(|error| self.keyframe_wanted |= error.is_keyframe_due());
        let OutgoingFrame { sealed, timestamp, packets } = outgoing?;
        if let Some(ssrc) = self.ssrc.replace(stream.ssrc()).filter(|ssrc| *ssrc != stream.ssrc()) {
            self.left.push((ssrc, self.next));
            let known = self.left.iter().rev().find(|(ssrc, _)| *ssrc == stream.ssrc());
            self.next = known.map_or(FIRST.into(), |(_, next)| *next);
        }
        // str0m panics at a NACK for a stream without RTX whose payload type has it (sound that it offered itself).
        let is_repaired = stream.rtx().is_some();
        for packet in packets {
            let mut extensions = ExtensionValues::default();
            if let Some(descriptor) = packet.descriptor {
                DependencyDescriptor(descriptor).set(&mut extensions);
            }
            let write = RtpWrite::new(pt, self.next.inc(), timestamp, now, &*packet.payload);
            stream.write_rtp(write.marker(packet.marker).ext_vals(extensions).nackable(is_repaired));
        }
        Ok(sealed)
    }

    /// Notes a keyframe request (PLI or FIR) for this stream; other events are not for it.
    pub fn handle_event(&mut self, event: &Event) {
        if let Event::KeyframeRequest(KeyframeRequest { mid, rid, .. }) = event {
            self.keyframe_wanted |= (*mid, *rid) == (self.mid, self.rid);
        }
    }

    /// Notes that the call asks for a keyframe, if its `Event::KeyframeNeeded` has this track among its `tracks`: somebody was let
    /// in who can decode nothing before the next one.
    pub fn keyframe_needed(&mut self, tracks: &[TrackId]) {
        self.keyframe_wanted |= tracks.contains(&self.track());
    }

    /// Notes that a keyframe is wanted, for a reason of the app's.
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Returns whether the encoder's next frame should be a keyframe: once, however many asked.
    pub fn take_keyframe_request(&mut self) -> bool {
        core::mem::take(&mut self.keyframe_wanted)
    }

    /// Returns the track, as receivers will see it.
    pub fn track(&self) -> TrackId {
        self.outgoing.track()
    }

    /// Returns the codec.
    pub fn codec(&self) -> Codec {
        self.outgoing.codec()
    }

    fn payload_type(&self, rtc: &Rtc) -> Result<Pt, SendError> {
        let (mid, codec) = (self.mid, self.outgoing.codec());
        let media = rtc.media(mid).ok_or(SendError::NoMedia(mid))?;
        if media.kind().is_audio() != codec.is_audio() {
            return Err(SendError::WrongKind { mid, codec });
        }
        if !rtc.is_connected() {
            return Err(SendError::NotConnected);
        }
        if !media.direction().is_sending() {
            return Err(SendError::NotSending(mid));
        }
        codec::payload_type(rtc, media, codec).ok_or(SendError::CodecNotNegotiated { mid, codec })
    }
}
