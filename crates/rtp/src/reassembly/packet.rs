//! What goes into a reassembler.

use std::time::Duration;

use bytes::{Buf, Bytes};

use crate::descriptor::{Descriptor, Form};

/// One received RTP packet: the header fields that matter here, and the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPayload {
    /// The RTP sequence number.
    pub sequence: u16,
    /// The RTP timestamp, in units of the media clock.
    pub timestamp: u32,
    /// The RTP payload type, 7 bits: that of the sealed media.
    pub payload_type: u8,
    /// The RTP marker bit.
    pub marker: bool,
    /// The RTP payload without RTP padding: descriptor and fragment, or nothing if the packet was only padding.
    pub payload: Bytes,
}

/// Why a packet was not taken.
///
/// Each is an ordinary event of a network, counted in [`Stats`](crate::Stats), and leaves what was received so
/// far as it was; a caller may ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The payload is a descriptor without content.
    #[error("the payload has no content")]
    Malformed,
    /// A packet with this sequence number is already waiting.
    #[error("the packet was received before")]
    Duplicate,
    /// The stream was already given out, or given up, beyond this packet; copies of such packets end here too.
    #[error("the packet is older than what was given out")]
    Late,
    /// The limits are reached and a complete frame waits for [`Reassembler::poll`](crate::Reassembler::poll).
    #[error("the limits are reached: poll first")]
    OverLimit,
}

/// A packet in the reassembler.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) arrived: Duration,
    pub(super) timestamp: u32,
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// An RTP packet of padding alone, as sent to probe for bandwidth: it only takes up a sequence number.
    Padding,
    /// Its T bit is not that of the stream. Kept for its sequence number alone, so that nothing waits for it.
    Foreign,
    Fragment(Descriptor, Bytes),
}

impl Held {
    pub(super) fn parse(packet: RtpPayload, form: Form, arrived: Duration) -> Result<Self, PushError> {
        let RtpPayload { sequence: _, timestamp, payload_type, marker, mut payload } = packet;
        let content = match payload.try_get_u8() {
            Err(_) => Content::Padding,
            Ok(_) if payload.is_empty() => return Err(PushError::Malformed),
            Ok(descriptor) => {
                let descriptor = Descriptor::parse(descriptor);
                if descriptor.form == form {
                    Content::Fragment(descriptor, payload)
                } else {
                    Content::Foreign
                }
            }
        };
        Ok(Self { arrived, timestamp, payload_type, marker, content })
    }

    /// Returns the bytes of content that this packet keeps in memory.
    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Padding | Content::Foreign => 0,
            Content::Fragment(_, bytes) => bytes.len(),
        }
    }
}
