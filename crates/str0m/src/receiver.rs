//! Receiving a connection.

use std::time::{Duration, Instant};

use bytes::Bytes;
use str0m::media::KeyframeRequestKind;
use str0m::rtp::{RtpPacket, Ssrc};
use str0m::{Event, Rtc};
use subrosa::Opener;
use subrosa_rtp::{
    ConnectionLimits, Form, IncomingError, IncomingStreams, PayloadFormat, Received, RtpPayload,
};

use crate::codec;

/// Opens what comes over one `Rtc`, from however many participants.
///
/// Every input, [`handle_event`](Self::handle_event) or [`handle_timeout`](Self::handle_timeout), is followed by calling
/// [`poll`](Self::poll) until it returns `None`; [`next_timeout`](Self::next_timeout) says when to call `handle_timeout` if no packet
/// comes before. After `Event::EpochOpened` of the call, poll as well: frames that overtook their key come out then.
///
/// A frame comes out if it is authentic, whole, and the first with its number; [`IncomingStreams`] says what else can be relied on.
#[derive(Debug)]
pub struct FrameReceiver {
    incoming: IncomingStreams,
    start: Instant,
}

/// Why a packet was not taken; what came before is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The app's mistake: the `Rtc` is in frame mode, where str0m has already taken the ciphertext for media. See
    /// [`configure`](crate::configure).
    #[error("the connection is not in rtp mode")]
    NotRtpMode,
    /// An ordinary event of a network, or a server's doing: an app may ignore it.
    #[error(transparent)]
    Packet(#[from] IncomingError),
}

/// The `Rtc` does not receive such a stream, or not any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no stream {0} is received")]
pub struct NoSuchStream(pub u32);

impl FrameReceiver {
    /// Receives with an opener of the call. `start` is a moment no later than any that is told, such as that of the `Rtc`.
    pub fn new(opener: Opener, start: Instant) -> Self {
        Self::with_limits(opener, start, ConnectionLimits::default())
    }

    /// As [`new`](Self::new), keeping and waiting for as much as these limits say.
    pub fn with_limits(opener: Opener, start: Instant, limits: ConnectionLimits) -> Self {
        Self { incoming: IncomingStreams::new(opener, limits), start }
    }

    /// Takes a packet out of an event of `rtc`; other events are not for it.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`] if the packet was of no use. Most errors are ordinary, such as a copy of what came before.
    pub fn handle_event(&mut self, rtc: &Rtc, event: &Event, now: Instant) -> Result<(), ReceiveError> {
        match event {
            Event::RtpPacket(packet) => Ok(self.handle_rtp(rtc, packet, now)?),
            Event::MediaData(_) => Err(ReceiveError::NotRtpMode),
            _ => Ok(()),
        }
    }

    /// Takes a packet that came out of `rtc`: for apps that look at `Event::RtpPacket` themselves.
    ///
    /// # Errors
    ///
    /// [`IncomingError`] if the packet was of no use.
    pub fn handle_rtp(&mut self, rtc: &Rtc, packet: &RtpPacket, now: Instant) -> Result<(), IncomingError> {
        let header = &packet.header;
        let payload_type = *header.payload_type;
        // Each time anew: what was negotiated str0m keeps, whatever a server says later; what was not, it gives out all the same, and
        // may still move to make room for what is. Who sends such a packet must not have the wrong codec remembered.
        let codec = codec::of_payload_type(rtc, header.payload_type);
        let codec = codec.ok_or(IncomingError::UnknownPayloadType(payload_type))?;
        self.incoming.set_format(payload_type, PayloadFormat { codec, form: Form::Frame });
        // str0m has undone RTX, so SSRC and sequence number are those of the stream that was repaired, and taken padding off.
        let received = RtpPayload {
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            payload_type,
            marker: header.marker,
            payload: Bytes::from_owner(packet.payload.clone()), // shared, not copied
        };
        self.incoming.push(*header.ssrc, received, self.since_start(now))
    }

    /// Gives up what was waited for long enough at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.incoming.handle_timeout(self.since_start(now));
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout), or `None` if nothing is waited for.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.incoming.next_timeout().and_then(|at| self.start.checked_add(at))
    }

    /// Returns the next frame, loss or refusal, or `None` if there is nothing to do but wait.
    pub fn poll(&mut self) -> Option<Received> {
        self.incoming.poll()
    }

    /// Asks the sender of a stream, or the server in between, for a keyframe (a PLI): after `Received::Lost` of video. str0m sends
    /// it when it is next polled with the time.
    ///
    /// # Errors
    ///
    /// [`NoSuchStream`] if `rtc` does not receive `ssrc`.
    pub fn request_keyframe(&self, rtc: &mut Rtc, ssrc: u32) -> Result<(), NoSuchStream> {
        let mut direct = rtc.direct_api();
        let stream = direct.stream_rx(&Ssrc::from(ssrc)).ok_or(NoSuchStream(ssrc))?;
        stream.request_keyframe(KeyframeRequestKind::Pli);
        Ok(())
    }

    /// Returns what is received, for its counters.
    pub fn streams(&self) -> &IncomingStreams {
        &self.incoming
    }

    fn since_start(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }
}
