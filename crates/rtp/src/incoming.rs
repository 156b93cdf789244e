//! Receiving a connection's media: the packets of all its RTP streams become opened frames.

mod output;
mod streams;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use subrosa::{Codec, FrameError, HeldId, Metadata, Opened, Opener, Opening};

pub use self::output::{IncomingError, Received, ReceivedFrame, Refusal};
pub use self::streams::ConnectionLimits;
use self::streams::Streams;
use crate::descriptor::Form;
use crate::reassembly::{Assembled, RtpPayload, SealedFrame, Stats};

/// What a payload type carries, as it was agreed on for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadFormat {
    /// The sealed media's codec. A frame of another does not open.
    pub codec: Codec,
    /// What was sealed: whole frames, or payloads of the codec's packetizer.
    pub form: Form,
}

/// Reassembles and opens what comes over one connection, from however many participants: what an adapter to an RTP stack puts
/// behind that stack.
///
/// # The contract
///
/// Every input, [`push`](Self::push) or [`handle_timeout`](Self::handle_timeout), is followed by calling [`poll`](Self::poll)
/// until it returns `None`; [`next_timeout`](Self::next_timeout) says when to call `handle_timeout` if no packet comes before.
/// After `Event::EpochOpened` of the call, poll as well: frames that overtook their key come out then.
/// Time is a [`Duration`] since an origin of the caller's choice.
///
/// # What can be relied on
///
/// * A frame comes out if it is authentic, whole, and the first with its number. What it says of its sender and track is
///   authenticated (R16); SSRC, timestamp and marker are what the last server said.
/// * The frames of a stream come in its order, losses in their place among them. Only frames that waited for their key may come behind
///   later ones: within a track and epoch [`Opened::counter`] tells.
/// * Nothing is delivered that was not sealed: there is no cleartext path, whatever the server or its SDP says.
/// * Codec and form are pinned to the payload type by [`set_format`](Self::set_format), and authenticated with each frame.
/// * A frame whose track is of another kind than its codec (sound on a camera track) is refused.
/// * What is kept is bounded by [`ConnectionLimits`], however many SSRCs a server makes up.
#[derive(Debug)]
pub struct IncomingStreams {
    opener: Opener,
    formats: BTreeMap<u8, PayloadFormat>,
    streams: Streams,
    /// What is known of the frames that wait for their epoch. The opener gives each back, so this is as bounded as that.
    held: BTreeMap<HeldId, Origin>,
    /// SSRCs whose reassemblers may have something, each at most once.
    ready: VecDeque<u32>,
}

/// What is known of a frame beside its payload.
#[derive(Debug, Clone, Copy)]
struct Origin {
    ssrc: u32,
    format: PayloadFormat,
    timestamp: u32,
    marker: bool,
}

impl IncomingStreams {
    /// Receives with an opener of the call.
    pub fn new(opener: Opener, limits: ConnectionLimits) -> Self {
        Self {
            opener,
            formats: BTreeMap::new(),
            streams: Streams::new(limits),
            held: BTreeMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// Says what a payload type carries. Payload types without a format are refused.
    pub fn set_format(&mut self, payload_type: u8, format: PayloadFormat) {
        self.formats.insert(payload_type, format);
    }

    /// Returns what a payload type carries.
    pub fn format(&self, payload_type: u8) -> Option<PayloadFormat> {
        self.formats.get(&payload_type).copied()
    }

    /// Takes a packet of the stream `ssrc` that came at `now`. RTX and FEC are undone before.
    ///
    /// # Errors
    ///
    /// [`IncomingError`] if the packet was of no use; what came before is as it was, so a caller may ignore it.
    pub fn push(&mut self, ssrc: u32, packet: RtpPayload, now: Duration) -> Result<(), IncomingError> {
        let format = self.format(packet.payload_type);
        let format = format.ok_or(IncomingError::UnknownPayloadType(packet.payload_type))?;
        self.streams.push(ssrc, format.form, packet, now)?;
        if !self.ready.contains(&ssrc) {
            self.ready.push_back(ssrc);
        }
        Ok(())
    }

    /// Gives up what was waited for long enough at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        for ssrc in self.streams.handle_timeout(now) {
            if !self.ready.contains(&ssrc) {
                self.ready.push_back(ssrc);
            }
        }
    }

    /// Returns the next frame, loss or refusal, or `None` if there is nothing to do but wait.
    pub fn poll(&mut self) -> Option<Received> {
        // Before newer frames of the same tracks.
        while let Some(released) = self.opener.released() {
            if let Some(origin) = self.held.remove(&released.id) {
                return Some(origin.judge(released.outcome, released.payload));
            }
        }
        while let Some(&ssrc) = self.ready.front() {
            match self.streams.poll(ssrc) {
                None => drop(self.ready.pop_front()),
                Some(Assembled::Lost(loss)) => return Some(Received::Lost { ssrc, loss }),
                Some(Assembled::Frame(frame)) => {
                    if let Some(received) = self.open(ssrc, frame) {
                        return Some(received);
                    }
                }
            }
        }
        None
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout), or `None` if nothing is waited for.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.streams.next_timeout()
    }

    /// Returns the counters of a stream's reassembly, as long as the stream is known.
    pub fn stats(&self, ssrc: u32) -> Option<Stats> {
        self.streams.stats(ssrc)
    }

    /// Returns how many bytes of sealed packets are kept.
    pub fn buffered_bytes(&self) -> usize {
        self.streams.buffered_bytes()
    }

    /// Returns how many frames wait for an epoch that is not reached yet.
    pub fn held_frames(&self) -> usize {
        self.held.len()
    }

    fn open(&mut self, ssrc: u32, frame: SealedFrame) -> Option<Received> {
        // The format may have been changed since the packets came; the form cannot have been, for the stream is pinned to it.
        let format = self.format(frame.payload_type)?;
        let format = PayloadFormat { form: frame.form, ..format };
        let origin = Origin { ssrc, format, timestamp: frame.timestamp, marker: frame.marker };
        let metadata = match format.form {
            Form::Frame => Metadata::frame(format.codec),
            Form::Packet => Metadata::packet(format.codec),
        };
        let mut data = frame.data;
        match self.opener.open(metadata, &mut data) {
            Ok(Opening::Opened(from)) => Some(origin.judge(Ok(from), data)),
            Ok(Opening::Held(id)) => {
                self.held.insert(id, origin);
                None
            }
            Err(error) => Some(origin.judge(Err(error), data)),
        }
    }
}

impl Origin {
    fn judge(self, outcome: Result<Opened, FrameError>, data: BytesMut) -> Received {
        let Self { ssrc, format, timestamp, marker } = self;
        match outcome {
            // R16: receivers drop what does not match.
            Ok(from) if from.track.kind().is_audio() != format.codec.is_audio() => {
                Received::Refused { ssrc, refusal: Refusal::WrongKind { from, codec: format.codec } }
            }
            Ok(from) => Received::Frame(ReceivedFrame {
                from,
                codec: format.codec,
                form: format.form,
                ssrc,
                timestamp,
                marker,
                data,
            }),
            Err(error) => Received::Refused { ssrc, refusal: Refusal::Frame(error) },
        }
    }
}
