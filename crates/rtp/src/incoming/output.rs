//! What comes out of a connection.

use core::fmt;

use bytes::BytesMut;
use subrosa::{Codec, FrameError, Opened};

use crate::descriptor::Form;
use crate::reassembly::{Loss, PushError};

/// What [`IncomingStreams::poll`](super::IncomingStreams::poll) returns.
#[derive(Debug)]
#[must_use]
pub enum Received {
    /// An authentic frame.
    Frame(ReceivedFrame),
    /// Something of a stream is missing for good. Whose frames that were is not known; of video, ask for a keyframe. Whole frames
    /// behind it still come, whether or not a decoder can use them before that.
    Lost {
        /// The stream.
        ssrc: u32,
        /// What is known of the loss.
        loss: Loss,
    },
    /// A frame came whole and was refused. Networks make replays of some; of many, say so: the call's diagnostics count them.
    Refused {
        /// The stream in which it came.
        ssrc: u32,
        /// Why.
        refusal: Refusal,
    },
}

/// A frame as its sender's encoder made it.
pub struct ReceivedFrame {
    /// Who sealed it, and on which of his tracks: authenticated. Route by this.
    pub from: Opened,
    /// The codec: authenticated.
    pub codec: Codec,
    /// Whether `data` is a whole frame, or an RTP payload for the codec's depacketizer: authenticated.
    pub form: Form,
    /// The stream in which it came: for feedback to the server (PLI), and nothing else.
    pub ssrc: u32,
    /// The RTP timestamp, in units of the media clock, as the last server said it.
    pub timestamp: u32,
    /// The RTP marker bit of its last packet, as the last server said it.
    pub marker: bool,
    /// The media.
    pub data: BytesMut,
}

/// Why a whole frame was not delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It did not open.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It is authentic, but sound on a picture's track or the other way round (R16).
    #[error("{codec:?} on a track of kind {:?}", from.track.kind())]
    WrongKind {
        /// Who sealed it, and on which track.
        from: Opened,
        /// The codec of its payload type.
        codec: Codec,
    },
}

/// Why a packet was not taken. Each is an ordinary event of a network, or a server's doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IncomingError {
    /// Its stream had no use for it.
    #[error(transparent)]
    Packet(#[from] PushError),
    /// Nobody said what this payload type carries.
    #[error("payload type {0} was not agreed on")]
    UnknownPayloadType(u8),
    /// There are as many streams as there may be, and all are in use.
    #[error("too many streams")]
    TooManyStreams,
    /// As much waits in all streams together as may.
    #[error("too much waits in all streams together")]
    TooManyBytes,
}

impl fmt::Debug for ReceivedFrame {
    /// Without the payload: media stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedFrame")
            .field("from", &self.from)
            .field("codec", &self.codec)
            .field("form", &self.form)
            .field("ssrc", &self.ssrc)
            .field("timestamp", &self.timestamp)
            .field("marker", &self.marker)
            .field("len", &self.data.len())
            .finish()
    }
}
