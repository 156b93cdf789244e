//! What comes out of a reassembler.

use core::fmt;

use bytes::BytesMut;

use crate::descriptor::Form;

/// What [`Reassembler::poll`](crate::Reassembler::poll) returns, in the order of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembled {
    /// A complete sealed frame, each fragment in its place.
    Frame(SealedFrame),
    /// Between the frame before and the frame after, something is missing for good.
    Lost(Loss),
}

/// A sealed frame as it was packetized, if nobody on the way changed it: opening it will tell.
///
/// Nothing but `data` is authenticated; media servers rewrite the rest.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedFrame {
    /// The RTP timestamp of all its packets.
    pub timestamp: u32,
    /// The RTP payload type of all its packets.
    pub payload_type: u8,
    /// The marker bit of its last packet.
    pub marker: bool,
    /// What was sealed: a media frame, or one RTP payload to hand to the codec's depacketizer.
    pub form: Form,
    /// The extended sequence number of its first packet: the RTP sequence number in the low 16 bits, and a count
    /// of wraps above. It only ever grows; where the count starts means nothing.
    pub first_sequence: u64,
    /// The extended sequence number of its last packet.
    pub last_sequence: u64,
    /// The SFrame ciphertext, in a buffer of its own that can be opened in place.
    pub data: BytesMut,
}

/// A stretch of the stream out of which no frame can be made.
///
/// It says what is known. How many frames that was is not: media without complete frames in between may be one
/// large frame or many small ones, and lost packets may have been padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Loss {
    /// The extended sequence number at which the stretch begins.
    pub first_sequence: u64,
    /// Sequence numbers in the stretch that never came in time. Not counted are those skipped by a restart.
    pub missing_packets: u64,
    /// Packets that came but are of no use, as their frame is incomplete or its fragments disagree.
    pub discarded_packets: u64,
    /// The stream went on at a sequence number far from the last, so how much was lost is unknown.
    pub restarted: bool,
}

impl fmt::Debug for SealedFrame {
    /// Without the payload, which is media once it was opened in place: media stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedFrame")
            .field("timestamp", &self.timestamp)
            .field("payload_type", &self.payload_type)
            .field("marker", &self.marker)
            .field("form", &self.form)
            .field("first_sequence", &self.first_sequence)
            .field("last_sequence", &self.last_sequence)
            .field("len", &self.data.len())
            .finish()
    }
}

impl Loss {
    pub(super) fn at(first_sequence: u64) -> Self {
        Self { first_sequence, missing_packets: 0, discarded_packets: 0, restarted: false }
    }
}
